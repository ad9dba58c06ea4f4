"""Your own arrays in an ``.npz`` file or a folder of ``.npy`` files: any modalities, any number of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coral_plugin.data import SPLITS, DatasetAdapter, MultimodalData, from_arrays
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.modality import Kind
from coral_plugin.data.split_arrays import LENGTH, PRESENT
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError
from coral_plugin.io.mapped import map_npy
from coral_plugin.io.npy import read_npy
from coral_plugin.io.npz import read_npz
from coral_plugin.io.sniff import sniff

_LAYOUT = "keys train/<modality>, train/labels, and the same under test/ and, if you have it, valid/"


@dataclass(frozen=True, kw_only=True)
class ArraysSettings:
    """How an ``.npz`` is read.

    Attributes:
        standardise: Whether every feature (images: channel) is scaled with mean and standard deviation of train.
        valid_share: Share of train that becomes valid where the file has no valid split.
        seed: Seed of that split.
        kinds: ``{modality: sequence, timeseries, tabular or image}`` where the dimensions are ambiguous.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels are ambiguous (docs/data.md).
    """

    standardise: bool = True
    valid_share: float = 0.15
    seed: int = 0
    kinds: dict[str, Kind] = field(default_factory=dict)
    task: TaskKind | None = None

    def __post_init__(self) -> None:
        if not 0 < self.valid_share < 1:
            raise InputError(f"valid_share must lie between 0 and 1, got {self.valid_share}.")
        check_seed(self.seed)


class NpzArrays(DatasetAdapter):
    """Your own arrays in an ``.npz`` file or a folder of ``.npy`` files: any modalities, any number of them."""

    name = "arrays"
    source = "a file of yours"
    licence = "terms of your own data"
    Settings = ArraysSettings
    expects = f"an .npz file ({_LAYOUT}), or a folder of .npy files in that layout, which stay on disk"

    @classmethod
    def read(cls, path: str, settings: ArraysSettings) -> MultimodalData:
        """The arrays of the file or folder; :func:`coral_plugin.data.from_arrays` describes their layout.

        Values in a folder are memory-mapped: they stay in their files. The stem becomes the name of the data set.

        Raises:
            InputError: a file that cannot be read, or arrays that do not fit the layout.
        """
        return from_arrays(
            _read_folder(Path(path)) if sniff(path) == "folder" else read_npz(path),
            name=Path(path).stem,
            standardise=settings.standardise,
            kinds=settings.kinds,
            task=settings.task,
            valid_share=settings.valid_share,
            seed=settings.seed,
        )

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """An ``.npz`` or a folder in this layout."""
        content = candidate.content if candidate.kind == "npz" else {}
        if candidate.kind == "folder" and any((candidate.path / "train").glob("*.npy")):
            content = _read_folder(candidate.path)
        if not any(key.startswith("train/") for key in content):
            return None
        arrays = {key: value for key, value in content.items() if key.partition("/")[0] in SPLITS}
        labels = {key.removesuffix("/labels"): value for key, value in arrays.items() if key.endswith("/labels")}
        return Inspection(f"arrays ({_LAYOUT})", (cls.name,), arrays, labels)


def _read_folder(folder: Path) -> dict[str, np.ndarray]:
    """``{key: array}`` of the ``.npy`` files below a folder: values stay in their files, all else is read."""
    files = {file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob("*.npy"))}
    if not files:
        raise InputError(f"{folder} has no .npy file; expected {_LAYOUT}, each as a file (train/<modality>.npy).")
    small = {key: key == "classes" or key.rpartition("/")[2] in ("labels", LENGTH, PRESENT) for key in files}
    return {key: read_npy(file) if small[key] else map_npy(file) for key, file in files.items()}
