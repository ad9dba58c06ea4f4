"""Pickles read without trust: everything but NumPy arrays and plain containers is refused here, by its name.

A pickle is a program. Every global that it names is looked up in a table of exact pairs, behind which stand not NumPy's
functions but small ones of this file that check their arguments: NumPy's own rebuild arrays from whatever state the
file gives, and a type with false flags makes bytes into pointers. The unpickler is derived from the one of the standard
library that is written in Python: the one in C takes memory on the file's word, and dies of deeply nested tuples.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.io.files import read_bytes

MAX_OPCODES = 5_000_000  # each can make an object of a few hundred bytes from one byte of file
_MAX_TUPLES = 200  # the interpreter hashes nested tuples by recursion and dies beyond some ten thousand levels
_MAX_LINE = 1 << 20
_MAX_DIMENSIONS = 32
_NUMPY_CORE = ("numpy.core", "numpy._core")  # NumPy 1 and 2
_BUILTINS = ("builtins", "__builtin__")  # Python 3 and 2
_ONLY_ARRAYS = "could run code; only arrays and plain containers are read (--trust-pickle reads all, at your own risk)."
# booleans, numbers, texts, bytes, Python objects; no structures, which could hide pointers among bytes
_TYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SU]\d{1,6}|O[48]?")
# they build objects, or ask the caller for some; arrays and plain containers need none of them
_REFUSED = {
    **dict.fromkeys(("NEWOBJ", "NEWOBJ_EX"), "an object of a class"),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "an object of copyreg's registry"),
    **dict.fromkeys(("PERSID", "BINPERSID"), "a persistent object"),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), "a buffer from outside the file"),
}


def read_pickle(path: Path | str, *, trust: bool = False) -> Any:
    """The object in a pickle of NumPy 1 or 2, of Python 2 or 3; ordered and default dictionaries come back plain.

    Args:
        path: File to read.
        trust: Load it with Python's own unpickler, which runs whatever the file says: the user's own decision.

    Raises:
        InputError: no such file, damage, sizes that the file cannot hold, or anything but arrays and plain containers;
            the message names it.
        MachineError: it does not fit into memory.
    """
    path = Path(path)
    read_bytes(path, 1)  # an ordinary file that can be read
    try:
        with path.open("rb") as file:
            return pickle.load(file, encoding="latin1") if trust else _Unpickler(file, path).load()  # noqa: S301
    except (CoralError, OSError):
        raise
    except MemoryError as error:
        raise MachineError(f"{path} does not fit into this machine's memory.") from error
    except Exception as error:  # damaged pickles make Python raise a dozen types
        raise InputError(f"{path} is damaged or no pickle of arrays: {one_line(error, with_type=True)}.") from error


def array_globals() -> dict[str, Any]:
    """Functions by which another restricted unpickler may read NumPy's arrays and numbers, by their names in files.

    The types that these functions build on the way are among them, under names that no file has.
    """
    others = (*_BUILTINS, "collections")
    admitted = {".".join(pair): function for pair, function in _ADMITTED.items() if pair[0] not in others}
    admitted |= {f"{core}.multiarray._reconstruct": _array_to_fill for core in _NUMPY_CORE}
    return {**admitted, **{f"{__name__}.{kind.__name__}": kind for kind in (_Type, _Array)}}


class _File:
    """The bytes of a pickle: a piece that is longer than what is left is refused before memory is taken for it."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path, self.size = file, path, path.stat().st_size

    def read(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise InputError(
                f"{self.path} is cut off: a pickle of {self.size:,} bytes, its next part has {count:,}; fetch it again."
            )
        return self.file.read(count)

    def readline(self) -> bytes:
        line = self.file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise InputError(f"{self.path} is cut off or damaged: a line of it has no end; fetch it again.")
        return line


class _Unpickler(pickle._Unpickler):
    """Python's unpickler, with limits, without classes, and with states for arrays and their types only."""

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(_File(file, path), encoding="latin1")
        self.path = path
        self.depths: dict[int, int] = {}  # of tuples, by their id
        self.dispatch = _Counted(path)  # type: ignore[misc]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            wanted = f"{module}.{name}"
            wanted = wanted[:100] if wanted.isprintable() else ascii(wanted)[:100]
            raise InputError(f"{self.path} wants {wanted}, which is not read from a pickle because it {_ONLY_ARRAYS}")
        return _ADMITTED[module, name]

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, np.ndarray):
            target.__setstate__(_array_state(state))
        elif isinstance(target, _Type):
            target.__setstate__(state)
        else:
            raise TypeError(f"a state is given to an object of type {type(target).__name__}")

    def load_bytearray8(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    def load_tuple(self, count: int | None = None) -> None:
        items = self.pop_mark() if count is None else [self.stack.pop() for _ in range(count)][::-1]
        depth = 1 + max((self.depths[id(item)] for item in items if type(item) is tuple and item), default=0)
        if depth > _MAX_TUPLES:
            raise InputError(f"{self.path} nests tuples more than {_MAX_TUPLES} deep, which no data set does.")
        self.append(tuple(items))
        self.depths[id(self.stack[-1])] = depth

    def refuse(self, opcode: str) -> NoReturn:
        raise InputError(f"{self.path} wants to build {_REFUSED[opcode]} (opcode {opcode}), which {_ONLY_ARRAYS}")


class _Counted(dict[int, Callable[[Any], None]]):
    """Handlers by opcode. One is looked up for each opcode of a file: that is where their number is limited."""

    def __init__(self, path: Path) -> None:
        super().__init__(_HANDLERS)
        self.path, self.left = path, MAX_OPCODES

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.left -= 1
        if self.left < 0:
            raise InputError(
                f"{self.path} holds more than {MAX_OPCODES:,} Python objects; data sets hold few objects, but arrays."
            )
        return super().__getitem__(code)


_HANDLERS: dict[int, Callable[[Any], None]] = {
    **pickle._Unpickler.dispatch,
    pickle.BUILD[0]: _Unpickler.load_build,
    pickle.BYTEARRAY8[0]: _Unpickler.load_bytearray8,
    pickle.TUPLE[0]: _Unpickler.load_tuple,
    **{
        opcode[0]: partial(_Unpickler.load_tuple, count=n)
        for n, opcode in enumerate((pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), start=1)
    },
    **{getattr(pickle, name)[0]: partial(_Unpickler.refuse, opcode=name) for name in _REFUSED},
}


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
    """An array that another unpickler fills: it checks the state, and is a plain array once it is written again."""

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(_array_state(state))


def _array_state(state: Any) -> tuple[Any, ...]:
    """The state of an array, once its parts agree with each other."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("an array with an unusual state")
    shape, kind, fortran, data = state[-4:]
    shape, dtype, data = _sized(shape, kind, data)
    return 1, shape, dtype, bool(fortran), data


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


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): lambda *arguments: _Type(*arguments),
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda items=(): _items(dict, items),
    ("collections", "defaultdict"): lambda _factory=None: {},
}
for _core in _NUMPY_CORE:
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
for _builtins in _BUILTINS:
    _ADMITTED[_builtins, "bytes"] = lambda *arguments: _encode(*arguments) if arguments else b""
    _ADMITTED[_builtins, "bytearray"] = _bytearray
    _ADMITTED[_builtins, "complex"] = _complex
    _ADMITTED[_builtins, "float"] = _ADMITTED[_builtins, "int"] = _factory
    _ADMITTED[_builtins, "set"] = lambda items=(): _items(set, items)
    _ADMITTED[_builtins, "frozenset"] = lambda items=(): _items(frozenset, items)
