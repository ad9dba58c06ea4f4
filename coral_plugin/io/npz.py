"""``.npz`` archives read without trust: nothing in them is run, and no memory is taken on their word."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.io.files import cannot_read, write_aside
from coral_plugin.io.npy import check_header
from coral_plugin.io.sniff import require_kind
from coral_plugin.machine import require_memory

MAX_MEMBERS = 10_000
# deflate cannot shrink more than 1032 to 1: an archive that claims more than this lies
_MAX_RATIO = 1100


def read_npz(path: Path | str) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``, by name. Nothing in the file is run, and no memory is taken on its word.

    Raises:
        InputError: the file is missing, damaged, something else, or holds Python objects.
        MachineError: it cannot be read, or does not fit into memory.
    """
    path = Path(path)
    require_kind(path, "npz", "an .npz of arrays, as np.savez(FILE, **{'train/NAME': array}) writes it")
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
    require_memory(claimed, str(path))
    return names


def _plain_name(name: str) -> bool:
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str) -> np.ndarray:
    """One member, whose header is held against its size before memory is taken for it."""
    try:
        try:
            with archive.open(info) as member:
                check_header(member, info.file_size, source)
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
