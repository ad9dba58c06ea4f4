"""Trains COrAL on two, three, four and six modalities of real data, embeds and scores them, and writes a table.

    python benchmarks/modality_counts.py --output results/modalities

Six are the four inertial sensors and two tables made from them (the spectrum of each device's acceleration): series and
tables side by side. Data: the handwritten digits of scikit-learn, ``../shared/data`` (or ``CORAL_TEST_DATA``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin import fit
from coral_plugin.adapters.digits import Digits, DigitsSettings
from coral_plugin.data import MultimodalData, from_arrays
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("CORAL_TEST_DATA") or ROOT.parent / "shared" / "data")
SETTINGS = {
    "network__width": 64,
    "network__head_hidden": 256,
    "network__head_output": 128,
    "training__learning_rate": 1e-3,
    "training__schedule": "cosine",
}


def npz(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file below the shared data."""
    with np.load(SHARED / name) as file:
        return {key: file[key] for key in file.files}


def six() -> dict[str, np.ndarray]:
    """Four series, and the log-spectrum of the length of both accelerations as two tables."""
    arrays = npz("wearables/wearables.npz")
    for split in ("train", "valid", "test"):
        for device in ("phone", "watch"):
            lengths = np.linalg.norm(arrays[f"{split}/{device}_acc"], axis=2)
            spectrum = np.abs(np.fft.rfft(lengths - lengths.mean(axis=1, keepdims=True), axis=1))
            arrays[f"{split}/{device}_spectrum"] = np.log(spectrum + 1e-3).astype(np.float32)
    return arrays


SETS: dict[str, tuple[Callable[[], MultimodalData], int]] = {
    "digits, halves": (lambda: Digits.load(settings=DigitsSettings(parts="halves")), 20),
    "MOSI, utterances": (lambda: from_arrays(npz("mosi/mosi_utterance.npz")), 20),
    "digits, quarters": (lambda: Digits.load(settings=DigitsSettings(parts="quarters")), 20),
    "wearables": (lambda: from_arrays(npz("wearables/wearables.npz")), 10),
    "wearables and spectra": (lambda: from_arrays(six()), 10),
}


def measured(seeds: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """One row a data set."""
    for name, (make, epochs) in SETS.items():
        data = make()
        with tempfile.TemporaryDirectory(prefix="modality-counts-") as folder:
            fitted = fit(data, seeds=seeds, epochs=epochs, output=Path(folder) / "run", **SETTINGS)
        batch = data.test.batch(torch.arange(len(data.test)))
        shape = fitted.embed({key: values.numpy() for key, values in batch.tensors.items()}).shape
        ((name_of_task, task),) = fitted.metrics["tasks"].items()
        yield {
            "data": name,
            "modalities": [modality.name for modality in data.modalities],
            "kinds": [modality.kind for modality in data.modalities],
            "epochs": epochs,
            "embedding of the test split": list(shape),
            "metric": task["metric"],
            "values": task["values"],
            "raw": fitted.metrics["raw_features"]["all"][name_of_task]["values"],
            "chance": task["chance"],
            "train": fitted.metrics["train"],
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "modalities", help="where the record goes")
    parser.add_argument("--seeds", default="41,42,43")
    arguments = parser.parse_args()
    seeds = tuple(int(seed) for seed in arguments.seeds.split(","))
    rows = list(measured(seeds))
    write_json(
        arguments.output / "modalities.json",
        {"schema": 1, "settings": SETTINGS, "seeds": seeds, "rows": rows, "environment": environment()},
    )
    columns = ("data", "n", "kinds", "embedding", "COrAL, balanced accuracy, % ↑", "raw", "chance")
    table = Table(
        columns=columns,
        rows=tuple(
            (
                row["data"],
                str(len(row["modalities"])),
                ", ".join(sorted(set(row["kinds"]))),
                "x".join(map(str, row["embedding of the test split"])),
                cell(row["values"]),
                cell(row["raw"]),
                cell([row["chance"]]),
            )
            for row in rows
        ),
        title=f"COrAL on two to six modalities, seeds {arguments.seeds}",
    )
    write_text(arguments.output / "modalities.md", table.markdown())
    print(table.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
