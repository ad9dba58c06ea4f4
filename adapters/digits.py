"""Handwritten digits that come with scikit-learn, cut into halves or quarters: real data without a download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from coral_plugin.data import DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task, split_off
from coral_plugin.data.adapter import check_seed

_TASK = Task(name="digit", kind="classification", classes=tuple("0123456789"))
# rows and columns of each modality
_CUTS: dict[str, dict[str, tuple[slice, slice]]] = {
    "halves": {"top": (slice(0, 4), slice(0, 8)), "bottom": (slice(4, 8), slice(0, 8))},
    "quarters": {
        f"{row}_{column}": (slice(i, i + 4), slice(j, j + 4))
        for row, i in (("top", 0), ("bottom", 4))
        for column, j in (("left", 0), ("right", 4))
    },
}
_TEST, _VALID = 0.25, 0.15  # of all


def _pixels_and_digits() -> tuple[np.ndarray, np.ndarray]:
    """Values ``(1797, 8, 8)`` from 0 to 16 and classes ``(1797,)``, from the table that comes with scikit-learn."""
    package = find_spec("sklearn")
    for root in (package and package.submodule_search_locations) or ():
        # without scikit-learn itself, which takes a second to import
        if (path := Path(root) / "datasets" / "data" / "digits.csv.gz").is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return bunch.images, bunch.target


@dataclass(frozen=True, kw_only=True)
class DigitsSettings:
    """How the digits are cut and split.

    Attributes:
        parts: ``halves`` (top and bottom, 4 x 8 pixels) or ``quarters`` (four modalities of 4 x 4).
        seed: Seed of the split into train, valid and test.
    """

    parts: Literal["halves", "quarters"] = "halves"
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)


class Digits(DatasetAdapter):
    """Handwritten digits that come with scikit-learn, cut into halves or quarters: real data without a download."""

    name = "digits"
    source = "UCI, Alpaydin & Kaynak 1998, as in scikit-learn: https://archive.ics.uci.edu/dataset/80"
    licence = "CC BY 4.0"
    Settings = DigitsSettings

    @classmethod
    def read(cls, path: str, settings: DigitsSettings) -> MultimodalData:  # noqa: ARG003
        """1797 handwritten digits of 8 x 8 pixels (UCI, Alpaydin & Kaynak 1998), 60 / 15 / 25 % stratified by class.

        Modalities have one channel and values in [0, 1]; the task is ``digit``.
        """
        pixels, digits = _pixels_and_digits()
        images = torch.from_numpy(pixels.astype(np.float32) / 16)[:, None]  # (1797, 1, 8, 8)
        columns = {
            name: ModalityColumn(images[:, :, rows, across].contiguous())
            for name, (rows, across) in _CUTS[settings.parts].items()
        }
        everything = Split(columns, {_TASK.name: torch.from_numpy(digits.astype(np.int64))})
        rest, test = split_off(everything, _TASK, _TEST, settings.seed)
        train, valid = split_off(rest, _TASK, _VALID / (1 - _TEST), settings.seed)
        modalities = (
            Modality(name=name, kind="image", shape=tuple(column.values.shape[1:])) for name, column in columns.items()
        )
        return cls.assemble(modalities, (_TASK,), {"train": train, "valid": valid, "test": test})
