"""AV-MNIST, written and spoken digits: MultiBench's folder of ``.npy`` files, or a bank of images and recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.npy import read_npy
from coral_plugin.io.npz import read_npz

from .shared import refuse_fractions

# {split: {"image", "audio", "labels"}}, and "rows" where samples share the rows of audio
Part = dict[str, np.ndarray]

_SIDES = {"image": 28, "audio": 112}
_TASK = Task(name="label", kind="classification", classes=tuple("0123456789"))
_FILES = (
    "image/train_data.npy",
    "audio/train_data.npy",
    "train_labels.npy",
    "image/test_data.npy",
    "audio/test_data.npy",
    "test_labels.npy",
)
_BANK = "avmnist_mini.npz"
_INDEX_SUFFIX = {"shared": "rec", "separate": "spk"}


@dataclass(frozen=True, kw_only=True)
class AvmnistSettings:
    """How AV-MNIST is read.

    Attributes:
        speakers: Split of a bank (``avmnist_mini.npz``): ``shared`` tests other recordings of the same speakers,
            ``separate`` tests speakers that are in no training sample; there valid has one of the training speakers to
            itself, so that the probe chooses its penalty for unknown voices. A folder has been split already.
        energy: Share of the images' variance that is kept, by their leading principal directions, fitted on train.
            Below 1 the image is less informative, as in the original AV-MNIST.
        valid_rows: Number of rows at the end of train that are valid in a folder; 0 takes the last 5000 of 60000, as
            MultiBench does, and the last tenth of any other number.
    """

    speakers: Literal["shared", "separate"] = "shared"
    energy: float = 1.0
    valid_rows: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.energy <= 1:
            raise InputError(f"energy is a share of variance in (0, 1], got {self.energy}.")
        if self.valid_rows < 0:
            raise InputError(f"valid_rows cannot be negative, got {self.valid_rows}.")


class Avmnist(DatasetAdapter):
    """AV-MNIST, written and spoken digits: MultiBench's folder at any size, or a bank of images and recordings."""

    name = "avmnist"
    source = "MultiBench, avmnist.tar.gz: https://github.com/pliang279/MultiBench#multimedia"
    licence = "unknown; ask the authors (recordings of avmnist_mini.npz: CC BY-SA 4.0)"
    Settings = AvmnistSettings
    # Chosen by leaving out one of the four training speakers of avmnist_mini.npz at a time, of pre-training and probe.
    # An image of AV-MNIST is a few principal components: moved or turned it leaves their span, and gains nothing.
    recipe: ClassVar[Mapping[str, Any]] = {
        "augmentations": {"image": "noise", "audio": "spectrogram_warp+noise@1"},
        "plain_augmentations": "none",  # half of a digit or of a spoken word is another one
        "network.encoders": {
            "image": "small_conv(channels=8, most=64)",
            "audio": "small_conv(channels=8, most=64, stride=4)",
        },
    }
    expects = "MultiBench's AV-MNIST (image/, audio/, train_labels.npy, test_labels.npy), or avmnist_mini.npz"

    @classmethod
    def read(cls, path: str, settings: AvmnistSettings) -> MultimodalData:
        """Images 1 x 28 x 28 and spectrograms 1 x 112 x 112 in [0, 1], and the digit that both of them show.

        Args:
            path: Folder as MultiBench reads it, or a bank ``avmnist_mini.npz``, or the folder of a bank.
            settings: Split, and what is kept of the images.

        Raises:
            InputError: a file that is missing or damaged, or arrays that do not fit each other.
        """
        notes = []
        if _is_folder(Path(path)):
            if settings.speakers == "separate":
                raise InputError(f"{path} is split already; speakers=separate needs the bank (avmnist_mini.npz).")
            parts, count = _read_folder(Path(path), settings.valid_rows)
            notes.append(f"valid is the last {count} rows of train")
        else:
            parts, speaker = _read_bank(Path(path), settings.speakers)
            if speaker:
                notes.append(f"valid is speaker {speaker}, of whom train has no recording")
        for label, part in parts.items():
            for name in _SIDES:
                refuse_fractions(part[name], f"{path}: {label}, {name}")
        if settings.energy < 1:
            parts, kept = weaken(parts, settings.energy)
            notes.append(
                f"images keep {kept} principal directions of train, {100 * settings.energy:g} % of the variance"
            )
        splits = {label: _split(parts[label], f"{path}: {label}") for label in SPLITS}
        modalities = (Modality(name=name, kind="image", shape=(1, side, side)) for name, side in _SIDES.items())
        return cls.assemble(modalities, (_TASK,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder or a bank of AV-MNIST."""
        if candidate.kind == "folder" and _is_folder(candidate.path):
            parts, count = _read_folder(candidate.path, 0)
            what, note = (
                f"MultiBench's AV-MNIST folder ({', '.join(_FILES)})",
                f"valid is the last {count} rows of train",
            )
        elif (candidate.kind == "folder" and (candidate.path / _BANK).is_file()) or (
            candidate.kind == "npz" and "audio_bank" in candidate.content
        ):
            parts, _ = _read_bank(candidate.path, "shared")
            what, note = "a bank of AV-MNIST (images, and recordings by index)", "the split of speakers=shared is shown"
        else:
            return None
        arrays = {f"{split}/{key}": value for split, part in parts.items() for key, value in part.items()}
        arrays = {key: value for key, value in arrays.items() if not key.endswith("/rows")}
        return Inspection(what, (cls.name,), arrays, {split: part["labels"] for split, part in parts.items()}, (note,))


def weaken(parts: Mapping[str, Part], energy: float) -> tuple[dict[str, Part], int]:
    """Images projected on the fewest leading principal directions of train that hold ``energy`` of its variance.

    Args:
        parts: ``{split: {"image": (N, 784) in 0 ... 255, ...}}``.
        energy: Share in (0, 1).

    Returns:
        The same with the projected images in whole grey values from 0 to 255, and the number of directions.
    """
    train = parts["train"]["image"].reshape(len(parts["train"]["image"]), -1).astype(np.float64)
    mean = train.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(train, rowvar=False, bias=True))  # ascending
    shares = np.cumsum(variances[::-1].clip(min=0)) / variances.clip(min=0).sum()
    count = int(np.searchsorted(shares, energy)) + 1
    basis = directions[:, ::-1][:, :count]

    def project(images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1) - mean
        # whole, as in a picture file; and the last digits, hence the fingerprint, would depend on the number of threads
        return np.rint(np.clip(flat @ basis @ basis.T + mean, 0, 255)).astype(np.float32)

    return {label: {**part, "image": project(part["image"])} for label, part in parts.items()}, count


def _split(part: Part, place: str) -> Split:
    if (labels := part["labels"]).min() < 0 or labels.max() > 9:
        raise InputError(f"{place}: labels must be digits from 0 to 9, got {labels.min()} to {labels.max()}.")
    columns = {name: _column(part, name, place) for name in _SIDES}
    return Split(columns, {_TASK.name: torch.from_numpy(labels.astype(np.int64))})


def _column(part: Part, name: str, place: str) -> ModalityColumn:
    """Grey values as bytes where they are whole, which takes a quarter of the memory, else as floats in [0, 1]."""
    values, side = part[name], _SIDES[name]
    if values[0].size != side * side:
        raise InputError(f"{place}: {name} has samples of shape {values.shape[1:]}, expected {side} x {side}.")
    if not 0 <= values.min() <= values.max() <= 255:  # NaN fails, too
        raise InputError(f"{place}: {name} holds {values.min()} to {values.max()}; grey values are 0 to 255.")
    shaped = values.reshape(-1, 1, side, side)
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        pixels = torch.from_numpy(shaped.astype(np.float32) / np.float32(255))
    else:
        pixels = torch.from_numpy(shaped.astype(np.uint8))
    rows = torch.from_numpy(part["rows"]) if name == "audio" and "rows" in part else None
    return ModalityColumn(pixels, rows=rows)


def _is_folder(path: Path) -> bool:
    """Whether ``path`` has any of the files of MultiBench's folder."""
    return path.is_dir() and any((path / name).exists() for name in _FILES)


def _read_folder(path: Path, valid_rows: int) -> tuple[dict[str, Part], int]:
    """The arrays of MultiBench's folder, and the number of rows of train that became valid.

    Raises:
        InputError: a file is missing, damaged or of another length than the others of its split.
    """
    train, test = (
        {
            "image": read_npy(path / "image" / f"{label}_data.npy"),
            "audio": read_npy(path / "audio" / f"{label}_data.npy"),
            "labels": read_npy(path / f"{label}_labels.npy"),
        }
        for label in ("train", "test")
    )
    _check(train, f"{path}: train")
    _check(test, f"{path}: test")
    rows = len(train["labels"])
    count = valid_rows or (5000 if rows == 60_000 else rows // 10)
    if not 0 < count < rows:
        raise InputError(f"{path}: {count} of {rows} rows of train cannot be valid; set --source.valid_rows.")
    parts = {
        "train": {key: value[:-count] for key, value in train.items()},
        "valid": {key: value[-count:] for key, value in train.items()},
        "test": test,
    }
    return parts, count


def _read_bank(path: Path, speakers: str) -> tuple[dict[str, Part], str]:
    """The splits of a bank: samples of all splits share the recordings, which are kept once.

    Returns:
        The arrays of every split, and the speaker of valid where speakers are separate, else an empty text.

    Raises:
        InputError: a file that is no bank, indices that point past its end, or speakers that cannot be separated.
    """
    file = path / _BANK if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise InputError(f"{path} holds neither {_FILES[0]} nor {_BANK}. Expected {Avmnist.expects}.")
    arrays = read_npz(file)
    parts: dict[str, Part] = {}
    for label in SPLITS:
        keys = {"image": f"{label}_image", "labels": f"{label}_labels", "audio": "audio_bank"}
        keys["rows"] = f"{label}_audio_index_{_INDEX_SUFFIX[speakers]}"
        if missing := [key for key in keys.values() if key not in arrays]:
            raise InputError(f"{file} lacks {missing[0]}, so it is no bank of AV-MNIST. Expected {Avmnist.expects}.")
        part = {name: arrays[key] for name, key in keys.items()}
        rows = part["rows"]
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(part["audio"]):
            raise InputError(f"{file}: {keys['rows']} must be rows of audio_bank, 0 to {len(part['audio']) - 1}.")
        part["rows"] = rows.astype(np.int64)
        _check(part, f"{file}: {label}")
        parts[label] = part
    return _give_valid_a_speaker(parts, arrays, file) if speakers == "separate" else (parts, "")


def _give_valid_a_speaker(
    parts: Mapping[str, Part], arrays: Mapping[str, Any], file: Path
) -> tuple[dict[str, Part], str]:
    """The same images, those of valid with the recordings of one training speaker, those of train with the other ones.

    In the file, valid has other recordings of the speakers of train: a penalty that is chosen there is chosen for known
    voices, and test has none. The first speaker in alphabetical order is taken. Images get the recordings of their
    digit in turn.

    Raises:
        InputError: the file does not say who speaks which digit, or train would lack a digit without that speaker.
    """
    if missing := [key for key in ("bank_label", "bank_speaker") if key not in arrays]:
        raise InputError(f"{file} lacks {missing[0]}, which speakers=separate needs.")
    digit, speaker = arrays["bank_label"], arrays["bank_speaker"]
    known = np.unique(np.concatenate([parts["train"]["rows"], parts["valid"]["rows"]]))
    chosen = min(speaker[known])
    paired = dict(parts)
    for label, recordings in (("train", known[speaker[known] != chosen]), ("valid", known[speaker[known] == chosen])):
        labels = parts[label]["labels"]
        rows = np.empty(len(labels), np.int64)
        for value in np.unique(labels):
            of_value = recordings[digit[recordings] == value]
            if not len(of_value):
                raise InputError(f"{file}: {label} has no recording of {value} where {chosen} is the speaker of valid.")
            rows[labels == value] = np.resize(of_value, (labels == value).sum())
        paired[label] = {**parts[label], "rows": rows}
    return paired, str(chosen)


def _check(part: Part, place: str) -> None:
    counts = {key: len(value) for key, value in part.items() if not (key == "audio" and "rows" in part)}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        listed = ", ".join(f"{key} {count}" for key, count in counts.items())
        raise InputError(f"{place}: numbers of samples must be equal and not 0: {listed}.")
    for key in ("image", "audio", "labels"):
        if part[key].dtype.kind not in "fiub" or part[key].ndim not in ((1,) if key == "labels" else (2, 3, 4)):
            raise InputError(f"{place}: {key} is {part[key].dtype} of shape {part[key].shape}.")
