"""Your own arrays in an ``.npz`` file or a folder of ``.npy`` files: any modalities, any number of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from coral_plugin.data import SPLITS, DatasetAdapter, MultimodalData, from_arrays, from_datasets
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.modality import Kind
from coral_plugin.data.shards import Shards, refuse_address
from coral_plugin.data.split_arrays import LENGTH, PRESENT
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError
from coral_plugin.io.mapped import map_npy
from coral_plugin.io.npy import read_npy
from coral_plugin.io.npz import read_npz
from coral_plugin.io.paths import files_below
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

        Values in a folder are memory-mapped: they stay in their files. A split may be shards instead (``train/*.tar``
        or ``train*.tar``); those of train are read by index. The stem becomes the name of the data set.

        Raises:
            InputError: a file that cannot be read, or arrays that do not fit the layout.
        """
        refuse_address(path)
        options = {**vars(settings), "name": Path(path).stem}
        if sniff(path) != "folder":
            return from_arrays(read_npz(path), **options)
        shards = _shards(Path(path))
        if shards and "train" not in shards:
            raise InputError(f"{path} has shards of {', '.join(shards)}, but none of train (train/*.tar).")
        if not shards:
            return from_arrays(_read_folder(Path(path)), **options)
        _refuse_other_shards(Path(path), shards)
        data = from_datasets(shards | _read_folder(Path(path), empty=True), **options)
        unused = shards["train"].unused
        notes = [f"members of train that are not read: {', '.join(unused)}"] if unused else []
        return replace(data, notes=(*notes, *data.notes))

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """An ``.npz`` or a folder in this layout, or of shards."""
        if candidate.kind == "folder" and "train" in (shards := _shards(candidate.path)):
            counts = ", ".join(f"{len(samples)} samples of {split}" for split, samples in shards.items())
            return Inspection(f"shards of webdataset ({counts})", (cls.name,))
        content = candidate.content if candidate.kind == "npz" else {}
        if candidate.kind == "folder" and any((candidate.path / "train").glob("*.npy")):
            content = _read_folder(candidate.path)
        if not any(key.startswith("train/") for key in content):
            return None
        arrays = {key: value for key, value in content.items() if key.partition("/")[0] in SPLITS}
        labels = {key.removesuffix("/labels"): value for key, value in arrays.items() if key.endswith("/labels")}
        return Inspection(f"arrays ({_LAYOUT})", (cls.name,), arrays, labels)


def _shards(folder: Path) -> dict[str, Shards]:
    """``{split: shards}`` of the tar files of a folder, in ``train/`` or called ``train*.tar``."""
    files = {split: sorted([*(folder / split).glob("*.tar"), *folder.glob(f"{split}*.tar")]) for split in SPLITS}
    return {split: Shards(paths) for split, paths in files.items() if paths}


def _refuse_other_shards(folder: Path, shards: dict[str, Shards]) -> None:
    """Refuse tar files that belong to no split: those of ``val`` would be left out unseen."""
    read = {file for of_split in shards.values() for file in of_split.paths}
    if others := sorted({*folder.glob("*.tar"), *folder.glob("*/*.tar")} - read):
        raise InputError(
            f"{others[0]} belongs to no split; name it {', '.join(f'{split}*.tar' for split in SPLITS)}, or move it to "
            "a folder of that name."
        )


def _read_folder(folder: Path, *, empty: bool = False) -> dict[str, np.ndarray]:
    """``{key: array}`` of the ``.npy`` files below a folder: values stay in their files, all else is read."""
    paths = [path for path in files_below(folder) if path.suffix == ".npy"]
    files = {file.relative_to(folder).with_suffix("").as_posix(): file for file in paths}
    if not files and not empty:
        raise InputError(f"{folder} has no .npy file; expected {_LAYOUT}, each as a file (train/<modality>.npy).")
    small = {key: key == "classes" or key.rpartition("/")[2] in ("labels", LENGTH, PRESENT) for key in files}
    return {key: read_npy(file) if small[key] else map_npy(file) for key, file in files.items()}
