"""The probe's sweep beside scikit-learn's logistic regression fitted one by one, from zero, to a tight tolerance.

    python benchmarks/probe_convergence.py --output benchmarks/records/probe_convergence.json

For each set of features and each C: balanced accuracy on valid and test, in points, and seconds. ``before`` is how
this package did it up to version 0.1: scikit-learn at its tolerance of 1e-4, each fit from where the last one ended.
Data: digits of scikit-learn; wearables and MOSI of ``../shared/data`` (or ``CORAL_TEST_DATA``); one COrAL of width 16,
trained for five epochs on wearables. MOSI's valid saw its own labels (its SOURCE.md): it is here for its shape alone.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score

from coral_plugin import fit
from coral_plugin.evaluation.probe.estimators import one_thread
from coral_plugin.evaluation.probe.inputs import scaled, scaling_of
from coral_plugin.evaluation.probe.logistic import labels_path, logistic_path
from coral_plugin.evaluation.probe.penalty import COSTS
from coral_plugin.evaluation.probe.settings import ProbeSettings
from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import environment

SHARED = Path(os.environ.get("CORAL_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
SPLITS = ("train", "valid", "test")
Sets = dict[str, tuple[np.ndarray, np.ndarray]]
_TIGHT = {"tol": 1e-10, "max_iter": 20_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs="*", help="names of feature sets")
    args = parser.parse_args()
    records = {}
    for name, splits in feature_sets():
        if args.only and name not in args.only:
            continue
        with one_thread():
            records[name] = compared(splits)
        show(name, records[name])
        if args.output:  # after each: the last one takes as long as all others
            write_json(args.output, {"environment": environment(), "sets": records})


def feature_sets() -> Iterator[tuple[str, Sets]]:
    """``(name, {split: (features, targets)})``."""
    x, y = load_digits(return_X_y=True)
    parts = dict(zip(SPLITS, (slice(0, 1000), slice(1000, 1300), slice(1300, None)), strict=True))
    yield "digits", {split: (x[rows], y[rows]) for split, rows in parts.items()}
    # three overlapping labels of a digit: even, above four, a prime
    labels = np.stack([y % 2 == 0, y > 4, np.isin(y, (2, 3, 5, 7))], axis=1).astype(np.int64)
    yield "digits, three labels", {split: (x[rows], labels[rows]) for split, rows in parts.items()}
    for name, file in (("MOSI", "mosi/mosi_utterance.npz"), ("wearables, raw", "wearables/wearables.npz")):
        arrays = dict(np.load(SHARED / file))
        names = [key[6:] for key in arrays if key.startswith("train/") and key != "train/labels"]
        if name != "MOSI":
            coral = fit(arrays, "coral", seeds=1, epochs=5, network__width=16, quiet=True)
            yield (
                "wearables, COrAL",
                {
                    split: (coral.embed({m: arrays[f"{split}/{m}"] for m in names}), arrays[f"{split}/labels"])
                    for split in SPLITS
                },
            )
        for title, taken in ((f"{name}, watch_acc", ["watch_acc"]), (name, names)):
            if set(taken) <= set(names):
                yield title, {split: raw(arrays, split, taken) for split in SPLITS}


def raw(arrays: dict[str, np.ndarray], split: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The values of some modalities, flat and side by side, and the labels."""
    flat = [arrays[f"{split}/{name}"].reshape(len(arrays[f"{split}/{name}"]), -1) for name in names]
    return np.concatenate(flat, axis=1), arrays[f"{split}/labels"]


def compared(splits: Sets) -> dict[str, Any]:
    """Scores of the three ways for each C, and what each way chooses on valid."""
    scaling = scaling_of(splits["train"][0])
    splits = {split: (scaled(x, scaling), y) for split, (x, y) in splits.items()}
    (x, y), classes = splits["train"], int(splits["train"][1].max()) + 1
    steps = ProbeSettings().max_iterations

    def ours() -> Iterator[tuple[Callable[..., np.ndarray], bool]]:
        path = (
            logistic_path(x, y, COSTS, classes=classes, max_iterations=steps)
            if y.ndim == 1
            else labels_path(x, y, COSTS, max_iterations=steps)
        )
        for solution in path:
            yield (lambda new, f=solution: f(new).argmax(1) if y.ndim == 1 else f(new) > 0.5), solution.converged

    ways = {
        "ours": ours(),
        "before": sweep(x, y, warm_start=True, max_iter=steps),
        "one by one": sweep(x.astype(np.float64), y, **_TIGHT),
    }
    rows: dict[str, list[dict[str, Any]]] = {}
    for way, fits in ways.items():
        rows[way] = []
        for cost in COSTS:
            start = time.perf_counter()
            predict, converged = next(fits)
            seconds = time.perf_counter() - start
            scores = {split: score(splits[split][1], predict(splits[split][0])) for split in ("valid", "test")}
            rows[way].append({"C": cost, **scores, "converged": converged, "seconds": round(seconds, 3)})
    return {
        "shape": list(x.shape),
        "dtype": str(x.dtype),
        "targets": classes if y.ndim == 1 else y.shape[1],
        "chosen": {way: max(fits, key=lambda row: row["valid"])["C"] for way, fits in rows.items()},
        "seconds": {way: round(sum(row["seconds"] for row in fits), 2) for way, fits in rows.items()},
        "rows": rows,
    }


def sweep(x: np.ndarray, y: np.ndarray, **options: Any) -> Iterator[tuple[Callable[..., np.ndarray], bool]]:
    """scikit-learn for each C: a function that predicts, and whether every fit converged."""
    models = [LogisticRegression(**options) for _ in range(1 if y.ndim == 1 else y.shape[1])]
    for cost in COSTS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            for model, target in zip(models, [y] if y.ndim == 1 else y.T, strict=True):
                model.set_params(C=cost).fit(x, target)
        # copies: a warm start goes on in the same arrays
        fixed = [(model.coef_.copy(), model.intercept_.copy()) for model in models]
        yield (lambda new, fixed=fixed: decided(new, fixed, single=y.ndim == 1)), not caught


def decided(new: np.ndarray, fixed: list[tuple[np.ndarray, np.ndarray]], *, single: bool) -> np.ndarray:
    logits = [new @ weights.T + bias for weights, bias in fixed]
    if not single:
        return np.concatenate(logits, axis=1) > 0
    return (logits[0][:, 0] > 0).astype(np.int64) if logits[0].shape[1] == 1 else logits[0].argmax(1)


def score(truth: np.ndarray, guess: np.ndarray) -> float:
    """What the probe chooses by, in points: balanced accuracy, of labels macro F1."""
    if truth.ndim == 2:
        return 100 * f1_score(truth, guess, average="macro", zero_division=0)
    return 100 * recall_score(truth, guess, labels=np.unique(truth), average="macro", zero_division=0)


def show(name: str, record: dict[str, Any]) -> None:
    print(f"\n{name}: {record['shape']} {record['dtype']}, {record['targets']} targets")
    print(f"  chosen C: {record['chosen']}; seconds: {record['seconds']}")
    print("         C   one by one        ours - it        before - it   (valid, test)")
    for tight, ours, before in zip(*(record["rows"][way] for way in ("one by one", "ours", "before")), strict=True):
        gaps = [f"{row[split] - tight[split]:+7.2f}" for row in (ours, before) for split in ("valid", "test")]
        note = "" if ours["converged"] else "  ours stopped before convergence"
        note += "" if tight["converged"] else "  scikit-learn stopped before convergence"
        print(f"  {tight['C']:8g}  {tight['valid']:6.2f} {tight['test']:6.2f}  {'  '.join(gaps)}{note}", flush=True)


if __name__ == "__main__":
    main()
