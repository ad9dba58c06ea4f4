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

if TYPE_CHECKING:
    import h5py

WHAT = "a folder of CMU-MultimodalSDK's computational sequences (.csd), one a modality and one of labels"

# begin and end (n, 2) in seconds, in the order of their begin, and features (n, d); None where those are text
Timed = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Sequence:
    """One computational sequence, whose entries are read when they are asked for.

    Attributes:
        name: Its root name.
        entries: ``{video: its keys}``; data that mmsdk has aligned have a key for each step, ``video[3]``.
        get: Intervals and features under one key.
        about: Its metadata.
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
        given, features = (np.asarray(part) for part in self.get(key))
        where = f"{self.name}: {key}"
        if given.dtype.kind not in "fiu":
            raise InputError(f"{where} has intervals of type {given.dtype}, not seconds.")
        intervals = given.reshape(1, -1) if given.ndim == 1 else given
        if given.ndim == 1 or features.ndim == 0:  # mmsdk itself admits the one step of an aligned segment so
            features = features.reshape(1, -1)
        features = features.reshape(len(features), math.prod(features.shape[1:]))
        if intervals.ndim != 2 or intervals.shape[1] != 2 or len(intervals) != len(features):
            raise InputError(
                f"{where} has intervals {given.shape} and features {features.shape}; expected (n, 2) and (n, d)."
            )
        if not np.isfinite(intervals).all() or (intervals[:, 1] < intervals[:, 0]).any():
            raise InputError(f"{where} has intervals that end before they begin, or that are no numbers.")
        return intervals.astype(np.float64), features if features.dtype.kind in "fiub" else None


def by_video(keys: Iterable[str]) -> dict[str, list[str]]:
    """``{video: keys}``, without the numbers that mmsdk appends to aligned data.

    >>> by_video(["a[0]", "b", "a[1]"])
    {'a': ['a[0]', 'a[1]'], 'b': ['b']}
    """
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(str(key).partition("[")[0], []).append(str(key))
    return found


@contextmanager
def open_folder(folder: Path) -> Iterator[dict[str, Sequence]]:
    """The sequences of all ``.csd`` files of a folder by name, open inside the block.

    Raises:
        InputError: there is none, a file is damaged or no such file, or two have one name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Expected {WHAT}.")
    files = sorted(folder.glob("*.csd"))
    if not files:
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"
        raise InputError(f"{folder} has no .csd file; it holds {there}. Expected {WHAT}.")
    with ExitStack() as stack:
        found: dict[str, Sequence] = {}
        for path in files:
            sequence = sequence_of(stack.enter_context(open_hdf5(path, WHAT)), path)
            if sequence.name in found:
                raise InputError(f"{path}: there is another file of the sequence {sequence.name!r} in its folder.")
            found[sequence.name] = sequence
        yield found


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
    where = f"{path}: {roots[0]}"
    root = group_of(file, roots[0], str(path))
    data = group_of(root, "data", where)
    if not len(data):
        raise InputError(f"{where}/data has no entry.")

    def get(key: str) -> tuple[Any, Any]:
        place = f"{where}/data/{key}"
        entry = group_of(data, key, f"{where}/data")
        intervals = dataset_of(entry, "intervals", place, empty=True)[()]
        features = dataset_of(entry, "features", place, kinds="fiubSO", empty=True)
        return intervals, np.full((len(features), 1), "") if features.dtype.kind in "SO" else features[()]  # words

    return Sequence(roots[0], by_video(data), get, _metadata(root))


def sequences_of(dataset: Any) -> dict[str, Sequence]:
    """The sequences of an ``mmdataset`` of mmsdk, or of ``{name: computational_sequence}``.

    Raises:
        InputError: it is neither.
    """
    found = {}
    for name in list(dataset.keys()) if hasattr(dataset, "keys") else ():
        data = getattr(dataset[name], "data", None)
        if not isinstance(data, Mapping) or not data:
            raise InputError(f"{name!r} is no computational sequence of mmsdk with entries.")

        def get(key: str, data: Mapping[str, Any] = data) -> tuple[Any, Any]:
            return data[key]["intervals"], data[key]["features"]

        found[str(name)] = Sequence(str(name), by_video(data), get, {})
    if not found:
        raise InputError("Give an mmdataset of mmsdk, or {name: computational_sequence}, with sequences in it.")
    return found


def _metadata(root: h5py.Group) -> dict[str, str]:
    """Those entries of the metadata that are text."""
    found: dict[str, str] = {}
    about = group_of(root, "metadata", root.name) if "metadata" in root else {}
    for key in about:
        with suppress(InputError):  # no text; nothing depends on it
            value = dataset_of(about, key, root.name, (1,), kinds="SO")[0]
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            with suppress(ValueError):  # written without JSON
                text = str(json.loads(text))
            found[str(key)] = text[:200]
    return found
