"""``multimodal_imdb.hdf5`` on disk: plots, posters and genres by row, and where its splits begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import SPLITS
from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of

if TYPE_CHECKING:
    import h5py

WHAT = "MM-IMDb's multimodal_imdb.hdf5 (features, genres, vgg_features, images)"
_RELEASED, _CUTS = 25_959, (0, 15_552, 18_160, 25_959)  # rows, and those at which MultiBench cuts them
_NAMES = {"train": "train", "dev": "valid", "valid": "valid", "test": "test"}
_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, which the authors' script takes from the posters
_ROWS = 64  # posters that are in memory at full size


def splits_of(file: h5py.File, rows: int, where: str) -> dict[str, slice]:
    """Rows of each split: as the file's attribute ``split`` says, or MultiBench's for the released number of rows.

    Raises:
        InputError: the file does not say, or says what cannot be.
    """
    table = file.attrs.get("split")
    names = () if not isinstance(table, np.ndarray) or table.dtype.names is None else table.dtype.names
    if not {"split", "source", "start", "stop"} <= set(names):
        if rows != _RELEASED:
            raise InputError(
                f"{where} has {rows} rows, and no attribute 'split' that says where the splits begin; the released "
                f"file has {_RELEASED}."
            )
        return {label: slice(*_CUTS[at : at + 2]) for at, label in enumerate(SPLITS)}
    found = {
        _NAMES.get(bytes(row["split"]).decode("utf-8", "replace"), ""): slice(int(row["start"]), int(row["stop"]))
        for row in table
        if bytes(row["source"]) == b"genres"
    }
    ends = [end for label in SPLITS if label in found for end in (found[label].start, found[label].stop)]
    if len(ends) != 2 * len(SPLITS) or ends != sorted(ends) or not 0 <= ends[0] <= ends[-1] <= rows:
        raise InputError(f"{where}: its attribute 'split' gives {found} of {rows} rows; it is damaged.")
    if empty := [label for label in SPLITS if found[label].start == found[label].stop]:
        raise InputError(f"{where}: its attribute 'split' leaves {', '.join(empty)} empty.")
    return {label: found[label] for label in SPLITS}


def genres_of(file: h5py.File, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """``(N, L)`` of 0 and 1, and the names of the genres (numbers where the file has none).

    Raises:
        InputError: other values, or names that do not fit.
    """
    dataset = dataset_of(file, "genres", where, (None, None))
    genres: np.ndarray = dataset[()]
    if not np.isin(genres, (0, 1)).all():
        raise InputError(f"{where}: genres must be 0 or 1, got {genres.min()} to {genres.max()}.")
    names = dataset.attrs.get("target_names")
    if names is None:
        return genres, tuple(map(str, range(genres.shape[1])))
    try:
        listed = json.loads(names)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: target_names of genres is no JSON list of names.") from error
    if not isinstance(listed, list) or len({str(name) for name in listed}) != genres.shape[1]:
        raise InputError(f"{where}: target_names of genres does not give {genres.shape[1]} different names.")
    return genres, tuple(str(name)[:100] for name in listed)


def posters(dataset: h5py.Dataset, rows: slice, where: str) -> Iterator[Tensor]:
    """The posters of ``rows`` in pieces ``(n, 3, H, W)``, red first, in 0 ... 255.

    The released file has blue first and the mean of each channel taken off, which its negative values tell; it holds
    whole numbers, cut towards zero, from which the pixels come back but for one grey value of each channel. A file of
    plain pixels is taken as it is.

    Raises:
        InputError: values that are neither.
    """
    centred = bool((dataset[: min(_ROWS, len(dataset))] < 0).any())
    means = torch.tensor(_MEANS).view(1, 3, 1, 1)
    whole = dataset.dtype.kind in "iu"
    for start in range(rows.start, rows.stop, _ROWS):
        part = torch.from_numpy(np.ascontiguousarray(dataset[start : min(start + _ROWS, rows.stop)])).float()
        if centred:
            # v - 103.939 is cut to v - 104 above zero, and to v - 103 below
            part = (part + means.ceil() - (part < 0).float() if whole else part + means).flip(1)
        if not -1 <= float(part.min()) <= float(part.max()) <= 256:
            raise InputError(
                f"{where}: images from row {start} on hold {float(part.min()):.4g} to {float(part.max()):.4g}; pixels "
                "are 0 to 255, or less the means of blue, green and red (103.939, 116.779, 123.68)."
            )
        yield part
