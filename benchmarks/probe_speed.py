"""Seconds of a whole probe (choice of the penalty, last fit, scores) by either solver, and by another version.

    python benchmarks/probe_speed.py --output benchmarks/records/probe_speed.json --before CHECKOUT

Features are made at random: correlated (a power law of variances), with classes drawn from a softmax of ten latents,
in the sizes of the real ones (1,284 / 229 / 686 samples as MOSI, 20,000 / 3,000 / 3,000 as MIMIC, 6,000 pairs as
Trifeature). Seconds are those of the processor, in one thread, so that other work on the machine does not count.
``scikit-learn`` is ``probe.solver=scikit-learn``: L-BFGS from zero for each penalty, to 1e-8, only with ``--plain``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from coral_plugin.data.task import Task
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import environment

MOSI, MIMIC, TRIFEATURE, FILMS = (1284, 229, 686), (20_000, 3000, 3000), (6000, 1000, 2000), (5000, 1000, 2000)
# samples, width, classes (labels where negative), strength of the classes in the features
SETS: dict[str, tuple[tuple[int, ...], int, int, float]] = {
    "MOSI, all parts": (MOSI, 80, 2, 0.4),
    "MOSI, shared part": (MOSI, 40, 2, 0.4),
    "MOSI, unique part": (MOSI, 20, 2, 0.4),
    "MOSI, 3,000 raw features": (MOSI, 3000, 2, 0.4),
    "MOSI, 20,450 raw features": (MOSI, 20_450, 2, 0.4),
    "MIMIC, all parts": (MIMIC, 1024, 2, 0.4),
    "MIMIC, shared part": (MIMIC, 512, 2, 0.4),
    "MIMIC, unique part": (MIMIC, 256, 2, 0.4),
    "MIMIC, raw features": (MIMIC, 293, 2, 0.4),
    "MIMIC, all parts, 6 classes": (MIMIC, 1024, 6, 0.4),
    "Trifeature, 10 classes": (TRIFEATURE, 128, 10, 2.0),
    "Trifeature, 100 classes": (TRIFEATURE, 128, 100, 2.0),
    "MM-IMDb, 23 labels": (FILMS, 512, -23, 0.7),
    "MOSI, 64 in 512 columns": (MOSI, 64, 2, 0.4),
    "Trifeature, 64 in 512 columns": (TRIFEATURE, 64, 10, 2.0),
}
COLUMNS = 512  # of a linear projection, as the last layer of CLIP's encoders is
Split = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs="*", default=list(SETS), help="names of feature sets")
    parser.add_argument("--before", type=Path, help="checkout of another version of this package")
    parser.add_argument("--plain", action="store_true", help="also by scikit-learn's solver")
    parser.add_argument("--solver", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.solver is not None:
        print(json.dumps(measured(args.only[0], args.solver)))
        return
    records: dict[str, Any] = {}
    for name in args.only:
        ways = {"newton": run(name, "", None)}
        if args.before:
            ways["before"] = run(name, "", args.before)
        if args.plain:
            ways["scikit-learn"] = run(name, "scikit-learn", None)
        records[name] = ways
        show(name, ways)
        if args.output:
            write_json(args.output, {"environment": environment(), "sets": records})


def run(name: str, solver: str, checkout: Path | None) -> dict[str, Any]:
    """:func:`measured` in a process of its own, with the package of ``checkout`` where one is given."""
    path = {"PYTHONPATH": str(checkout.resolve())} if checkout else {}
    process = subprocess.run(  # noqa: S603
        [sys.executable, __file__, "--solver", solver, "--only", name],
        env={**os.environ, **path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    record: dict[str, Any] = json.loads(process.stdout)
    return record


def measured(name: str, solver: str) -> dict[str, Any]:
    """Median seconds of three probes (of one where it takes more than 5 s), and what it found.

    Args:
        name: Key of :data:`SETS`.
        solver: ``scikit-learn``, or empty for the default, which is all that an older version has.
    """
    samples, width, classes, strength = SETS[name]
    splits = random_splits(samples, width, classes, strength)
    if f"in {COLUMNS} columns" in name:
        projection = np.random.default_rng(width).standard_normal((width, COLUMNS), np.float32)
        train, valid, test = ((x @ projection, y) for x, y in splits)
        splits = train, valid, test
    task = Task(
        name="label",
        kind="multilabel" if classes < 0 else "classification",
        classes=tuple(map(str, range(abs(classes)))),
    )
    settings = ProbeSettings(solver="scikit-learn", max_iterations=20_000) if solver else ProbeSettings()
    probe(*random_splits((60, 30, 30), 5, classes, 1.0), task, settings)  # imports
    seconds: list[float] = []
    while len(seconds) < 3 and (not seconds or seconds[0] < 5):
        start = time.process_time()
        score = probe(*splits, task, settings)
        seconds.append(time.process_time() - start)
    return {
        "shape": list(splits[0][0].shape),
        "seconds": float(np.median(seconds)),
        "C": score.setting["C"],
        "metric": score.metric,
        "score": 100 * score.value,
        "note": score.setting.get("note", ""),
    }


def random_splits(samples: tuple[int, ...], width: int, classes: int, strength: float) -> tuple[Split, Split, Split]:
    """Train, valid and test: features ``(N, width)`` of float32, and classes or labels."""
    rng, count, rank = np.random.default_rng(width + abs(classes)), sum(samples), min(width, 400)
    latent = rng.standard_normal((count, rank), dtype=np.float32)
    x = (latent / np.sqrt(np.arange(1, rank + 1, dtype=np.float32))) @ rng.standard_normal((rank, width), np.float32)
    x = np.tanh((x + 0.3 * x.std() * rng.standard_normal(x.shape, np.float32)) / 3)
    kept = rng.permutation(min(rank, 60))[:10]
    logits = strength * latent[:, kept] @ rng.standard_normal((len(kept), abs(classes)))
    if classes < 0:
        y = (rng.random(logits.shape) < 1 / (1 + np.exp(1.5 - logits))).astype(np.int64)
    else:
        y = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(0, classes - 1)
    ends = np.cumsum(samples)
    train, valid, test = ((x[end - size : end], y[end - size : end]) for size, end in zip(samples, ends, strict=True))
    return train, valid, test


def show(name: str, ways: dict[str, dict[str, Any]]) -> None:
    for way, record in ways.items():
        gain = f", {record['seconds'] / ways['newton']['seconds']:.1f} times" if way != "newton" else ""
        note = f"  ({record['note']})" if record["note"] else ""
        shape = " x ".join(f"{size:,}" for size in record["shape"])
        print(
            f"{name:28} {shape:16} {way:12} {record['seconds']:8.3f} s{gain}; C {record['C']:g}, "
            f"{record['metric']} {record['score']:.2f} %{note}",
            flush=True,
        )


if __name__ == "__main__":
    main()
