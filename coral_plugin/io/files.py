"""Files read without trust and written aside: a file on disk is whole, and a bad one is answered by one clear line."""

from __future__ import annotations

import contextlib
import csv
import difflib
import errno
import io
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line, short

MOST_TEXT = 1 << 28  # bytes of a text or of JSON: a history of 100,000 epochs has a tenth of it
# the path that the user gave is wrong, rather than the machine
_USERS_ERRNO = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}


def cache_folder() -> Path:
    """Where generated data are kept: ``CORAL_CACHE``, else ``coral-multibench`` in the user's cache; not created."""
    if folder := os.environ.get("CORAL_CACHE"):
        return Path(folder)
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
        raise InputError(f"{path} is not valid JSON: {one_line(error)}.") from error


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


@contextlib.contextmanager
def write_folder(path: Path, names: Collection[str]) -> Iterator[Path]:
    """Write a folder of files so that nobody sees a part of it: aside, and renamed at the end of the block.

    Args:
        path: Folder; one that holds nothing but ``names`` is replaced.
        names: Names of the files.

    Yields:
        An empty folder next to ``path`` to write to; it is removed if the block raises anything.

    Raises:
        InputError: something else lies at ``path``.
        MachineError: no space, no rights, a read-only disk.
    """
    target = Path(os.path.realpath(path))
    aside, former = (target.with_name(f".{target.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}") for _ in range(2))
    try:
        if os.path.lexists(target):
            if not target.is_dir():
                raise InputError(f"{path} is a file; give the name of a folder.")
            if others := sorted({entry.name for entry in target.iterdir()} - set(names)):
                raise InputError(f"{path} holds other files ({short(others[0])}); give the name of a new folder.")
        aside.mkdir(parents=True)
        yield aside
        if target.exists():
            target.rename(former)
        aside.rename(target)
    except OSError as error:
        raise cannot_write(error, path) from error
    finally:
        for folder in (aside, former):
            shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, aside and renamed."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="")


def csv_text(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    r"""Headings and rows as the text of a CSV file; None is an empty entry.

    >>> csv_text(["name", "value"], [["a, b", 1.5], ["c", None]])
    'name,value\n"a, b",1.5\nc,\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as JSON, aside and renamed; NumPy's numbers and arrays and paths become plain ones.

    Raises:
        InputError: a number in it is not finite, which JSON does not have; the message says where.
    """
    if place := next(_not_finite(value), None):
        raise InputError(f"{path} is not written: {place} is not a finite number.")
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n")


def read_bytes(path: Path, most: int = -1) -> bytes:
    """The first bytes of an ordinary file; anything else is refused unopened (a pipe would wait for ever)."""
    try:
        status = path.stat()
        mode = status.st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                # read(n) takes memory for n bytes at once; files of the kernel say that they are empty
                return file.read(min(most, max(status.st_size + 1, 2**24)))
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise cannot_read(error, path) from error
    raise InputError(f"{path} is a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}; give the name of a file.")


def _target(path: Path) -> Path:
    """Where ``path`` leads. A link stays a link, but nothing is written through one that leaves its folder."""
    try:
        os.fsencode(path)
        target, home = Path(os.path.realpath(path)), Path(os.path.realpath(path.parent))
    except ValueError as error:  # a null character, half a character
        raise InputError(f"{str(path)!r} cannot be written: {one_line(error)}; give another name.") from error
    if os.path.islink(path) and not target.is_relative_to(home):  # noqa: PTH114 - False for a name that is too long
        raise InputError(f"{path} is a link to {target}, outside its folder, and is not written through; remove it.")
    return target


def _make_room(target: Path, path: Path | str) -> None:
    """Make the folder of ``target``; whatever is there already must be a file."""
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is a {'folder' if target.is_dir() else 'device'}; give the name of a file.")
    target.parent.mkdir(parents=True, exist_ok=True)


def cannot_read(error: OSError | ValueError, path: Path) -> CoralError:
    """Our error, in one line, for one of the system on reading ``path``."""
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
    return (error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)).lower()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key twice in one object")
    return mapping


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
