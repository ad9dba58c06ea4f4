"""Computational sequences: ``.csd`` files, or mmsdk's objects.

A ``.csd`` is HDF5: ``root/data/ID/{features, intervals}``, and ``root/metadata``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.io.hdf5 import dataset_of, group_of, member_names, open_hdf5

from ..shared import content_of, require_folder

if TYPE_CHECKING:
    import h5py

CSD_FOLDER = "a folder of CMU-MultimodalSDK's computational sequences (.csd), one per modality and one of labels"

# begin and end (n, 2) in seconds, in the order of their begin, and features (n, d); None where those are text
Timed = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Sequence:
    """One computational sequence, whose entries are read when they are asked for.

    Attributes:
        name: Name of the root group.
        entries: ``{video: its keys}``; data that mmsdk has aligned have a key for each step, ``video[3]``.
        get: Intervals and features under one key.
        about: Metadata.
    """

    name: str
    entries: dict[str, list[str]]
    get: Callable[[str], tuple[Any, Any]]
    about: Mapping[str, str]

    def read(self, video: str) -> Timed:
        """Everything of one video.

        Raises:
            InputError: intervals that are none, or as many features as there are not intervals.
        """
        parts = [self._checked(key) for key in self.entries[video]]
        intervals = np.concatenate([part[0] for part in parts])
        order = np.argsort(intervals[:, 0], kind="stable")
        if any(part[1] is None for part in parts):
            return intervals[order], None
        widths = {part[1].shape[1] for part in parts if part[1] is not None}
        if len(widths) > 1:
            raise InputError(f"{self.name}: {video} has {' and '.join(map(str, sorted(widths)))} features.")
        return intervals[order], np.concatenate([part[1] for part in parts if part[1] is not None])[order]

    def _checked(self, key: str) -> Timed:
        raw, features = (np.asarray(part) for part in self.get(key))
        place = f"{self.name}: {key}"
        if raw.dtype.kind not in "fiu":
            raise InputError(f"{place} has intervals of type {raw.dtype}, not seconds.")
        intervals = raw.reshape(1, -1) if raw.ndim == 1 else raw
        if raw.ndim == 1 or features.ndim == 0:  # mmsdk itself admits the one step of an aligned segment so
            features = features.reshape(1, -1)
        features = features.reshape(len(features), math.prod(features.shape[1:]))
        if intervals.ndim != 2 or intervals.shape[1] != 2 or len(intervals) != len(features):
            raise InputError(
                f"{place} has intervals {raw.shape} and features {features.shape}; expected (n, 2) and (n, d)."
            )
        if not np.isfinite(intervals).all() or (intervals[:, 1] < intervals[:, 0]).any():
            raise InputError(f"{place} has intervals that end before they begin, or that are not finite.")
        return intervals.astype(np.float64), features if features.dtype.kind in "fiub" else None


def by_video(keys: Iterable[str]) -> dict[str, list[str]]:
    """``{video: keys}``, without the numbers that mmsdk appends to aligned data.

    >>> by_video(["a[0]", "b", "a[1]"])
    {'a': ['a[0]', 'a[1]'], 'b': ['b']}
    """
    keys_by_video: dict[str, list[str]] = {}
    for key in keys:
        keys_by_video.setdefault(str(key).partition("[")[0], []).append(str(key))
    return keys_by_video


@contextmanager
def open_sequences(folder: Path) -> Iterator[dict[str, Sequence]]:
    """The sequences of all ``.csd`` files of a folder by name, open inside the block.

    Raises:
        InputError: there is none, a file is damaged or of another kind, or two have one name.
    """
    files = sorted(require_folder(folder, CSD_FOLDER).glob("*.csd"))
    if not files:
        raise InputError(f"{folder} has no .csd file; it holds {content_of(folder)}. Expected {CSD_FOLDER}.")
    with ExitStack() as stack:
        sequences: dict[str, Sequence] = {}
        for path in files:
            sequence = sequence_of(stack.enter_context(open_hdf5(path, CSD_FOLDER)), path)
            if sequence.name in sequences:
                raise InputError(f"{path}: there is another file of the sequence {sequence.name!r} in its folder.")
            sequences[sequence.name] = sequence
        yield sequences


def sequence_of(file: h5py.File, path: Path) -> Sequence:
    """The sequence of one open file.

    Raises:
        InputError: the file holds something else.
    """
    roots = [str(name) for name in file]
    if len(roots) != 1:
        raise InputError(
            f"{path} has {member_names(file)} at its root, where a .csd has the name of its sequence alone."
        )
    place = f"{path}: {roots[0]}"
    root = group_of(file, roots[0], str(path))
    data = group_of(root, "data", place)
    if not len(data):
        raise InputError(f"{place}/data has no entry.")

    def get(key: str) -> tuple[Any, Any]:
        entry_place = f"{place}/data/{key}"
        entry = group_of(data, key, f"{place}/data")
        intervals = dataset_of(entry, "intervals", entry_place, empty=True)[()]
        features = dataset_of(entry, "features", entry_place, kinds="fiubSO", empty=True)
        return intervals, np.full((len(features), 1), "") if features.dtype.kind in "SO" else features[()]  # words

    return Sequence(roots[0], by_video(data), get, _metadata(root))


def sequences_of(dataset: Any) -> dict[str, Sequence]:
    """The sequences of an ``mmdataset`` of mmsdk, or of ``{name: computational_sequence}``.

    Raises:
        InputError: it is neither.
    """
    sequences = {}
    for name in list(dataset.keys()) if hasattr(dataset, "keys") else ():
        data = getattr(dataset[name], "data", None)
        if not isinstance(data, Mapping) or not data:
            raise InputError(f"{name!r} is no computational sequence of mmsdk with entries.")

        def get(key: str, data: Mapping[str, Any] = data) -> tuple[Any, Any]:
            return data[key]["intervals"], data[key]["features"]

        sequences[str(name)] = Sequence(str(name), by_video(data), get, {})
    if not sequences:
        raise InputError("Give an mmdataset of mmsdk, or {name: computational_sequence}, with sequences in it.")
    return sequences


def _metadata(root: h5py.Group) -> dict[str, str]:
    """Those entries of the metadata that are text."""
    texts: dict[str, str] = {}
    about = group_of(root, "metadata", root.name) if "metadata" in root else {}
    for key in about:
        with suppress(InputError):  # no text; nothing depends on it
            value = dataset_of(about, key, root.name, (1,), kinds="SO")[0]
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            with suppress(ValueError):  # written without JSON
                text = str(json.loads(text))
            texts[str(key)] = text[:200]
    return texts
