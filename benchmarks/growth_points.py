"""One point of ``growth.py``, measured in a process of its own: ``python growth_points.py SERIES X`` prints JSON."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WIDTHS = {"sensor": 224, "meta": 32}  # 1 KiB per sample in float32
SHARD = 5000  # samples
# a table of 32 features or more is then one token
NETWORK = {"network.width": 32, "network.head_hidden": 64, "network.head_output": 32}
STEP_SECONDS, MOST_STEPS = 2.0, 20  # time that the steps of a point take together, if they are not longer


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points that differ in one number.

    Attributes:
        axis: Name of what grows.
        words: Description for the page.
        label: Short description for the picture.
        points: Values of what grows.
        tail: Smallest value that counts for the exponent; None fits a straight line to all points instead.
        method: Method that is trained.
        chosen: Settings of the run.
    """

    axis: str
    words: str
    label: str
    points: tuple[int, ...]
    tail: int | None
    method: str = "coral"
    chosen: Mapping[str, Any] = field(default_factory=dict)


_BATCHES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
_LENGTHS = (250, 500, 1000, 2000, 4000)
SERIES = {
    "batch": Series(
        axis="batch",
        words="two tables of 32 features, networks of width 32, one step",
        label="in chunks",
        points=_BATCHES,
        tail=1024,
        chosen={"network.width": 32},
    ),
    "batch, whole": Series(
        axis="batch",
        words="the same with every matrix of pairs at once, `chunked(False)`",
        label="whole matrix",
        points=_BATCHES[:-1],
        tail=1024,
        chosen={"network.width": 32},
    ),
    "length": Series(
        axis="length",
        words="a sequence of 20 features (transformer of five layers, width 40) and a table, one step of 2 samples",
        label="transformer",
        points=_LENGTHS,
        tail=1000,
        chosen={"network.width": 40, "network.encoders": {"series": "affect_transformer(positions=True)"}},
    ),
    "length, convolutions": Series(
        axis="length",
        words="a time series of 20 features (conv1d, the default of time series) and a table, one step of 16 samples",
        label="convolutions",
        points=_LENGTHS,
        tail=1000,
        chosen={"network.width": 64, "network.encoders": {"series": "conv1d"}},
    ),
    "modalities": Series(
        axis="modalities",
        words="time series of 50 steps of 6 features, one step of 64 samples",
        label="COrAL",
        points=(2, 3, 4, 5, 6, 7, 8),
        tail=2,
        chosen={"network.width": 64},
    ),
    "modalities, FactorCL": Series(
        axis="modalities",
        words="the same with FactorCL, which has six critics for each pair of modalities",
        label="FactorCL",
        points=(2, 4, 6, 8),
        tail=2,
        method="factorcl",
        chosen={"network.width": 64},
    ),
    "samples, memory": Series(
        axis="samples",
        words="two tables, 1 KiB per sample; an epoch of `coral train` from an `.npz`, which is held in memory",
        label="in memory",
        points=(10_000, 30_000, 100_000),
        tail=None,
        chosen=NETWORK,
    ),
    "samples, folder": Series(
        axis="samples",
        words="the same from a folder of memory-mapped `.npy` files",
        label="folder",
        points=(10_000, 30_000, 100_000, 300_000),
        tail=None,
        chosen=NETWORK,
    ),
    "samples, shards": Series(
        axis="samples",
        words=f"the same from shards (tar files) of {SHARD:,} samples",
        label="shards",
        points=(10_000, 20_000, 40_000),
        tail=None,
        chosen=NETWORK,
    ),
    "processes": Series(
        axis="processes",
        words="two time series of 50 steps of 6 features, `coral train` with batches of 512 and one thread a process",
        label="processes",
        points=(1, 2),
        tail=1,
        chosen={"network.width": 64},
    ),
}


def arrays_of(axis: str, x: int) -> tuple[dict[str, np.ndarray], int]:
    """Arrays of one batch and the number of its samples, where ``x`` is the value of what grows."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    if axis == "batch":
        return {"train/left": normal(x, 32), "train/right": normal(x, 32)}, x
    if axis == "modalities":
        return {f"train/m{number}": normal(64, 50, 6) for number in range(x)}, 64
    size = 2 if axis == "length" else 16
    return {"train/series": normal(size, x, 20), "train/table": normal(size, 32)}, size


def measure_step(name: str, x: int) -> dict[str, float]:
    """Seconds and memory of a training step."""
    import torch

    from coral_plugin.data import from_arrays
    from coral_plugin.losses import chunked
    from coral_plugin.machine import forget_peak, peak_memory, resident
    from coral_plugin.runs.folder import build_objective
    from coral_plugin.runs.recipe import make_augmenter
    from coral_plugin.runs.settings import make_settings
    from coral_plugin.training.loader import BatchLoader
    from coral_plugin.training.step import TrainingStep, make_optimiser

    series = SERIES[name]
    arrays, size = arrays_of(name if name == "length, convolutions" else series.axis, x)
    kinds = {key.partition("/")[2]: "timeseries" for key, value in arrays.items() if value.ndim == 3}
    data = from_arrays(arrays, standardise=False, kinds=kinds)
    chosen = {"training.batch_size": size, **series.chosen}
    settings = make_settings(series.method, "arrays", seeds=(0,), **chosen)
    torch.manual_seed(0)
    objective = build_objective(settings, data.modalities, data.tasks)
    training = TrainingStep(objective, make_augmenter(settings, data, None), 0, 1000)
    optimiser, loader = make_optimiser(objective, settings.training), BatchLoader(data.unlabelled, size, 0)
    before = resident()
    forget_peak()
    wall, cpu = [], []
    with chunked(name != "batch, whole"):
        for number in range(MOST_STEPS + 1):
            began, used = time.perf_counter(), time.process_time()
            loss, _ = training(training.prepare(loader.batch(number), number))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
            if sum(wall[1:]) > STEP_SECONDS or wall[0] > 3 * STEP_SECONDS:
                break
    first = 1 if len(wall) > 1 else 0  # the first step warms up, unless it is long
    peak = peak_memory()
    return {
        "seconds": statistics.median(wall[first:]),
        "cpu_seconds": statistics.median(cpu[first:]),
        "steps": len(wall) - first,
        "peak_bytes": peak,
        "step_bytes": max(0, peak - before),  # the system may have taken pages back meanwhile
    }


def write_samples(source: str, target: Path, samples: int) -> None:
    """Write ``samples`` without labels, a part at a time where they need not be in memory together."""
    rng = np.random.default_rng(0)
    if source == "memory":
        values = {f"train/{name}": rng.standard_normal((samples, w), dtype=np.float32) for name, w in WIDTHS.items()}
        np.savez(target / "data.npz", **values)
        return
    (target / "train").mkdir()
    if source == "folder":
        for name, width in WIDTHS.items():
            path = target / "train" / f"{name}.npy"
            array = np.lib.format.open_memmap(path, "w+", np.float32, (samples, width))
            for start in range(0, samples, 10_000):
                array[start : start + 10_000] = rng.standard_normal((len(array[start : start + 10_000]), width))
        return
    for shard, start in enumerate(range(0, samples, SHARD)):
        with tarfile.open(target / "train" / f"{shard:06d}.tar", "w") as archive:
            for number in range(start, min(start + SHARD, samples)):
                for name, width in WIDTHS.items():
                    file = io.BytesIO()
                    np.save(file, rng.standard_normal(width, dtype=np.float32))
                    member = tarfile.TarInfo(f"{number:09d}.{name}.npy")
                    member.size = file.tell()
                    file.seek(0)
                    archive.addfile(member, file)


def train_command(data: Path, run: Path, chosen: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, float]:
    """Seconds and peak memory of ``coral train``, and the rate of its last epoch."""
    words = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "coral_plugin", "train", "--dataset", "arrays", "--data", str(data)]
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--output", str(run), "--seeds", "0", *words],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"coral train ended with status {process.returncode}: {errors.strip().splitlines()[-1:]}")
    train = json.loads((run / "metrics.json").read_text())["train"]
    rows = (run / "seed-0" / "metrics.csv").read_text().splitlines()
    rate = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))["samples_per_second"]
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "epoch_seconds": train["seconds"],
        "samples_per_second": float(rate),
        "peak_bytes": train["peak_memory_bytes"] if "training.devices" in chosen else usage.ru_maxrss * 1024,
    }


def measure_samples(name: str, x: int) -> dict[str, float]:
    """An epoch of ``coral train`` on ``x`` samples."""
    source = name.partition(", ")[2]
    with tempfile.TemporaryDirectory(prefix="coral-growth-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        write_samples(source, data, x)
        chosen = {**SERIES[name].chosen, "training.epochs": 1, "training.batch_size": 1024}
        environ = {"CORAL_CACHE": str(Path(folder) / "cache")}
        return train_command(data / "data.npz" if source == "memory" else data, Path(folder) / "run", chosen, environ)


def measure_processes(name: str, x: int) -> dict[str, float]:
    """Two epochs of ``coral train`` in ``x`` processes of one thread each."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="coral-growth-") as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, **{f"train/{key}": rng.standard_normal((2048, 50, 6), dtype=np.float32) for key in ("a", "b")})
        chosen = {**SERIES[name].chosen, "training.epochs": 2, "training.batch_size": 512, "training.devices": x}
        chosen |= {"source.kinds": '{"a": "timeseries", "b": "timeseries"}'}
        return train_command(data, Path(folder) / "run", chosen, {"OMP_NUM_THREADS": str(x)})


MEASURES = {"samples": measure_samples, "processes": measure_processes}


def measure(name: str, x: int) -> dict[str, float]:
    """The point of series ``name`` at ``x``."""
    return MEASURES.get(SERIES[name].axis, measure_step)(name, x)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
