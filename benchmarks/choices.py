"""Sets settings beside each other on samples whose scores are reported nowhere else, to choose among them.

    python benchmarks/choices.py avmnist --output results/choices
    python benchmarks/choices.py mosi --output results/choices

``avmnist``: each of the four training speakers of ``avmnist_mini.npz`` in turn is left out of pre-training and probe,
and scored with 1000 images that are taken out of train; another one is valid. No sample of the test split is read.
``mosi``: text and vision of train and valid have seen their
labels, so the first two of the five folds of whole videos in the test part are scored; the other three are not looked
at. The same command goes on where it was stopped. Data: ``../shared/data`` (or ``CORAL_TEST_DATA``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin.adapters import affect, avmnist
from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("CORAL_TEST_DATA") or ROOT.parent / "shared" / "data")
HELD_IMAGES = 100  # of each digit
DEV_FOLDS = (0, 1)
MODALITIES = ("vision", "audio", "text")

_AUGMENTATIONS = avmnist.Avmnist.recipe["augmentations"]
_LAST = {"augmentations": "noise", "network__encoders": dict.fromkeys(MODALITIES, "gru(last=True)")}
_RATE = {"training__learning_rate": 1e-3, "training__schedule": "cosine"}
_HARD = {"method__mask_stages": (0.5, 0.75, 0.75, 0.9)}
# {data: (cases, seeds, epochs, {name: (objective, settings)})}
GRIDS: dict[str, Any] = {
    "avmnist": (
        ("lucas", "nicolas", "theo", "yweweler"),
        (39, 40),
        6,
        {
            "recipe": ("coral", {}),
            "rate 1e-3, cosine": ("coral", _RATE),
            "width 64": ("coral", {"network__width": 64}),
            "spectrograms moved": ("coral", {"augmentations": _AUGMENTATIONS | {"audio": "shift(fraction=0.1)+noise"}}),
            "images turned and moved": ("coral", {"augmentations": _AUGMENTATIONS | {"image": "pose+noise"}}),
            "fifteen epochs": ("coral", {"training__epochs": 15}),
            "masks that hide more": ("coral", _HARD),
            "Cross+Self": ("cross_self", {}),
            "raw values": ("concat_raw", {}),
        },
    ),
    "mosi": (
        ("folds 0, 1",),
        (30, 31),
        100,
        {
            "small.sh": ("coral", _LAST),
            "default encoders and views": ("coral", {}),
            "width 16": ("coral", _LAST | {"network__width": 16}),
            "width 128": ("coral", _LAST | {"network__width": 128}),
            "stronger noise": ("coral", _LAST | {"augmentations": "noise(std=1.0)@1"}),
            "steps dropped": ("coral", _LAST | {"augmentations": "drop+noise"}),
            "rate 1e-3, cosine": ("coral", _LAST | _RATE),
            "30 epochs": ("coral", _LAST | {"training__epochs": 30}),
            "nearest neighbours": ("coral", _LAST | {"probe__kind": "knn"}),
            "published probe": ("coral", _LAST | {"probe__kind": "reference"}),
            "raw values": ("concat_raw", {}),
            "raw values, nearest neighbours": ("concat_raw", {"probe__kind": "knn"}),
            "raw values, published probe": ("concat_raw", {"probe__kind": "reference"}),
        },
    ),
}


def without_speaker(held: str) -> MultimodalData:
    """AV-MNIST of which one training speaker is test, with images that are no longer in train."""
    with tempfile.TemporaryDirectory(prefix="choices-") as folder:
        write_without_speaker(path := Path(folder) / "avmnist_mini.npz", held)
        return avmnist.Avmnist.load(str(path), avmnist.AvmnistSettings(speakers="separate", energy=0.25))


def write_without_speaker(path: Path, held: str) -> None:
    """Write the file of :func:`without_speaker`."""
    with np.load(SHARED / "avmnist_mini" / "avmnist_mini.npz") as file:
        bank = {key: file[key] for key in file.files}
    draw = np.random.default_rng(0)
    digit, speaker = bank["bank_label"], bank["bank_speaker"]
    order = draw.permutation(len(bank["train_labels"]))
    labels = bank["train_labels"][order]
    test = np.concatenate([order[labels == label][:HELD_IMAGES] for label in range(10)])
    train = np.setdiff1d(order, test)
    others = {part: np.unique(bank[f"{part}_audio_index_spk"]) for part in ("train", "valid")}
    recordings = {part: rows[speaker[rows] != held] for part, rows in others.items()}
    recordings["test"] = np.flatnonzero(speaker == held)
    images = {"train": ("train", train), "valid": ("valid", slice(None)), "test": ("train", test)}
    arrays = {"audio_bank": bank["audio_bank"]}
    for part, (source, rows) in images.items():
        arrays[f"{part}_image"], wanted = bank[f"{source}_image"][rows], bank[f"{source}_labels"][rows]
        index = np.empty(len(wanted), np.int64)
        for label in range(10):
            chosen = draw.permutation(recordings[part][digit[recordings[part]] == label])
            index[wanted == label] = np.resize(chosen, (wanted == label).sum())
        arrays[f"{part}_labels"], arrays[f"{part}_audio_index_spk"] = wanted, index
    np.savez(path, **arrays)


def first_folds() -> MultimodalData:
    """MOSI of which the first folds of the test part are the whole of it."""
    data = affect.Mosi.load(str(SHARED / "mosi" / "mosi_sequence.pkl"), affect.AffectSettings())
    with np.load(SHARED / "mosi" / "mosi_utterance.npz") as file:
        rows = np.flatnonzero(np.isin(file["meta/test_clean_fold"], DEV_FOLDS))
    return dataclasses.replace(data, test=data.test.subset(torch.from_numpy(rows)))


def one(name: str, setting: str, case: str, seed: int) -> dict[str, Any]:
    """Train with one seed, and score every part: one row of the record."""
    torch.set_num_threads(1)
    *_, epochs, grid = GRIDS[name]
    objective, chosen = grid[setting]
    data = without_speaker(case) if name == "avmnist" else first_folds()
    settings = make_settings(objective, name, seeds=(seed,), **{"training__epochs": epochs, **chosen})
    metrics = run(settings, data=data, raw_baseline=False, quiet=True).metrics
    (task,) = metrics["tasks"]
    return {
        "setting": setting,
        "case": case,
        "seed": seed,
        "value": metrics["tasks"][task]["values"][0],
        "parts": {part: scores[task]["values"][0] for part, scores in metrics["parts"].items()},
    }


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """Means over cases and seeds of all parts, and of each part that the setting has."""
    cases, seeds, epochs, grid = GRIDS[name]
    parts = ("shared", *(f"unique/{part}" for part in _names(name)), *_names(name))
    body = []
    for setting in grid:
        scored = [row for row in rows if row["setting"] == setting]
        by_part = [cell([row["parts"][part] for row in scored if part in row["parts"]]) for part in parts]
        body.append((setting, cell([row["value"] for row in scored]), *by_part, str(len(scored))))
    return Table(
        ("balanced accuracy, % ↑", "all parts", *parts, "n"),
        tuple(body),
        f"{name}: {', '.join(cases)}",
        f"Mean ± sample standard deviation over cases and seeds ({', '.join(map(str, seeds))}); {epochs} epochs unless "
        "stated otherwise.",
    )


def _names(name: str) -> tuple[str, ...]:
    return ("image", "audio") if name == "avmnist" else MODALITIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=GRIDS)
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "choices", help="where the record goes")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    file = arguments.output / f"{arguments.data}.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"] if file.exists() else []
    complete = {(row["setting"], row["case"], row["seed"]) for row in rows}
    cases, seeds, _, grid = GRIDS[arguments.data]
    # raw values have no seed
    wanted = [(s, c, k) for s in grid for c in cases for k in (seeds if grid[s][0] != "concat_raw" else seeds[:1])]
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(one, arguments.data, *job): job for job in wanted if job not in complete}
        for future in as_completed(waiting):
            rows.append(future.result())
            print(*waiting[future], f"{100 * rows[-1]['value']:.1f}", flush=True)
            ordered = sorted(rows, key=lambda row: wanted.index((row["setting"], row["case"], row["seed"])))
            write_json(file, {"schema": 1, "rows": ordered, "environment": environment()})
    summary = table(arguments.data, rows)
    write_text(arguments.output / f"{arguments.data}.md", summary.markdown())
    print(summary.text())


if __name__ == "__main__":
    main()
