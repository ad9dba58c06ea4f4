"""AV-MNIST, written and spoken digits: MultiBench's folder at any size, or the bank from which small ones are made."""

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

from .avmnist_layout import FILES, WHAT, Parts, bank_of, folder_of, is_folder, tail

Speakers = Literal["shared", "separate"]
TASK = Task(name="label", kind="classification", classes=tuple("0123456789"))
SIDE = {"image": 28, "audio": 112}


@dataclass(frozen=True, kw_only=True)
class AvmnistSettings:
    """How AV-MNIST is read.

    Attributes:
        speakers: Of a bank (``avmnist_mini.npz``): ``shared``, other recordings of the same speakers are tested, or
            ``separate``, speakers that are in no training sample. A folder has been split already.
        energy: Share of the images' variance that is kept: their leading principal directions, fitted on train. Below
            1 the image says less, as in the original AV-MNIST.
        valid_rows: Rows at the end of train that are valid in a folder; 0 takes the last 5000 of 60000, as MultiBench
            does, and the last tenth of any other number.
    """

    speakers: Speakers = "shared"
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
    licence = "unknown; ask the authors"
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
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: AvmnistSettings) -> MultimodalData:
        """Images 1 x 28 x 28 and spectrograms 1 x 112 x 112 in [0, 1] with the digit that both of them show.

        Args:
            path: A folder as MultiBench reads it, or a bank ``avmnist_mini.npz``, or the folder in which a bank lies.
            settings: How it is split, and how much of the images is kept.

        Raises:
            InputError: no path, a file that is missing or damaged, or arrays that do not fit.
        """
        place, notes = Path(path), []
        if is_folder(place):
            if settings.speakers == "separate":
                raise InputError(f"{path} is split already; speakers=separate needs the bank (avmnist_mini.npz).")
            parts, count = folder_of(place, settings.valid_rows)
            notes.append(f"valid is the last {count} rows of train")
        else:
            parts = bank_of(place, settings.speakers)
        if settings.energy < 1:
            parts, kept = weaken(parts, settings.energy)
            notes.append(
                f"images keep {kept} principal directions of train, {100 * settings.energy:g} % of the variance"
            )
        splits = {label: _split(parts[label], f"{path}: {label}") for label in SPLITS}
        modalities = (Modality(name=name, kind="image", shape=(1, side, side)) for name, side in SIDE.items())
        return cls.assemble(modalities, (TASK,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """What ``coral data check`` says of an AV-MNIST folder or bank; None for anything else."""
        if candidate.kind == "folder" and is_folder(candidate.path):
            count = tail(candidate.path)
            parts, _ = folder_of(candidate.path, 0)
            what = f"MultiBench's AV-MNIST folder ({', '.join(FILES)})"
            notes: tuple[str, ...] = (f"valid is the last {count} rows of train",)
        elif candidate.kind == "npz" and "audio_bank" in candidate.content:
            parts = bank_of(candidate.path, "shared")
            what, notes = (
                "a bank of AV-MNIST (images, and recordings by index)",
                ("the split of speakers=shared is shown",),
            )
        else:
            return None
        arrays = {
            f"{label}/{key}": value for label, part in parts.items() for key, value in part.items() if key != "rows"
        }
        return Inspection(what, ("avmnist",), arrays, {label: part["labels"] for label, part in parts.items()}, notes)


def weaken(parts: Parts, energy: float) -> tuple[Parts, int]:
    """Images projected on the fewest leading principal directions of train that hold ``energy`` of its variance.

    Args:
        parts: ``{split: {"image": (N, 784) in 0 ... 255, ...}}``.
        energy: Share in (0, 1).

    Returns:
        The same with the projected images, cut to 0 ... 255, and the number of directions.
    """
    train = parts["train"]["image"].reshape(len(parts["train"]["image"]), -1).astype(np.float64)
    mean = train.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(train, rowvar=False, bias=True))  # ascending
    shares = np.cumsum(variances[::-1].clip(min=0)) / variances.clip(min=0).sum()
    count = int(np.searchsorted(shares, energy)) + 1
    basis = directions[:, ::-1][:, :count]

    def project(images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), -1) - mean
        return np.clip(flat @ basis @ basis.T + mean, 0, 255).astype(np.float32)

    return {label: {**part, "image": project(part["image"])} for label, part in parts.items()}, count


def _split(part: Mapping[str, np.ndarray], where: str) -> Split:
    if (labels := part["labels"]).min() < 0 or labels.max() > 9:
        raise InputError(f"{where}: labels must be digits from 0 to 9, got {labels.min()} to {labels.max()}.")
    columns = {name: _column(part, name, where) for name in SIDE}
    return Split(columns, {TASK.name: torch.from_numpy(labels.astype(np.int64))})


def _column(part: Mapping[str, np.ndarray], name: str, where: str) -> ModalityColumn:
    """Grey values as bytes where they are whole, which takes a quarter of the memory, else as floats in [0, 1]."""
    values, side = part[name], SIDE[name]
    if values[0].size != side * side:
        raise InputError(f"{where}: {name} has samples of shape {values.shape[1:]}, expected {side} x {side}.")
    if not 0 <= values.min() <= values.max() <= 255:  # NaN fails, too
        raise InputError(f"{where}: {name} holds {values.min()} to {values.max()}; grey values are 0 to 255.")
    shaped = values.reshape(-1, 1, side, side)
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        pixels = torch.from_numpy(shaped.astype(np.float32) / np.float32(255))
    else:
        pixels = torch.from_numpy(shaped.astype(np.uint8))
    rows = torch.from_numpy(part["rows"]) if name == "audio" and "rows" in part else None
    return ModalityColumn(pixels, rows=rows)
