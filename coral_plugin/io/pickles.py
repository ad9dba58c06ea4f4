"""Pickles read without trust: everything but NumPy arrays and plain containers is refused here, by its name.

A pickle is a program. Every global that it names is looked up in a table of exact pairs (:mod:`.pickled_arrays`), whose
functions check their arguments. The unpickler is derived from the one of the standard library that is written in
Python: the one in C takes memory on the file's word, and dies of deeply nested tuples.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from coral_plugin.errors import CoralError, InputError, MachineError, one_line
from coral_plugin.io.files import read_bytes
from coral_plugin.io.pickled_arrays import ADMITTED, ArrayType, array_state

MAX_OPCODES = 5_000_000  # each can make an object of a few hundred bytes from one byte of file
_MAX_TUPLES = 200  # the interpreter hashes nested tuples by recursion and dies beyond some ten thousand levels
_MAX_LINE = 1 << 20
_ONLY_ARRAYS = "could run code; only arrays and plain containers are read (--trust-pickle reads all, at your own risk)."
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
        if (module, name) not in ADMITTED:
            wanted = f"{module}.{name}"
            wanted = wanted[:100] if wanted.isprintable() else ascii(wanted)[:100]
            raise InputError(f"{self.path} wants {wanted}, which is not read from a pickle because it {_ONLY_ARRAYS}")
        return ADMITTED[module, name]

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, np.ndarray):
            target.__setstate__(array_state(state))
        elif isinstance(target, ArrayType):
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
