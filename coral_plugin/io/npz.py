"""``.npz`` archives read with suspicion: nothing in them is run, and no memory is taken on their word."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.io.files import cannot_read, read_bytes, write_aside

MAX_MEMBERS = 10_000
# deflate cannot shrink more than 1032 to 1: an archive that claims more than this lies
_MAX_RATIO = 1100
_NOT_NPZ = {
    b"\x93NUMPY": "is a single .npy array; put it into an .npz under its key: np.savez(FILE, **{'train/NAME': array})",
    b"version https://git-lfs": "is a Git LFS pointer, not the data; run 'git lfs pull' in its repository",
    b"\x1f\x8b": "is compressed with gzip, not an .npz; unpack it first",
    **{bytes([0x80, n]): "is a pickle, which can run code when loaded; save arrays with np.savez" for n in range(2, 6)},
}


def read_npz(path: Path | str) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``, by name. Nothing in the file is run, and no memory is taken on its word.

    Raises:
        InputError: the file is missing, damaged, something else, or holds Python objects.
        MachineError: it cannot be read, or does not fit into memory.
    """
    path = Path(path)
    _check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, i, f"{path}: {name}") for name, i in _members(archive, path).items()}
    except CoralError:
        raise
    except OSError as error:
        raise cannot_read(error, path) from error
    except Exception as error:  # a damaged directory makes zipfile raise a dozen types beside its own
        raise InputError(f"{path} is cut off or damaged ({one_line(error)}); fetch or write it again.") from error


def write_npz(path: Path | str, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as an uncompressed ``.npz``, aside and renamed; equal arrays give equal bytes.

    Raises:
        InputError: a name that :func:`read_npz` would refuse, or an array of Python objects.
    """
    ready = {name: np.asanyarray(value) for name, value in arrays.items()}
    for name, array in ready.items():
        if not _plain_name(name) or array.dtype.hasobject:
            what = "holds Python objects" if _plain_name(name) else "has a name that is no plain path"
            raise InputError(f"{path} is not written: array {name!r} {what}.")
    # np.savez itself takes no array that is called 'file'
    with write_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        for name, array in ready.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _check_kind(path: Path) -> None:
    """Say what a file is that is no zip archive."""
    head = read_bytes(path, 512)
    if not head:
        raise InputError(f"{path} is empty; fetch or write it again.")
    for start, what in _NOT_NPZ.items():
        if head.startswith(start):
            raise InputError(f"{path} {what}.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise InputError(f"{path} is a web page that was saved instead of the data; open it in a browser to see why.")
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise InputError(f"{path} is not an .npz file (it begins with {head[:8]!r}); write it with np.savez.")


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Members by array name, none of which claims more than the file can hold."""
    infos = archive.infolist()
    if not infos or len(infos) > MAX_MEMBERS:
        raise InputError(f"{path} holds {len(infos)} arrays; 1 to {MAX_MEMBERS} are read.")
    names: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not _plain_name(name) or name in names:
            raise InputError(
                f"{path} holds {info.filename[:80]!r}, which is no array of an .npz or is there twice; "
                "write it with np.savez."
            )
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{path}: {name} is encrypted or compressed in an unusual way; write it with np.savez.")
        names[name] = info
    claimed = sum(info.file_size for info in infos)
    if claimed > _MAX_RATIO * path.stat().st_size:
        raise InputError(f"{path} claims to unpack to {claimed} bytes, more than its size allows; it is not read.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else claimed
    if claimed > memory:
        raise MachineError(f"{path} needs {claimed / 2**30:.1f} GiB of memory; this machine has {memory / 2**30:.1f}.")
    return names


def _plain_name(name: str) -> bool:
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str) -> np.ndarray:
    """One member, whose header is held against its size before memory is taken for it."""
    try:
        try:
            _check_header(archive, info, source)
        except MemoryError as error:  # Python's parser says so of brackets nested without end
            raise InputError(f"{source} is damaged: its header is no description of an array.") from error
        with archive.open(info) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
    except MemoryError as error:
        raise MachineError(f"{source} needs {info.file_size / 2**30:.1f} GiB of memory, which are not free.") from error
    except (CoralError, OSError):
        raise
    except Exception as error:  # damaged bytes make zipfile and numpy raise a dozen types
        raise InputError(f"{source} is damaged ({one_line(error)}); fetch or write the file again.") from error
    return array


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str) -> None:
    with archive.open(info) as member:
        old = np.lib.format.read_magic(member) == (1, 0)
        shape, _, dtype = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(member)
        left = info.file_size - member.tell()
    if dtype.hasobject:
        raise InputError(
            f"{source} holds Python objects, which can run code when loaded; save arrays of numbers (text as "
            "astype(str); series of several lengths filled up with zeros, their lengths under <key>/length)."
        )
    size = dtype.itemsize * math.prod(shape)
    if size != left or min(shape, default=0) < 0:
        raise InputError(f"{source} claims shape {shape} of {dtype}, {size} bytes, but holds {left}; write it again.")
