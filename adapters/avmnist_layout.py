"""AV-MNIST on disk: MultiBench's folder of ``.npy`` files, and the bank of images and recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coral_plugin.data import SPLITS
from coral_plugin.errors import InputError
from coral_plugin.io.npy import read_npy
from coral_plugin.io.npz import read_npz

# {split: {"image", "audio", "labels"}}, and "rows" where samples share the rows of audio
Parts = dict[str, dict[str, np.ndarray]]

FILES = (
    "image/train_data.npy",
    "audio/train_data.npy",
    "train_labels.npy",
    "image/test_data.npy",
    "audio/test_data.npy",
    "test_labels.npy",
)
WHAT = "MultiBench's AV-MNIST (image/, audio/, train_labels.npy, test_labels.npy), or avmnist_mini.npz"
_BANK = "avmnist_mini.npz"
_SUFFIX = {"shared": "rec", "separate": "spk"}


def is_folder(path: Path) -> bool:
    """Whether ``path`` has any of the files of MultiBench's folder."""
    return path.is_dir() and any((path / name).exists() for name in FILES)


def tail(path: Path) -> int:
    """Rows at the end of train that are valid when nothing else is asked for."""
    rows = len(read_npy(path / "train_labels.npy"))
    return 5000 if rows == 60_000 else rows // 10


def folder_of(path: Path, valid_rows: int) -> tuple[Parts, int]:
    """The arrays of MultiBench's folder, and how many rows of train became valid.

    Raises:
        InputError: a file is missing, damaged or of another length than its neighbours.
    """
    parts: Parts = {}
    for label in ("train", "test"):
        parts[label] = {
            "image": read_npy(path / "image" / f"{label}_data.npy"),
            "audio": read_npy(path / "audio" / f"{label}_data.npy"),
            "labels": read_npy(path / f"{label}_labels.npy"),
        }
        _check(parts[label], f"{path}: {label}")
    rows = len(parts["train"]["labels"])
    count = valid_rows or tail(path)
    if not 0 < count < rows:
        raise InputError(f"{path}: {count} of {rows} rows of train cannot be valid; set --source.valid_rows.")
    train = parts["train"]
    parts["train"] = {key: value[:-count] for key, value in train.items()}
    parts["valid"] = {key: value[-count:] for key, value in train.items()}
    return {label: parts[label] for label in SPLITS}, count


def bank_of(path: Path, speakers: str) -> Parts:
    """The splits of a bank: samples of all splits share the recordings, which are kept once.

    Raises:
        InputError: a file that is no bank, or indices that point past its end.
    """
    file = path / _BANK if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise InputError(f"{path} holds neither {FILES[0]} nor {_BANK}. Expected {WHAT}.")
    arrays = read_npz(file)
    parts: Parts = {}
    for label in SPLITS:
        keys = {"image": f"{label}_image", "labels": f"{label}_labels", "audio": "audio_bank"}
        keys["rows"] = f"{label}_audio_index_{_SUFFIX[speakers]}"
        if missing := [key for key in keys.values() if key not in arrays]:
            raise InputError(f"{file} lacks {missing[0]}, so it is no bank of AV-MNIST. Expected {WHAT}.")
        part = {name: arrays[key] for name, key in keys.items()}
        rows = part["rows"]
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(part["audio"]):
            raise InputError(f"{file}: {keys['rows']} must be rows of audio_bank, 0 to {len(part['audio']) - 1}.")
        part["rows"] = rows.astype(np.int64)
        _check(part, f"{file}: {label}")
        parts[label] = part
    return parts


def _check(part: dict[str, np.ndarray], where: str) -> None:
    counts = {key: len(value) for key, value in part.items() if not (key == "audio" and "rows" in part)}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{where}: numbers of samples must be equal and not 0: {listed}.")
    for key in ("image", "audio", "labels"):
        if part[key].dtype.kind not in "fiub" or part[key].ndim not in ((1,) if key == "labels" else (2, 3, 4)):
            raise InputError(f"{where}: {key} is {part[key].dtype} of shape {part[key].shape}.")
