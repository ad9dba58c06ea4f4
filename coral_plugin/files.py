"""Files read with suspicion and written aside: what is on disk is whole, and a bad file is one clear line."""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import math
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError

MAX_MEMBERS = 10_000
MOST_TEXT = 1 << 28  # bytes of a text or of JSON: a history of 100,000 epochs has a tenth of it
# deflate cannot shrink more than 1032 to 1: an archive that claims more than this lies
_MAX_RATIO = 1100
_NOT_NPZ = {
    b"\x93NUMPY": "is a single .npy array; put it into an .npz under its key: np.savez(FILE, **{'train/NAME': array})",
    b"version https://git-lfs": "is a Git LFS pointer, not the data; run 'git lfs pull' in its repository",
    b"\x1f\x8b": "is compressed with gzip, not an .npz; unpack it first",
    **{bytes([0x80, n]): "is a pickle, which can run code when loaded; save arrays with np.savez" for n in range(2, 6)},
}
# the path that the user gave is wrong, rather than the machine
_USERS_ERRNO = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}


def cache_folder() -> Path:
    """Where generated data are kept: ``CORAL_CACHE``, else ``coral-multibench`` in the user's cache; not created."""
    if own := os.environ.get("CORAL_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coral-multibench"


def read_text(path: Path | str, most: int = MOST_TEXT) -> str:
    """The text of a UTF-8 file.

    Raises:
        InputError: there is no such file, it is no text, or it is longer than ``most`` bytes.
    """
    content = read_bytes(Path(path), most + 1)
    if len(content) > most:
        raise InputError(f"{path} is not read: it has more than {most} bytes, which no such file of ours has.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8 (byte {error.start}).") from error


def read_json(path: Path | str) -> Any:
    """The value in a JSON file.

    Raises:
        InputError: there is no such file, or it is no JSON; the message names the line.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {_line(error)}.") from error


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
        raise _reading(error, path) from error
    except Exception as error:  # a damaged directory makes zipfile raise a dozen types beside its own
        raise InputError(f"{path} is cut off or damaged ({_line(error)}); fetch or write it again.") from error


@contextlib.contextmanager
def write_aside(path: Path | str) -> Iterator[Path]:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Yields:
        A path in the same folder (made if need be) to write to; it replaces ``path`` at the end of the block and is
        removed if the block raises anything.

    Raises:
        InputError: ``path`` is a folder or a device, lies below a file, or is a link to a place outside its folder.
        MachineError: no space, no rights, a read-only disk.
    """
    target = _target(Path(path))
    aside = target.with_name(f".{target.stem[:80]}.{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")
    try:
        _make_room(target, path)
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    except OSError as error:
        raise cannot_write(error, path) from error
    except CoralError:
        raise
    except Exception as error:
        # torch and safetensors report a full disk with types of their own
        if target.parent.is_dir() and shutil.disk_usage(target.parent).free < 1 << 20:
            raise cannot_write(OSError(errno.ENOSPC, "No space left on device"), path) from error
        if "PytorchStreamWriter" in str(error) or "inline_container" in str(error):  # a quota looks so
            raise cannot_write(OSError(errno.EFBIG, "file too large for the disk or its quota"), path) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, aside and renamed."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as JSON, aside and renamed; NumPy's numbers and arrays and paths become plain ones.

    Raises:
        InputError: a number in it is not finite, which JSON does not have; the message says where.
    """
    if place := next(_not_finite(value), None):
        raise InputError(f"{path} is not written: {place} is not a finite number.")
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n")


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


def read_bytes(path: Path, most: int = -1) -> bytes:
    """The first bytes of an ordinary file; anything else is refused unopened (a pipe would wait for ever)."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _reading(error, path) from error
    raise InputError(f"{path} is a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}; give the name of a file.")


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


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    """One member, whose header is held against its size before memory is taken for it."""
    try:
        try:
            _check_header(archive, info, where)
        except MemoryError as error:  # Python's parser says so of brackets nested without end
            raise InputError(f"{where} is damaged: its header is no description of an array.") from error
        with archive.open(info) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
    except MemoryError as error:
        raise MachineError(f"{where} needs {info.file_size / 2**30:.1f} GiB of memory, which are not free.") from error
    except (CoralError, OSError):
        raise
    except Exception as error:  # damaged bytes make zipfile and numpy raise a dozen types
        raise InputError(f"{where} is damaged ({_line(error)}); fetch or write the file again.") from error
    return array


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> None:
    with archive.open(info) as member:
        old = np.lib.format.read_magic(member) == (1, 0)
        shape, _, dtype = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(member)
        left = info.file_size - member.tell()
    if dtype.hasobject:
        raise InputError(f"{where} holds Python objects, which can run code when loaded; save arrays of numbers.")
    size = dtype.itemsize * math.prod(shape)
    if size != left or min(shape, default=0) < 0:
        raise InputError(f"{where} claims shape {shape} of {dtype}, {size} bytes, but holds {left}; write it again.")


def _target(path: Path) -> Path:
    """Where ``path`` leads. A link stays a link, but nothing is written through one that leaves its folder."""
    try:
        os.fsencode(path)
        target, home = Path(os.path.realpath(path)), Path(os.path.realpath(path.parent))
    except ValueError as error:  # a null character, half a character
        raise InputError(f"{str(path)!r} cannot be written: {_line(error)}; give another name.") from error
    if os.path.islink(path) and not target.is_relative_to(home):  # noqa: PTH114 - False for a name that is too long
        raise InputError(f"{path} is a link to {target}, outside its folder, and is not written through; remove it.")
    return target


def _make_room(target: Path, path: Path | str) -> None:
    """Make the folder of ``target``; whatever is there already must be a file."""
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is a {'folder' if target.is_dir() else 'device'}; give the name of a file.")
    target.parent.mkdir(parents=True, exist_ok=True)


def _reading(error: OSError | ValueError, path: Path) -> CoralError:
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    if code == errno.ENOENT:
        return InputError(f"There is no file {path}.{_nearest(path)}")
    if code in _USERS_ERRNO | {errno.EACCES, errno.EPERM}:
        return InputError(f"{str(path)!r} cannot be read: {_reason(error)}.")
    return MachineError(f"{path} cannot be read: {_reason(error)}.")


def _nearest(path: Path) -> str:
    """What the folder of a missing file has instead."""
    folder = path.parent
    if not folder.is_dir():
        return f" Its folder {folder} does not exist either."
    close: list[str] = []
    with contextlib.suppress(OSError):
        close = difflib.get_close_matches(path.name, [entry.name for entry in folder.iterdir()], n=1)
    return f" Did you mean {folder / close[0]}?" if close else ""


def cannot_write(error: OSError, path: Path | str) -> CoralError:
    """Our error, in one line, for one of the system on writing ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError(f"{path} is not written: {_reason(error)}; free some space or write elsewhere.")
    kind = InputError if error.errno in _USERS_ERRNO else MachineError
    return kind(f"{path} cannot be written: {_reason(error)}; give another place.")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else _line(error)).lower()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON.")


def _not_finite(value: Any, place: str = "") -> Iterator[str]:
    """Places of the numbers that JSON lacks."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _not_finite(item, f"{place}[{number}]")
    elif isinstance(value, float) and not np.isfinite(value):
        yield place or "the value"
