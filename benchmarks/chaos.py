"""Runs that are killed at random moments and resumed, beside runs that nobody disturbed: equal bit for bit, or not.

    OMP_NUM_THREADS=1 python benchmarks/chaos.py --kills 50 --output benchmarks/records/chaos.json

Each case (objective, data set) is run once undisturbed; then it is run, killed after a random time, resumed, killed
again, and so on until it ends; then anew, until the case has its share of the kills. A kill is SIGKILL, SIGTERM (which
may write a checkpoint and must say how to go on), or SIGKILL with the newest checkpoint cut at a random byte, as a
power cut may leave it. Weights, metrics.json and metrics.csv are compared, what the clock and the memory meter say
left out.

Every run is `coral train` in a process of its own, forked from this one so that nothing has to be imported again, and
without its pictures.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin.cli.main import main as coral
from coral_plugin.io.files import write_json
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs import run as running
from coral_plugin.runs.environment import environment
from coral_plugin.training.log import TIMES

MEASURED = {*TIMES, "peak_memory_bytes"}
KINDS = ("kill", "terminate", "kill and cut")
FLAGS = [
    "--network.width=8", "--network.heads=2", "--network.head_hidden=8", "--network.head_output=8",
    "--device", "cpu", "--training.checkpoint_seconds=0.05", "--set", "training.schedule=cosine", "--quiet",
]  # fmt: skip
DATA = {
    "arrays": ["--dataset", "arrays", "--batch-size", "24", "--epochs", "16", "--seeds", "41,42"],
    "digits": ["--dataset", "digits", "--batch-size", "64", "--epochs", "2", "--set", "probe.kind=knn"],
}


def cases(names: list[str] | None) -> list[tuple[str, str]]:
    """Objectives that train, COrAL first, each with each data set."""
    known = [name for name in OBJECTIVES.names() if OBJECTIVES.get(name).trains]
    chosen = names or sorted(known, key=lambda name: (name != "coral", name))
    return [(name, data) for data in DATA for name in chosen]


def tiny_file(folder: Path) -> Path:
    """A table and a series of varying length that tell three classes apart."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 72), ("valid", 24), ("test", 24)):
        labels = np.arange(count) % 3
        wave = np.sin(np.arange(8)[None, :, None] * (1 + labels[:, None, None])) + 2
        wave[::3, 5:] = 0
        arrays[f"{split}/table"] = (labels[:, None] + 0.5 * rng.standard_normal((count, 4))).astype(np.float32)
        arrays[f"{split}/wave"] = wave.repeat(2, axis=2).astype(np.float32)
        arrays[f"{split}/labels"] = labels
    np.savez(folder / "tiny.npz", **arrays)
    return folder / "tiny.npz"


class Case:
    """One objective on one data set.

    Args:
        objective: Registered name.
        data: Key of ``DATA``.
        folder: Parent of its runs.
        file: File of the arrays.
    """

    def __init__(self, objective: str, data: str, folder: Path, file: Path) -> None:
        self.name = f"{objective} on {data}"
        self.folder = folder
        self.argv = ["train", "--objective", objective, *DATA[data], *FLAGS]
        self.argv += ["--data", str(file)] if data == "arrays" else []
        folder.mkdir()

    def start(self, output: Path) -> multiprocessing.Process:
        """The command, with ``--resume`` once there is a run; its standard error goes to a file."""
        more = ["--resume"] if (output / "config.yaml").exists() else []
        argv = [*self.argv, "--output", str(output), *more]
        process = multiprocessing.get_context("fork").Process(target=child, args=(argv, self.folder / "stderr"))
        process.start()
        return process

    def finish(self, output: Path) -> float:
        """Run to the end; returns its seconds.

        Raises:
            RuntimeError: it fails.
        """
        began = time.monotonic()
        process = self.start(output)
        process.join()
        if process.exitcode:
            message = (self.folder / "stderr").read_text().strip()
            raise RuntimeError(f"{self.name}: status {process.exitcode}: {message[-300:]}")
        return time.monotonic() - began


def preload() -> None:
    """Import here, once, what every process would import, and leave the pictures out."""
    for name in ("lightning_fabric", "sklearn.linear_model", "sklearn.datasets", "coral_plugin.runs.run"):
        importlib.import_module(name)
    if importlib.util.find_spec("tensorboard"):
        importlib.import_module("tensorboard.summary.writer.event_file_writer")
    running.draw_run = lambda _: []


def child(argv: list[str], stderr: Path) -> None:
    """``coral`` in a forked process."""
    torch.set_num_threads(1)
    with stderr.open("w") as file:
        os.dup2(file.fileno(), 2)
        with open(os.devnull, "w") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 1)
    status = coral(argv)
    sys.stderr.flush()
    os._exit(status)


def kill(case: Case, output: Path, seconds: float, kind: str, rng: random.Random) -> dict[str, Any] | None:
    """Start or resume the run and kill it after ``seconds``; None where it ended before."""
    process = case.start(output)
    process.join(seconds)
    if process.exitcode is not None:
        if process.exitcode:
            raise RuntimeError(f"{case.name}: status {process.exitcode}: {(case.folder / 'stderr').read_text()[-300:]}")
        return None
    began = time.monotonic()
    os.kill(process.pid or 0, signal.SIGTERM if kind == "terminate" else signal.SIGKILL)
    process.join()
    newest = sorted(output.glob("seed-*/last.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    if kind == "kill and cut" and newest:
        os.truncate(newest[-1], rng.randrange(newest[-1].stat().st_size))
    message = (case.folder / "stderr").read_text()
    if (
        kind == "terminate"
        and process.exitcode == 128 + signal.SIGTERM
        and not ("coral train" in message and "--resume" in message)
    ):
        raise RuntimeError(f"{case.name}: SIGTERM does not say how to go on: {message[-300:]}")
    return {
        "case": case.name,
        "kind": kind,
        "after_seconds": round(seconds, 3),
        "status": process.exitcode,
        "seconds_to_end": round(time.monotonic() - began, 3),
        "checkpoint": bool(newest),
        "seeds_finished": len(list(output.glob("seed-*/result.json"))),
    }


def differences(one: Path, two: Path) -> list[str]:
    """What two runs do not have in common."""
    names = []
    for path in sorted(one.glob("seed-*/model.safetensors")):
        other = two / path.relative_to(one)
        if not other.exists() or path.read_bytes() != other.read_bytes():
            names.append(str(path.relative_to(one)))
    if _plain(json.loads((one / "metrics.json").read_text())) != _plain(json.loads((two / "metrics.json").read_text())):
        names.append("metrics.json")
    names += [
        str(path.relative_to(one))
        for path in (one / "metrics.csv", *one.glob("seed-*/metrics.csv"))
        if _rows(path) != _rows(two / path.relative_to(one))
    ]
    left = [str(path.relative_to(two)) for path in two.rglob("*.ckpt")]
    return names + [f"{name} is left" for name in left]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in MEASURED}
    return value


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in MEASURED} for row in csv.DictReader(file)]


def disturb(case: Case, kills: int, rng: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """``kills`` kills of one case: the kills, the comparisons, and the seconds of the undisturbed run."""
    whole = case.folder / "whole"
    usual = case.finish(whole)
    performed: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    for number in itertools.count():
        output = case.folder / f"run-{number}"
        mine = 0
        while len(performed) < kills:
            killed = kill(case, output, rng.uniform(0.02, 0.8 * usual), rng.choice(KINDS), rng)
            if killed is None:
                break
            performed.append(killed)
            mine += 1
            # a run is let end now and then, before it has been killed to its end
            if mine >= 3 and rng.random() < 0.5:
                break
        case.finish(output)
        compared.append({"case": case.name, "kills": mine, "differences": differences(whole, output)})
        shutil.rmtree(output)
        if len(performed) >= kills:
            return performed, compared, usual
    raise AssertionError


def summarise(
    seed: int, kills: list[dict[str, Any]], compared: list[dict[str, Any]], usual: dict[str, float], began: float
) -> dict[str, Any]:
    """The record of these kills and comparisons."""
    mismatches = [run for run in compared if run["differences"]]
    terminated = [kill["seconds_to_end"] for kill in kills if kill["status"] == 128 + signal.SIGTERM]
    return {
        "seed": seed,
        "kills": len(kills),
        "by_kind": dict(Counter(kill["kind"] for kill in kills)),
        "with_a_checkpoint": sum(kill["checkpoint"] for kill in kills),
        "runs_compared": len(compared),
        "mismatches": mismatches,
        "seconds_from_sigterm_to_end": {"max": max(terminated, default=None), "count": len(terminated)},
        "seconds": round(time.monotonic() - began, 1),
        "seconds_undisturbed": usual,
        "each_kill": kills,
        "environment": environment(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objectives", nargs="*")
    parser.add_argument("--output", type=Path, help="JSON record")
    arguments = parser.parse_args()
    if arguments.kills < 1:
        parser.error("--kills must be at least 1")
    rng = random.Random(arguments.seed)  # noqa: S311
    torch.set_num_threads(1)
    preload()
    chosen = cases(arguments.objectives)[: arguments.kills]
    shares = [arguments.kills // len(chosen) + (n < arguments.kills % len(chosen)) for n in range(len(chosen))]
    kills, compared, seconds = [], [], {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="coral-chaos-") as name:
        file = tiny_file(Path(name))
        for number, ((objective, data), share) in enumerate(zip(chosen, shares, strict=True)):
            case = Case(objective, data, Path(name) / str(number), file)
            some, runs, usual = disturb(case, share, rng)
            kills += some
            compared += runs
            seconds[case.name] = round(usual, 2)
            bad = [run for run in runs if run["differences"]]
            print(f"{case.name:<24} {len(some)} kills, {len(runs)} runs, {len(bad)} differ", flush=True)
            shutil.rmtree(case.folder)
            if arguments.output:  # after each case, so that little is lost if this is stopped
                write_json(arguments.output, summarise(arguments.seed, kills, compared, seconds, began))
    record = summarise(arguments.seed, kills, compared, seconds, began)
    wrong = len(record["mismatches"])
    print(f"{len(kills)} kills, {len(compared)} runs compared, {wrong} mismatches (seed {arguments.seed})")
    return int(bool(record["mismatches"]))


if __name__ == "__main__":
    sys.exit(main())
