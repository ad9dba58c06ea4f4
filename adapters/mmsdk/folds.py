"""The videos of train, valid and test: lists of ids from a file, from mmsdk, or drawn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from coral_plugin.data import SPLITS
from coral_plugin.errors import InputError, PluginError
from coral_plugin.io.files import read_json

STANDARD = ("cmu_mosi", "cmu_mosei", "pom")
FOLDS_FILE = "folds.json"
_SHARES = (0.7, 0.8)

Folds = dict[str, list[str]]


def read_folds(choice: str, folder: Path, videos: Sequence[str], seed: int) -> tuple[Folds, str]:
    """``{split: videos}``, and a line on where they come from.

    Args:
        choice: A JSON file ``{"train": [...], "valid": [...], "test": [...]}``, one of :data:`STANDARD`, or nothing:
            then ``folds.json`` in ``folder`` is taken, and without it whole videos are split 70 / 10 / 20 % at random.
        folder: Folder of the sequences.
        videos: Ids of all videos.
        seed: Seed of the random split.

    Raises:
        InputError: a file that is none of folds, a video in two of them, or a fold without any of the videos.
        PluginError: standard folds without mmsdk.
    """
    if choice in STANDARD:
        folds, note = standard(choice), f"standard folds of {choice}"
    elif choice or (folder / FOLDS_FILE).exists():
        path = Path(choice) if choice else folder / FOLDS_FILE
        folds, note = check_folds(read_json(path), str(path)), f"folds of {path}"
    else:
        order = [sorted(videos)[index] for index in np.random.default_rng(seed).permutation(len(videos))]
        ends = [int(share * len(order)) for share in _SHARES]
        folds = dict(zip(SPLITS, (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]), strict=True))
        note = f"no {FOLDS_FILE}: videos are split 70 / 10 / 20 % at random (seed {seed})"
    present = set(videos)
    kept = {label: [video for video in folds[label] if video in present] for label in SPLITS}
    if empty := [label for label, ids in kept.items() if not ids]:
        raise InputError(f"{folder}: no video of the fold {empty[0]} is present ({note}; {len(present)} videos are).")
    out = len(present) - sum(map(len, kept.values()))
    return kept, note + (f"; {out} videos are in none of them and left out" if out else "")


def check_folds(value: object, place: str) -> Folds:
    """Folds from JSON or a caller.

    Raises:
        InputError: another structure, or a video in two folds.
    """
    if not isinstance(value, Mapping) or not set(SPLITS) <= set(value):
        raise InputError(
            f"{place} must give the videos of each fold: {{'train': [...], 'valid': [...], 'test': [...]}}."
        )
    folds: Folds = {}
    seen: set[str] = set()
    for label in SPLITS:
        if not isinstance(value[label], list | tuple) or not all(isinstance(video, str) for video in value[label]):
            raise InputError(f"{place}: {label} must be a list of ids.")
        folds[label] = list(dict.fromkeys(value[label]))
        if twice := seen & set(folds[label]):
            raise InputError(f"{place}: {min(twice)} is in two folds.")
        seen |= set(folds[label])
    return folds


def standard(name: str) -> Folds:
    """The folds that mmsdk publishes with a data set.

    Raises:
        PluginError: mmsdk is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its sources make Python warn
            sdk = importlib.import_module("mmsdk.mmdatasdk")
    except ImportError as error:
        raise PluginError(
            f"The folds of {name} come with mmsdk (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK), which is not "
            f"installed (docs/datasets/mmsdk.md says how); or write them into {FOLDS_FILE} in the folder of the data."
        ) from error
    published = getattr(sdk, name).standard_folds
    folds = {label: [str(video) for video in getattr(published, f"standard_{label}_fold")] for label in SPLITS}
    return check_folds(folds, name)
