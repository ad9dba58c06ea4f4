"""Training speed of COrAL on this machine: samples per second, peak memory, share of the matmul peak.

    python benchmarks/train_speed.py --output benchmarks/records/train_speed.json

One sample is one multimodal sample; a step works on two augmented views of it. Values are random; only shapes,
lengths and types matter for speed. Each shape runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from coral_plugin.augmentations import build_augmenter
from coral_plugin.augmentations.pipeline import Augmenter
from coral_plugin.data import Modality, ModalityColumn, MultimodalBatch, MultimodalData, Split, from_arrays
from coral_plugin.io.files import write_json
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Objective, Step
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.runs.environment import environment
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.randomness import generator
from coral_plugin.training.settings import TrainingSettings

BATCH = 64
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def mosi_shaped() -> tuple[MultimodalData, NetworkSettings, Any]:
    """1,284 sentences of 12 steps on average (CMU-MOSI has 26,295 words in 2,199 segments), at most 50."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.round(rng.lognormal(np.log(10.0), 0.65, 1284)), 1, 50).astype(int)
    arrays = {}
    for name, features in (("vision", 20), ("text", 300)):
        values = rng.standard_normal((1284, 50, features), dtype=np.float32)
        values[np.arange(50)[None, :] >= lengths[:, None]] = 0
        arrays[f"train/{name}"] = values
    return from_arrays(arrays, standardise=False), NetworkSettings(width=40), "drop+noise"


def mimic_shaped() -> tuple[MultimodalData, NetworkSettings, Any]:
    """8,000 stays of 5 static features and 24 hours of 12 measurements."""
    rng = np.random.default_rng(0)
    arrays = {
        "train/tabular": rng.standard_normal((8000, 5), dtype=np.float32),
        "train/series": rng.standard_normal((8000, 24, 12), dtype=np.float32),
    }
    settings = NetworkSettings(width=512, encoders={"series": "gru"})
    return from_arrays(arrays, standardise=False), settings, {"tabular": "noise", "series": "drop+noise"}


def trifeature_shaped() -> tuple[MultimodalData, NetworkSettings, Any]:
    """10,000 pairs out of 400 images of 224 px, AlexNet."""
    bank = torch.randint(0, 256, (400, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    modalities = tuple(Modality(name=f"image{i}", kind="image", shape=(3, 224, 224), **IMAGENET) for i in (1, 2))
    rows = torch.randint(0, 400, (2, 10_000), generator=torch.Generator().manual_seed(1))
    columns = {m.name: ModalityColumn(bank, rows=rows[i]) for i, m in enumerate(modalities)}
    data = MultimodalData("trifeature-shaped", modalities, (), Split(columns, {}))
    return data, NetworkSettings(width=512), "simclr"


SHAPES: dict[str, Callable[[], tuple[MultimodalData, NetworkSettings, Any]]] = {
    "mosi": mosi_shaped,
    "mimic": mimic_shaped,
    "trifeature": trifeature_shaped,
}


def matmul_peak(size: int = 2048, repeats: int = 8) -> float:
    """Greatest rate of a square float32 matrix product that this process reaches, in FLOP/s."""
    a, b = torch.randn(2, size, size)
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def measure(shape: str, steps: int, threads: int) -> dict[str, Any]:
    """Everything about one shape."""
    torch.set_num_threads(threads)
    data, network, spec = SHAPES[shape]()
    torch.manual_seed(0)
    objective = Coral(data.modalities, network, CoralSettings())
    augmenter = build_augmenter(spec, data.modalities)
    loader = BatchLoader(data.train, BATCH, seed=0)
    settings = TrainingSettings()
    optimiser = torch.optim.AdamW(objective.parameters(), lr=settings.learning_rate)
    pipeline, model, flops = _timed(loader, augmenter, objective, optimiser, 100 * len(loader), steps)
    peak = matmul_peak()
    return {
        "shape": shape,
        "parameters": sum(p.numel() for p in objective.parameters()),
        "pipeline_samples_per_second": BATCH / statistics.median(pipeline),
        "model_samples_per_second": BATCH / statistics.median(model),
        "model_step_seconds": {"median": statistics.median(model), "min": min(model), "max": max(model)},
        "flops_per_step": flops,
        "matmul_peak_flops": peak,
        "share_of_matmul_peak": flops / statistics.median(model) / peak,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "steps": steps,
        "threads": threads,
        "batch_size": BATCH,
    }


def _timed(
    loader: BatchLoader,
    augmenter: Augmenter,
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    total: int,
    steps: int,
) -> tuple[list[float], list[float], int]:
    """Seconds of whole steps and of their model part, and the FLOPs of the median step's batch shape."""
    pipeline, model, flops = [], [], []
    step = 0
    while step < steps + 3:
        batches = iter(loader)
        while step < steps + 3:
            start = time.perf_counter()
            batch = next(batches, None)
            if batch is None or batch.size < BATCH:
                break
            stream = generator(0, "step", step)
            first, second = augmenter(batch, stream), augmenter(batch, stream)
            ready = time.perf_counter()
            _step(objective, optimiser, first, second, step / total, stream)
            end = time.perf_counter()
            if step >= 3:  # the first steps warm caches and allocator up
                pipeline.append(end - start)
                model.append(end - ready)
            if 3 <= step < 6:
                with FlopCounterMode(display=False) as counter:
                    _step(objective, optimiser, first, second, step / total, stream)
                flops.append(counter.get_total_flops())
            step += 1
    return pipeline, model, int(statistics.mean(flops))


def _step(
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    first: MultimodalBatch,
    second: MultimodalBatch,
    progress: float,
    stream: torch.Generator,
) -> None:
    optimiser.zero_grad(set_to_none=True)
    objective.loss(Step(first, second, progress, stream))["total"].backward()
    optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON record")
    parser.add_argument("--one", choices=list(SHAPES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.steps, arguments.threads)))
        return
    records = []
    for shape in arguments.shapes:
        command = [sys.executable, __file__, "--one", shape, "--steps", str(arguments.steps)]
        command += ["--threads", str(arguments.threads)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
        record = json.loads(output.splitlines()[-1])
        records.append(record)
        print(
            f"{shape:<11} {record['pipeline_samples_per_second']:7.1f} samples/s whole step, "
            f"{record['model_samples_per_second']:7.1f} model only, {record['peak_memory_bytes'] / 2**30:.2f} GiB, "
            f"{100 * record['share_of_matmul_peak']:.0f} % of the matmul peak "
            f"({record['matmul_peak_flops'] / 1e9:.0f} GFLOP/s)",
            flush=True,
        )
    if arguments.output:
        write_json(arguments.output, {"environment": environment(), "records": records})


if __name__ == "__main__":
    main()
