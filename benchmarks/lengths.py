"""Chooses for every method how long it is trained, on samples whose scores no table reports.

    METHODS=coral,comm,supervised python benchmarks/lengths.py wearables --output results/small/wearables
    METHODS=coral,comm,supervised sh benchmarks/small.sh wearables $(cat results/small/wearables/lengths.txt)

The grid of ``benchmarks/small.sh`` is run at every length with seeds of its own and data without the test split.
``wearables``: the three valid subjects are scored, and the probe chooses its penalty on a part of train.
``avmnist``: one training speaker is left out and scored, and another one chooses the penalty
(:func:`choices.write_without_speaker`). ``digits``: valid is scored, drawn as test is. Of equal scores the shorter
training is taken. Methods are named by METHODS as in ``small.sh``; every method gets the same lengths and seeds. The
same call goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from choices import ROOT, SHARED, write_without_speaker

from coral_plugin.adapters.digits import Digits, DigitsSettings
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment

SEEDS = (39, 40)  # those of the tables are 41 to 45
HELD_SPEAKER = "lucas"
SCORED = {
    "wearables": "the three valid subjects",
    "avmnist": f"speaker {HELD_SPEAKER}, left out of train",
    "digits": "the 270 samples of valid",
}
Scores = dict[str, dict[int, list[float]]]


def write_data(name: str, folder: Path) -> None:
    """Write the data of one table without its test split into ``folder``, laid out as ``../shared/data`` is."""
    if name == "digits":
        (folder / "digits").mkdir(parents=True, exist_ok=True)
        splits = Digits.load(settings=DigitsSettings()).splits()
        arrays: dict[str, np.ndarray] = {}
        for label, split in (("train", splits["train"]), ("test", splits["valid"])):
            batch = split.batch(torch.arange(len(split)))
            arrays |= {f"{label}/{part}": values.numpy() for part, values in batch.items()}
            arrays[f"{label}/labels"] = batch.targets["digit"].numpy()
        np.savez(folder / "digits" / "digits.npz", **arrays)
        return
    if name == "avmnist":
        (folder / "avmnist_mini").mkdir(parents=True, exist_ok=True)
        write_without_speaker(folder / "avmnist_mini" / "avmnist_mini.npz", HELD_SPEAKER)
        return
    (folder / "wearables").mkdir(parents=True, exist_ok=True)
    with np.load(SHARED / "wearables" / "wearables.npz") as file:
        arrays = {key: file[key] for key in file.files if not key.startswith("test/")}
    np.savez(folder / "wearables" / "wearables.npz", **{key.replace("valid/", "test/"): a for key, a in arrays.items()})


def run_grid(name: str, epochs: int, data: Path, output: Path, workers: int) -> dict[str, list[float]]:
    """``{row: scores of the seeds}`` after a training of so many epochs."""
    flags = ["--epochs", str(epochs), "--seeds", ",".join(map(str, SEEDS)), "--no-embeddings"]
    flags += ["--output", str(output), "--record", f"{output}-record"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where this interpreter's coral is
    variables = {"CORAL_TEST_DATA": str(data), "WORKERS": str(workers), "PATH": path}
    command = ["/bin/sh", "benchmarks/small.sh", name, *flags]
    if status := subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode:  # noqa: S603
        sys.exit(status)  # coral bench has said why
    by_row: dict[str, list[float]] = defaultdict(list)
    with (output / "scores.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["method"] != "concat_raw":
                by_row[line["method"]].append(float(line["value"]))
    return by_row


def choose(scores: Scores) -> dict[str, int]:
    """The length of the best mean of each row, the shorter one of equals."""
    return {
        row: max(sorted(by_length), key=lambda epochs: statistics.mean(by_length[epochs]))
        for row, by_length in scores.items()
    }


def table(name: str, scores: Scores, chosen: dict[str, int]) -> Table:
    """Rows are methods, columns lengths."""
    lengths = sorted({epochs for by_length in scores.values() for epochs in by_length})
    body = tuple(
        (row, *(cell(by_length[epochs]) for epochs in lengths), str(chosen[row])) for row, by_length in scores.items()
    )
    return Table(
        ("balanced accuracy, % ↑", *(f"{epochs} epochs" for epochs in lengths), "chosen"),
        body,
        f"Length of the training on {name}",
        f"Scored: {SCORED[name]}; mean ± sample standard deviation over seeds {', '.join(map(str, SEEDS))}. No sample "
        "of the test split was read, no method saw a label of the scored samples.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=SCORED)
    parser.add_argument("--output", type=Path, required=True, help="folder of the record")
    parser.add_argument("--lengths", default="5,10,20", help="numbers of epochs that are tried")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    lengths = [int(text) for text in arguments.lengths.split(",")]
    runs = ROOT / "runs" / "lengths" / arguments.data
    data = runs / "data"
    if not data.exists():
        write_data(arguments.data, partial := runs / "data.partial")
        shutil.move(partial, data)
    scores: Scores = defaultdict(dict)
    for epochs in lengths:
        for row, values in run_grid(arguments.data, epochs, data, runs / str(epochs), arguments.workers).items():
            scores[row][epochs] = values
    chosen = choose(scores)
    summary = table(arguments.data, scores, chosen)
    write_json(
        arguments.output / "lengths.json",
        {"schema": 1, "seeds": SEEDS, "scores": scores, "chosen": chosen, "environment": environment()},
    )
    write_text(arguments.output / "lengths.md", summary.markdown())
    flags = "".join(f"--set {row}:training.epochs={epochs}\n" for row, epochs in chosen.items())
    write_text(arguments.output / "lengths.txt", flags)
    print(summary.text())


if __name__ == "__main__":
    main()
