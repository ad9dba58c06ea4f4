"""Which videos are train, valid and test: lists of ids, given, from mmsdk, or drawn."""

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
FILE = "folds.json"
_SHARES = (0.7, 0.8)

Folds = dict[str, list[str]]


def folds_of(given: str, folder: Path, videos: Sequence[str], seed: int) -> tuple[Folds, str]:
    """``{split: videos}``, and a line on where they come from.

    Args:
        given: A JSON file ``{"train": [...], "valid": [...], "test": [...]}``, one of :data:`STANDARD`, or nothing:
            then ``folds.json`` in ``folder`` is taken, and without it whole videos are dealt out 70 / 10 / 20 %.
        folder: Of the sequences.
        videos: All that there are.
        seed: Of the deal.

    Raises:
        InputError: a file that is none of folds, a video in two of them, or one without any video that is there.
        PluginError: standard folds without mmsdk.
    """
    if given in STANDARD:
        found, said = standard(given), f"standard folds of {given}"
    elif given or (folder / FILE).exists():
        path = Path(given) if given else folder / FILE
        found, said = checked(read_json(path), str(path)), f"folds of {path}"
    else:
        order = [sorted(videos)[at] for at in np.random.default_rng(seed).permutation(len(videos))]
        ends = [int(share * len(order)) for share in _SHARES]
        found = dict(zip(SPLITS, (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]), strict=True))
        said = f"no {FILE}: videos are dealt out 70 / 10 / 20 % (seed {seed})"
    there = set(videos)
    kept = {label: [video for video in found[label] if video in there] for label in SPLITS}
    if empty := [label for label, own in kept.items() if not own]:
        raise InputError(f"{folder}: no video of the fold {empty[0]} is there ({said}; {len(there)} videos are).")
    out = len(there) - sum(map(len, kept.values()))
    return kept, said + (f"; {out} videos are in none of them and left out" if out else "")


def checked(value: object, where: str) -> Folds:
    """Folds from JSON or a caller.

    Raises:
        InputError: another structure, or a video in two folds.
    """
    if not isinstance(value, Mapping) or not set(SPLITS) <= set(value):
        raise InputError(
            f"{where} must give the videos of each fold: {{'train': [...], 'valid': [...], 'test': [...]}}."
        )
    found: Folds = {}
    seen: set[str] = set()
    for label in SPLITS:
        if not isinstance(value[label], list | tuple) or not all(isinstance(each, str) for each in value[label]):
            raise InputError(f"{where}: {label} must be a list of ids.")
        found[label] = list(dict.fromkeys(value[label]))
        if twice := seen & set(found[label]):
            raise InputError(f"{where}: {min(twice)} is in two folds.")
        seen |= set(found[label])
    return found


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
            f"installed; write them into {FILE} beside the data instead."
        ) from error
    folds = getattr(sdk, name).standard_folds
    return checked({label: [str(each) for each in getattr(folds, f"standard_{label}_fold")] for label in SPLITS}, name)
