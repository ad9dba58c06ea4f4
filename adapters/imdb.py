"""MM-IMDb: plots and posters of films, with their genres, from the HDF5 file that MultiBench reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, open_hdf5, read_array
from coral_plugin.machine import require_memory

from .imdb_layout import WHAT, genres_of, posters, splits_of
from .pictures import shrink, width_for
from .progress import shown

if TYPE_CHECKING:
    import h5py

Images = Literal["vgg", "pixels"]


@dataclass(frozen=True, kw_only=True)
class ImdbSettings:
    """How MM-IMDb is read.

    Attributes:
        images: ``vgg``, the 4096 features of a VGG that come with the file and that MultiBench's scripts take, or
            ``pixels``, the posters themselves.
        height: Of posters in pixels, which keep their proportions; 256 is the size in the file. All 25,959 take
            0.8 GB at 128 and 3.2 GB at 256.
    """

    images: Images = "vgg"
    height: int = 128

    def __post_init__(self) -> None:
        if not 8 <= self.height <= 1024:
            raise InputError(f"height must be from 8 to 1024 pixels, got {self.height}.")


class Imdb(DatasetAdapter):
    """MM-IMDb: plots and posters of films, with their genres, from the HDF5 file that MultiBench reads."""

    name = "imdb"
    source = "Arevalo et al. 2017: https://archive.org/download/mmimdb/multimodal_imdb.hdf5"
    licence = "unknown; ask the authors"
    Settings = ImdbSettings
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: ImdbSettings) -> MultimodalData:
        """Mean word vectors of the plots (300,), posters or their features, and the genres, several a film.

        Args:
            path: Of the file. Its attribute ``split`` says which rows are train, dev and test.
            settings: How it is read.

        Raises:
            InputError: no path, or a file that is not MM-IMDb's.
            MachineError: the posters do not fit into memory at this height.
        """
        notes: list[str] = []
        with open_hdf5(path, WHAT) as file:
            genres, names = genres_of(file, path)
            rows = splits_of(file, len(genres), path)
            columns = {"text": _vectors(file, "features", rows, path, notes)}
            if settings.images == "vgg":
                columns["image"] = _vectors(file, "vgg_features", rows, path, notes)
            else:
                columns["image"] = _posters(file, settings.height, rows, path)
        task = Task(name="genres", kind="multilabel", classes=names)
        splits = {
            label: Split(
                {name: column[label] for name, column in columns.items()},
                {task.name: torch.from_numpy(genres[rows[label]].astype(np.int64))},
            )
            for label in SPLITS
        }
        return cls.assemble([_modality(*named) for named in columns.items()], (task,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """What ``coral data check`` says of MM-IMDb's file; None for anything else."""
        if candidate.kind != "hdf5":
            return None
        where = str(candidate.path)
        with open_hdf5(candidate.path, WHAT) as file:
            if not {"features", "genres"} <= set(file):
                return None
            genres, names = genres_of(file, where)
            rows = splits_of(file, len(genres), where)
            arrays = {
                key: read_array(dataset_of(file, key, where, (len(genres), None)), f"{where}: {key}")
                for key in ("features", "vgg_features")
                if key in file
            }
            notes = [f"genres in this order: {', '.join(names)}"]
            if "images" in file:
                images = dataset_of(file, "images", where)
                notes.append(f"images {images.shape} of {images.dtype} are not looked at here (--source.images pixels)")
        labels = {label: genres[span] for label, span in rows.items()}
        return Inspection("MM-IMDb (multimodal_imdb.hdf5)", ("imdb",), arrays, labels, tuple(notes))


def _vectors(
    file: h5py.File, key: str, rows: dict[str, slice], where: str, notes: list[str]
) -> dict[str, ModalityColumn]:
    """``(N, d)`` of floats; a plot without any known word has the mean of nothing, which becomes 0."""
    dataset = dataset_of(file, key, where, (len(file["genres"]), None))
    values = read_array(dataset, f"{where}: {key}").astype(np.float32)
    if wild := int((~np.isfinite(values)).sum()):
        notes.append(f"{wild} values of {key} are not finite and become 0")
        values[~np.isfinite(values)] = 0
    return {label: ModalityColumn(torch.from_numpy(values[span])) for label, span in rows.items()}


def _posters(file: h5py.File, height: int, rows: dict[str, slice], where: str) -> dict[str, ModalityColumn]:
    """Bytes of the posters at ``height``, read in pieces."""
    dataset = dataset_of(file, "images", where, (len(file["genres"]), 3, None, None))
    size = (height, width_for(height, dataset.shape[2:]))
    require_memory(
        3 * size[0] * size[1] * len(dataset),
        f"{where}: {len(dataset)} posters of {size[0]} x {size[1]}",
        "Set --source.height lower, or --source.images vgg.",
    )
    found = {}
    for label in shown(SPLITS, "posters"):
        span = rows[label]
        pixels = torch.empty(span.stop - span.start, 3, *size, dtype=torch.uint8)
        at = 0
        for part in posters(dataset, span, where):
            pixels[at : at + len(part)] = shrink(part, size)
            at += len(part)
        found[label] = ModalityColumn(pixels)
    return found


def _modality(name: str, columns: Mapping[str, ModalityColumn]) -> Modality:
    shape = tuple(columns["train"].values.shape[1:])
    return Modality(name=name, kind="tabular" if len(shape) == 1 else "image", shape=shape)
