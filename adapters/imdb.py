"""MM-IMDb: plots and posters of films, with their genres, from the ``multimodal_imdb.hdf5`` that MultiBench reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, open_hdf5, read_array
from coral_plugin.machine import require_memory

from .shared import refuse_fractions, resize_pixels, with_progress

if TYPE_CHECKING:
    import h5py

_RELEASED, _CUTS = 25_959, (0, 15_552, 18_160, 25_959)  # rows, and those at which MultiBench cuts them
_SPLIT_NAMES = {"train": "train", "dev": "valid", "valid": "valid", "test": "test"}
_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, which the authors' script takes from the posters
_CHUNK = 64  # posters that are in memory at full size

Rows = Mapping[str, slice]


@dataclass(frozen=True, kw_only=True)
class ImdbSettings:
    """How MM-IMDb is read.

    Attributes:
        images: Form of the posters: ``vgg``, the 4096 features of a VGG that come with the file and that MultiBench's
            scripts take, or ``pixels``.
        height: Height of posters in pixels, which keep their proportions; 256 is the size in the file. All 25,959 take
            0.8 GB at 128 and 3.2 GB at 256.
    """

    images: Literal["vgg", "pixels"] = "vgg"
    height: int = 128

    def __post_init__(self) -> None:
        if not 8 <= self.height <= 1024:
            raise InputError(f"height must be from 8 to 1024 pixels, got {self.height}.")


class Imdb(DatasetAdapter):
    """MM-IMDb: plots and posters of films, with their genres, from the HDF5 file that MultiBench reads."""

    name = "imdb"
    source = "Arevalo et al. 2017 (arXiv:1702.01992): https://archive.org/download/mmimdb/multimodal_imdb.hdf5"
    licence = "unknown; ask the authors"
    Settings = ImdbSettings
    expects = "MM-IMDb's multimodal_imdb.hdf5 (features, genres, vgg_features, images)"

    @classmethod
    def read(cls, path: str, settings: ImdbSettings) -> MultimodalData:
        """Mean word vectors of the plots (300,), posters or their features, and the genres, several per film.

        The file's attribute ``split`` says which rows are train, dev and test.

        Raises:
            InputError: a file that is not MM-IMDb's.
            MachineError: the posters do not fit into memory at this height.
        """
        notes: list[str] = []
        with open_hdf5(path, cls.expects) as file:
            genres, names = _genres(file, path)
            rows = _split_rows(file, len(genres), path)
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
        shapes = {name: tuple(column["train"].values.shape[1:]) for name, column in columns.items()}
        modalities = (
            Modality(name=name, kind="tabular" if len(shape) == 1 else "image", shape=shape)
            for name, shape in shapes.items()
        )
        return cls.assemble(modalities, (task,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """The file of MM-IMDb."""
        if candidate.kind != "hdf5":
            return None
        place = str(candidate.path)
        with open_hdf5(candidate.path, cls.expects) as file:
            if not {"features", "genres"} <= set(file):
                return None
            genres, names = _genres(file, place)
            rows = _split_rows(file, len(genres), place)
            arrays = {
                key: read_array(dataset_of(file, key, place, (len(genres), None)), f"{place}: {key}")
                for key in ("features", "vgg_features")
                if key in file
            }
            notes = [f"genres in this order: {', '.join(names)}"]
            if "images" in file:
                images = dataset_of(file, "images", place)
                notes.append(f"images {images.shape} of {images.dtype} are not looked at here (--source.images pixels)")
        labels = {label: genres[span] for label, span in rows.items()}
        return Inspection("MM-IMDb (multimodal_imdb.hdf5)", (cls.name,), arrays, labels, tuple(notes))


def _vectors(file: h5py.File, key: str, rows: Rows, place: str, notes: list[str]) -> dict[str, ModalityColumn]:
    """``(N, d)`` of floats; a plot without any known word has the mean of nothing, which becomes 0."""
    dataset = dataset_of(file, key, place, (len(file["genres"]), None))
    values = read_array(dataset, f"{place}: {key}").astype(np.float32)
    if count := int((~np.isfinite(values)).sum()):
        notes.append(f"{count} values of {key} are not finite and become 0")
        values[~np.isfinite(values)] = 0
    return {label: ModalityColumn(torch.from_numpy(values[span])) for label, span in rows.items()}


def _posters(file: h5py.File, height: int, rows: Rows, place: str) -> dict[str, ModalityColumn]:
    """Bytes of the posters at ``height``, read in chunks."""
    dataset = dataset_of(file, "images", place, (len(file["genres"]), 3, None, None))
    size = (height, max(1, round(height * dataset.shape[3] / dataset.shape[2])))
    require_memory(
        3 * size[0] * size[1] * len(dataset),
        f"{place}: {len(dataset)} posters of {size[0]} x {size[1]}",
        "Set --source.height lower, or --source.images vgg.",
    )
    columns = {}
    for label in with_progress(SPLITS, "posters"):
        span = rows[label]
        pixels = torch.empty(span.stop - span.start, 3, *size, dtype=torch.uint8)
        start = 0
        for chunk in _poster_chunks(dataset, span, place):
            pixels[start : start + len(chunk)] = resize_pixels(chunk, size)
            start += len(chunk)
        columns[label] = ModalityColumn(pixels)
    return columns


def _poster_chunks(dataset: h5py.Dataset, rows: slice, place: str) -> Iterator[Tensor]:
    """The posters of ``rows`` in chunks ``(n, 3, H, W)``, red first, in 0 ... 255.

    The released file has blue first and the mean of each channel subtracted, which shows in negative values; it holds
    whole numbers, cut towards zero, from which the pixels come back but for one grey value of each channel. A file of
    plain pixels is taken as it is.

    Raises:
        InputError: values that are neither.
    """
    centred = bool((dataset[: min(_CHUNK, len(dataset))] < 0).any())
    means = torch.tensor(_MEANS).view(1, 3, 1, 1)
    whole = dataset.dtype.kind in "iu"
    for start in range(rows.start, rows.stop, _CHUNK):
        chunk = torch.from_numpy(dataset[start : min(start + _CHUNK, rows.stop)].astype(np.float32))
        if centred:
            # v - 103.939 is cut to v - 104 above zero, and to v - 103 below
            chunk = (chunk + means.ceil() - (chunk < 0).float() if whole else chunk + means).flip(1)
        refuse_fractions(chunk, f"{place}: images")
        if not -1 <= float(chunk.min()) <= float(chunk.max()) <= 256:
            raise InputError(
                f"{place}: images from row {start} on hold {float(chunk.min()):.4g} to {float(chunk.max()):.4g}; "
                "pixels are 0 to 255, or less the means of blue, green and red (103.939, 116.779, 123.68)."
            )
        yield chunk


def _split_rows(file: h5py.File, rows: int, place: str) -> dict[str, slice]:
    """Rows of each split: as the file's attribute ``split`` says, or MultiBench's for the released number of rows.

    Raises:
        InputError: the attribute is missing from another number of rows, or does not fit them.
    """
    table = file.attrs.get("split")
    names = () if not isinstance(table, np.ndarray) or table.dtype.names is None else table.dtype.names
    if not {"split", "source", "start", "stop"} <= set(names):
        if rows != _RELEASED:
            raise InputError(
                f"{place} has {rows} rows, and no attribute 'split' that says where the splits begin; the released "
                f"file has {_RELEASED}."
            )
        return {label: slice(*_CUTS[at : at + 2]) for at, label in enumerate(SPLITS)}
    spans = {
        _SPLIT_NAMES.get(bytes(row["split"]).decode("utf-8", "replace"), ""): slice(int(row["start"]), int(row["stop"]))
        for row in table
        if bytes(row["source"]) == b"genres"
    }
    ends = [end for label in SPLITS if label in spans for end in (spans[label].start, spans[label].stop)]
    if len(ends) != 2 * len(SPLITS) or ends != sorted(ends) or not 0 <= ends[0] <= ends[-1] <= rows:
        raise InputError(f"{place}: its attribute 'split' gives {spans} of {rows} rows; it is damaged.")
    if empty := [label for label in SPLITS if spans[label].start == spans[label].stop]:
        raise InputError(f"{place}: its attribute 'split' leaves {', '.join(empty)} empty.")
    return {label: spans[label] for label in SPLITS}


def _genres(file: h5py.File, place: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """``(N, L)`` of 0 and 1, and the names of the genres (numbers where the file has none).

    Raises:
        InputError: other values, or names that do not fit.
    """
    dataset = dataset_of(file, "genres", place, (None, None))
    genres: np.ndarray = dataset[()]
    if not np.isin(genres, (0, 1)).all():
        raise InputError(f"{place}: genres must be 0 or 1, got {genres.min()} to {genres.max()}.")
    names = dataset.attrs.get("target_names")
    if names is None:
        return genres, tuple(map(str, range(genres.shape[1])))
    try:
        listed = json.loads(names)
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: target_names of genres is no JSON list of names.") from error
    if not isinstance(listed, list) or len({str(name) for name in listed}) != genres.shape[1]:
        raise InputError(f"{place}: target_names of genres does not give {genres.shape[1]} different names.")
    return genres, tuple(str(name)[:100] for name in listed)
