"""Shards: the samples of tar files as webdataset writes them, found once and then read by number."""

from __future__ import annotations

import hashlib
import itertools
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coral_plugin.errors import CoralError, InputError, one_line
from coral_plugin.io.files import cache_folder, cannot_read
from coral_plugin.io.npz import read_npz, write_npz
from coral_plugin.io.sniff import FILE_KINDS, sniff

# as webdataset splits a name: the key up to the first dot of the file's name, and all behind it
_NAME = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")


@dataclass(frozen=True)
class ShardIndex:
    """Places of the samples of several shards.

    Attributes:
        extensions: Text behind the key in the names of members, such as ``left.npy``, ``cls``.
        shard: ``(N,)`` number of the shard of each sample.
        start: ``(N, E)`` byte at which each member begins in its shard; -1 where a sample has none.
        size: ``(N, E)`` bytes of each member.
    """

    extensions: tuple[str, ...]
    shard: np.ndarray
    start: np.ndarray
    size: np.ndarray


def index_of(paths: Sequence[Path]) -> ShardIndex:
    """The index of some shards, from the cache where none of them has another size or time of change since.

    Raises:
        InputError: a file that is missing, cut off, compressed or no tar archive, or that holds no sample.
        MachineError: one that cannot be read.
    """
    states = []
    for path in paths:
        if (kind := sniff(path)) != "tar":
            raise InputError(f"{path} is {FILE_KINDS[kind]}; shards are uncompressed tar archives (webdataset).")
        states.append((path.stat().st_size, path.stat().st_mtime_ns))
    names = "\n".join(str(path.resolve()) for path in paths)
    place = cache_folder() / "shards" / f"{hashlib.sha256(names.encode()).hexdigest()}.npz"
    if (kept := _kept(place, states)) is not None:
        return kept
    samples = [(number, members) for number, path in enumerate(paths) for members in _samples(path)]
    extensions = sorted({extension for _, members in samples for extension in members})
    if not extensions:
        raise InputError(f"{paths[0]} holds no sample; its members are called KEY.modality.npy, KEY.cls.")
    places = np.array([[members.get(extension, (-1, 0)) for extension in extensions] for _, members in samples])
    index = ShardIndex(tuple(extensions), np.array([number for number, _ in samples]), places[..., 0], places[..., 1])
    arrays = {"extensions": np.array(extensions), "shard": index.shard, "start": index.start, "size": index.size}
    write_npz(place, {**arrays, "states": np.array(states)})
    return index


def read_member(path: Path, start: int, size: int) -> bytes:
    """The bytes of one member of a shard.

    Raises:
        InputError: the shard ends before them.
        MachineError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(size)
    except OSError as error:
        raise cannot_read(error, path) from error
    if len(content) < size:
        raise InputError(f"{path} is cut off; fetch or write it again.")
    return content


def _samples(path: Path) -> Iterator[dict[str, tuple[int, int]]]:
    """Start and size of each member by extension, sample by sample: members with one key follow each other."""
    try:
        with tarfile.open(path, "r:") as archive:
            named = ((match, member) for member in archive if member.isreg() and (match := _NAME.match(member.name)))
            for key, group in itertools.groupby(named, key=lambda pair: pair[0][1]):
                sample: dict[str, tuple[int, int]] = {}
                for match, member in group:
                    if match[2] in sample:
                        raise InputError(f"{path}: sample {key} has {match[2]} twice.")
                    sample[match[2]] = member.offset_data, member.size
                    if member.offset_data + member.size > path.stat().st_size:
                        raise InputError(f"{path} is cut off; fetch or write it again.")
                yield sample
    except OSError as error:
        raise cannot_read(error, path) from error
    except tarfile.TarError as error:
        raise InputError(f"{path} is cut off or damaged ({one_line(error)}); fetch or write it again.") from error


def _kept(place: Path, states: list[tuple[int, int]]) -> ShardIndex | None:
    """The index in the cache, if it is one of these files as they are."""
    try:
        arrays = read_npz(place)
    except CoralError:
        return None
    if set(arrays) != {"extensions", "shard", "start", "size", "states"} or arrays["states"].tolist() != [
        list(state) for state in states
    ]:
        return None
    return ShardIndex(tuple(arrays["extensions"].tolist()), arrays["shard"], arrays["start"], arrays["size"])
