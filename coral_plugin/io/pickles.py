"""Pickles read without trust: NumPy arrays and plain containers come out, everything else is refused by its name.

A pickle is a program. Here every global that it names is looked up in a table of exact pairs, behind which stand not
NumPy's functions but small ones of this file that check their arguments: NumPy's own rebuild arrays from whatever
state the file gives, and a type with false flags makes bytes into pointers.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.io.files import read_bytes
from coral_plugin.io.pickle_scan import scan

_MAX_DIMENSIONS = 32
# booleans, numbers, texts, bytes, Python objects; no structures, which could hide pointers among bytes
_TYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SU]\d{1,6}|O[48]?")


def read_pickle(path: Path | str, *, trust: bool = False) -> Any:
    """The object in a pickle of NumPy 1 or 2, of Python 2 or 3; ordered dictionaries come back as plain ones.

    Args:
        path: Of the file.
        trust: Load it with Python's own unpickler, which runs whatever the file says: the user's own decision.

    Raises:
        InputError: no such file, damage, sizes that the file cannot hold, or anything but arrays and plain
            containers; the message names it.
        MachineError: it does not fit into memory.
    """
    path = Path(path)
    read_bytes(path, 1)  # an ordinary file that can be read
    try:
        with path.open("rb") as file:
            if trust:
                return pickle.load(file, encoding="latin1")  # noqa: S301
            scan(file, path.stat().st_size, lambda module, name: _known(module, name, str(path)), str(path))
            file.seek(0)
            return _strip(_Unpickler(file, str(path)).load())
    except (CoralError, OSError):
        raise
    except MemoryError as error:
        raise MachineError(f"{path} does not fit into this machine's memory.") from error
    except Exception as error:  # damaged pickles make Python raise a dozen types
        reason = one_line(error)
        raise InputError(f"{path} is damaged or no pickle of arrays: {reason}.") from error


def array_globals() -> dict[str, Any]:
    """What a restricted unpickler beside this one may call to read NumPy's arrays and numbers, by the names in files.

    The types that these functions build on the way are among them, under names that no file has.
    """
    wanted = {pair: thing for pair, thing in _ADMITTED.items() if pair[0].startswith("numpy") or pair[0] == "_codecs"}
    found = {f"{module}.{name}": thing for (module, name), thing in wanted.items()}
    return {**found, **{f"{__name__}.{each.__name__}": each for each in (_Type, _Array)}}


def _known(module: str, name: str, source: str) -> Any:
    if (module, name) not in _ADMITTED:
        wanted = f"{module}.{name}"
        raise InputError(
            f"{source} wants {wanted[:100] if wanted.isprintable() else ascii(wanted)[:100]}, which is not read from a "
            "pickle because it could run code; only NumPy arrays and plain containers are (--trust-pickle reads all, "
            "at your own risk)."
        )
    return _ADMITTED[module, name]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, source: str) -> None:
        super().__init__(file, encoding="latin1")
        self.source = source

    def find_class(self, module: str, name: str) -> Any:
        return _known(module, name, self.source)

    def persistent_load(self, pid: Any) -> NoReturn:
        raise InputError(f"{self.source} wants the persistent object {str(pid)[:100]!r}; there are none.")


class _Callable:
    """A function that a pickle may call; BUILD, which sets attributes, finds nothing to set."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise ValueError("a state is given to a function")


class _Type:
    """Stands for ``numpy.dtype`` while loading: a name and a byte order, from which a type is made."""

    __slots__ = ("name", "order")

    def __init__(self, name: Any, *flags: Any) -> None:
        if not isinstance(name, str) or not _TYPE.fullmatch(name) or not all(f in (0, 1) for f in flags):
            raise ValueError(f"arrays of type {str(name)[:40]!r} are not read")
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"array type {self.name} with an unusual state")
        if any(part not in (None, ()) for part in state[2:5]):
            raise ValueError("arrays of structures (fields, sub-arrays) are not read")
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        """The type, which owes nothing else to the file."""
        return np.dtype(object) if self.name.startswith("O") else np.dtype(self.order + self.name)


class _Array(np.ndarray):
    """An array that a pickle may fill once it says what fits; written again it is a plain one."""

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("an array with an unusual state")
        shape, kind, fortran, data = state[-4:]
        checked, dtype, data = _sized(shape, kind, data)
        super().__setstate__((1, checked, dtype, bool(fortran), data))  # type: ignore[arg-type]


def _sized(shape: Any, kind: Any, data: Any) -> tuple[tuple[int, ...], np.dtype[Any], Any]:
    """Shape, type and data of an array once they agree; memory is only taken for what the file holds."""
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError("an array without a usual type and shape")
    if not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError(f"an array of shape {str(shape)[:80]}")
    dtype, count = kind.dtype(), math.prod(shape)
    if isinstance(data, str):  # Python 2
        data = data.encode("latin1")
    if dtype.hasobject != isinstance(data, list) or not isinstance(data, list | bytes | bytearray):
        raise ValueError(f"an array of type {dtype} whose data are a {type(data).__name__}")
    held = len(data) if dtype.hasobject else len(data) // max(dtype.itemsize, 1)
    if held != count or (not dtype.hasobject and len(data) != count * dtype.itemsize):
        raise ValueError(f"an array claims shape {shape} of {dtype}, but its data are {len(data)} long")
    return shape, dtype, data


def _reconstruct(cls: Any, shape: Any = (0,), typecode: Any = b"b") -> _Array:
    if cls is not _NDARRAY:
        raise ValueError("an array of a subclass")
    del shape, typecode  # the state says both
    return np.empty(0, dtype=np.uint8).view(_Array)


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C", axes: Any = None) -> np.ndarray:
    shape, dtype, data = _sized(shape, kind, data)
    if dtype.hasobject or order not in ("C", "F", "K") or axes is not None:
        raise ValueError("an array from a buffer in an unusual order")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if order == "F" else "C").view(_Array)


def _scalar(kind: Any, data: Any = None) -> Any:
    shape, dtype, data = _sized((1,), kind, data)
    if dtype.hasobject:
        raise ValueError("a scalar that is a Python object")
    return np.frombuffer(data, dtype=dtype).reshape(shape)[0]


def _encode(text: Any, encoding: Any = None) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in the encoding {str(encoding)[:40]!r}")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    return _encode(*arguments) if arguments else b""


def _bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    if isinstance(data, str):
        return bytearray(_encode(data, encoding))
    if not isinstance(data, bytes):  # a number would reserve as many bytes
        raise TypeError("a bytearray of something else than bytes")
    return bytearray(data)


def _items(kind: type, items: Any = ()) -> Any:
    if not isinstance(items, list | tuple):
        raise TypeError(f"a {kind.__name__} of something else than a list")
    return kind(items)


def _complex(real: Any, imaginary: Any = 0.0) -> complex:
    if not isinstance(real, float) or not isinstance(imaginary, float):
        raise TypeError("a complex number of something else than two floats")
    return complex(real, imaginary)


_NDARRAY = _Callable(lambda *_: _refuse_call())
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Callable(_Type),
    ("_codecs", "encode"): _Callable(_encode),
    ("collections", "OrderedDict"): _Callable(lambda items=(): _items(dict, items)),
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _Callable(_reconstruct)
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _Callable(_scalar)
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _Callable(_from_buffer)
for _builtins in ("builtins", "__builtin__"):  # Python 3 and 2
    _ADMITTED[_builtins, "bytes"] = _Callable(_bytes)
    _ADMITTED[_builtins, "bytearray"] = _Callable(_bytearray)
    _ADMITTED[_builtins, "complex"] = _Callable(_complex)
    _ADMITTED[_builtins, "set"] = _Callable(lambda items=(): _items(set, items))
    _ADMITTED[_builtins, "frozenset"] = _Callable(lambda items=(): _items(frozenset, items))


def _refuse_call() -> NoReturn:
    # ndarray(shape) would take memory on the file's word
    raise ValueError("numpy.ndarray is called")


def _strip(root: Any) -> Any:
    """``root`` with plain arrays in its dictionaries and lists; what refers to itself keeps doing so."""
    if isinstance(root, _Array):
        return root.view(np.ndarray)
    waiting, seen = [root], set()
    while waiting:
        holder = waiting.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, np.ndarray) and holder.dtype.hasobject:
            holder = holder.ravel(order="K")  # a view: the elements are replaced in place
        elif not isinstance(holder, dict | list | tuple):
            continue
        for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(value, _Array) and not isinstance(holder, tuple):
                holder[key] = value = value.view(np.ndarray)
            if isinstance(value, dict | list | tuple | np.ndarray):
                waiting.append(value)
    return root
