"""What a pickle may name, and the small functions behind it: they rebuild NumPy's arrays once their parts agree.

NumPy's own functions rebuild arrays from whatever state a file gives, and a type with false flags makes bytes into
pointers; none of them is called here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

_MAX_DIMENSIONS = 32
_NUMPY_CORE = ("numpy.core", "numpy._core")  # NumPy 1 and 2
_BUILTINS = ("builtins", "__builtin__")  # Python 3 and 2
# booleans, numbers, texts, bytes, Python objects; no structures, which could hide pointers among bytes
_TYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SU]\d{1,6}|O[48]?")


def array_globals() -> dict[str, Any]:
    """Functions by which another restricted unpickler may read NumPy's arrays and numbers, by their names in files.

    The types that these functions build on the way are among them, under names that no file has.
    """
    others = (*_BUILTINS, "collections")
    admitted = {".".join(pair): function for pair, function in ADMITTED.items() if pair[0] not in others}
    admitted |= {f"{core}.multiarray._reconstruct": _array_to_fill for core in _NUMPY_CORE}
    return {**admitted, **{f"{__name__}.{kind.__name__}": kind for kind in (ArrayType, _Array)}}


class ArrayType:
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
    """An array that another unpickler fills: it checks the state, and is a plain array once it is written again."""

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(array_state(state))


def array_state(state: Any) -> tuple[Any, ...]:
    """The state of an array, once its parts agree with each other."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("an array with an unusual state")
    shape, kind, fortran, data = state[-4:]
    shape, dtype, data = _sized(shape, kind, data)
    return 1, shape, dtype, bool(fortran), data


def _sized(shape: Any, kind: Any, data: Any) -> tuple[tuple[int, ...], np.dtype[Any], Any]:
    """Shape, type and data of an array once they agree; memory is only taken for what the file holds."""
    if not isinstance(kind, ArrayType) or not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS:
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


def _reconstruct(cls: Any, *_: Any) -> np.ndarray:  # shape and type are in the state
    if cls is not _ndarray:
        raise ValueError("an array of a subclass")
    return np.empty(0, dtype=np.uint8)


def _array_to_fill(*arguments: Any) -> _Array:
    return _reconstruct(*arguments).view(_Array)


def _ndarray(*_: Any) -> None:
    # ndarray(shape) would take memory on the file's word
    raise ValueError("numpy.ndarray is called")


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C", axes: Any = None) -> np.ndarray:
    shape, dtype, data = _sized(shape, kind, data)
    if dtype.hasobject or order not in ("C", "F", "K") or axes is not None:
        raise ValueError("an array from a buffer in an unusual order")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: Any, data: Any = None) -> Any:
    shape, dtype, data = _sized((1,), kind, data)
    if dtype.hasobject:
        raise ValueError("a scalar that is a Python object")
    return np.frombuffer(data, dtype=dtype).reshape(shape)[0]


def _encode(text: Any, encoding: Any = None) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in the encoding {str(encoding)[:40]!r}")
    return text.encode("latin1")


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


def _factory(*_: Any) -> None:
    # named by a defaultdict, which comes back as a plain dictionary
    raise ValueError("a number is made by a call")


ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): lambda *arguments: ArrayType(*arguments),
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda items=(): _items(dict, items),
    ("collections", "defaultdict"): lambda _factory=None: {},
}
for _core in _NUMPY_CORE:
    ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    ADMITTED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
for _builtins in _BUILTINS:
    ADMITTED[_builtins, "bytes"] = lambda *arguments: _encode(*arguments) if arguments else b""
    ADMITTED[_builtins, "bytearray"] = _bytearray
    ADMITTED[_builtins, "complex"] = _complex
    ADMITTED[_builtins, "float"] = ADMITTED[_builtins, "int"] = _factory
    ADMITTED[_builtins, "set"] = lambda items=(): _items(set, items)
    ADMITTED[_builtins, "frozenset"] = lambda items=(): _items(frozenset, items)
