"""A pickle's opcodes read without running them: names, sizes and nesting are held against limits beforehand."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import BinaryIO

from coral_plugin.errors import InputError

MAX_OPCODES = 5_000_000  # each can make an object of a few hundred bytes from one byte of file
MAX_TUPLES = 200  # the interpreter hashes nested tuples by recursion and dies beyond some ten thousand levels
_SHORT = 200  # longest text that is kept: modules and names
_LINE = 1 << 20
_SIZED = {-2: (1, False), -3: (4, True), -4: (4, False), -5: (8, False)}  # pickletools' codes: bytes of size, signed
_OPCODES = {ord(op.code): op for op in pickletools.opcodes}
# they build objects, or ask the caller for some; arrays and plain containers need none of them
_REFUSED = {
    "OBJ": "an object of a class",
    "NEWOBJ": "an object of a class",
    "NEWOBJ_EX": "an object of a class",
    "EXT1": "an object of copyreg's registry",
    "EXT2": "an object of copyreg's registry",
    "EXT4": "an object of copyreg's registry",
    "PERSID": "a persistent object",
    "BINPERSID": "a persistent object",
    "NEXT_BUFFER": "a buffer from outside the file",
    "READONLY_BUFFER": "a buffer from outside the file",
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_POPS = {"POP": 1, "APPEND": 1, "SETITEM": 2, "BUILD": 1}
_POP_MARK = {"POP_MARK", "APPENDS", "SETITEMS", "ADDITEMS"}
_MARK_TO_ONE = {"LIST", "DICT", "FROZENSET"}
_NOTHING = {"PROTO", "FRAME"}


class DamagedError(ValueError):
    """The opcodes do not follow each other as a pickle's do."""


def scan(file: BinaryIO, size: int, refuse: Callable[[str, str], None], source: str) -> None:
    """Read every opcode up to STOP; nothing is built.

    Args:
        file: At the first byte of the pickle.
        size: Bytes of the file.
        refuse: Called with module and name of every global; raises what it does not admit.
        source: Name of the file, for messages.

    Raises:
        InputError: an opcode that builds objects, more of anything than arrays need, or damage; the message says which.
    """
    machine = _Machine(refuse, source)
    try:
        for number in range(MAX_OPCODES):
            name, argument = _next(file, size, source)
            if name == "STOP":
                return
            machine.step(number, name, argument)
    except (DamagedError, IndexError, KeyError) as error:
        raise InputError(f"{source} is no intact pickle (damage at byte {file.tell()}): fetch it again.") from error
    raise InputError(
        f"{source} holds more than {MAX_OPCODES:,} Python objects; data sets hold few objects, but arrays."
    )


class _Machine:
    """The unpickler's stack, on which stands how deep tuples are nested, or a short text, instead of objects."""

    def __init__(self, refuse: Callable[[str, str], None], source: str) -> None:
        self.refuse, self.source = refuse, source
        self.stack: list[int | str] = []
        self.marks: list[int] = []
        self.memo: dict[int, int | str] = {}

    def step(self, number: int, name: str, argument: int | str) -> None:
        """Do what one opcode does to the stack."""
        if name in _REFUSED or name == "INST":
            what = f"{argument}" if name == "INST" else _REFUSED[name]
            raise InputError(_wants(self.source, what, name))
        if name in _NOTHING:
            return
        if name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "POP" and self.marks and len(self.stack) == self.marks[-1]:
            self.marks.pop()
        elif name in _POPS:
            self._pop(_POPS[name])
        elif name in _POP_MARK:
            self._to_mark()
        elif name in _MARK_TO_ONE:
            self._to_mark()
            self.stack.append(0)
        elif name in _TUPLES or name == "TUPLE":
            self._tuple(self._pop(_TUPLES[name]) if name in _TUPLES else self._to_mark())
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._put(len(self.memo) if name == "MEMOIZE" else int(argument), number)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._global(name, argument)
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "REDUCE":
            self._pop(2)
            self.stack.append(0)
        else:  # numbers, texts, bytes, empty containers
            self.stack.append(argument if isinstance(argument, str) else 0)

    def _pop(self, count: int) -> list[int | str]:
        if len(self.stack) - count < (self.marks[-1] if self.marks else 0):
            raise DamagedError
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _to_mark(self) -> list[int | str]:
        taken = self._pop(len(self.stack) - self.marks[-1])
        self.marks.pop()
        return taken

    def _tuple(self, items: list[int | str]) -> None:
        depth = 1 + max((item for item in items if isinstance(item, int)), default=0)
        if depth > MAX_TUPLES:
            raise InputError(f"{self.source} nests tuples more than {MAX_TUPLES} deep, which no data set does.")
        self.stack.append(depth)

    def _put(self, index: int, number: int) -> None:
        if not 0 <= index <= number + 1:  # the unpickler's memo is an array as long as the greatest index
            raise InputError(f"{self.source} claims to remember object {index:,} of {number:,}; it is not read.")
        self.memo[index] = self.stack[-1]

    def _global(self, opcode: str, argument: int | str) -> None:
        module, _, name = str(argument).partition(" ") if opcode == "GLOBAL" else ("", "", "")
        if opcode == "STACK_GLOBAL":
            first, second = self._pop(2)
            if not (isinstance(first, str) and isinstance(second, str)):
                raise InputError(_wants(self.source, "a global whose name is no plain text", opcode))
            module, name = first, second
        self.refuse(module, name)
        self.stack.append(0)


def _wants(source: str, what: str, opcode: str) -> str:
    return (
        f"{source} wants to build {what} (opcode {opcode}), which could run code; only NumPy arrays and plain "
        "containers are read from a pickle (--trust-pickle reads all, at your own risk)."
    )


def _next(file: BinaryIO, size: int, source: str) -> tuple[str, int | str]:
    """Name and argument of the next opcode; long arguments are passed over."""
    code = file.read(1)
    if not code:
        raise _cut(source, size)
    if code[0] not in _OPCODES:
        raise DamagedError
    op = _OPCODES[code[0]]
    if op.arg is None:
        return op.name, 0
    if op.arg.n >= 0:
        raw = file.read(op.arg.n)
        if len(raw) < op.arg.n:
            raise _cut(source, size)
        number = int.from_bytes(raw, "little")
        if op.name == "FRAME":
            _fits(file, size, number, source)
        return op.name, number
    if op.arg.n == pickletools.UP_TO_NEWLINE:
        return op.name, _text_argument(op.name, _lines(file, size, source, 2 if op.name in ("GLOBAL", "INST") else 1))
    width, signed = _SIZED[op.arg.n]
    length = int.from_bytes(file.read(width), "little", signed=signed)
    if length < 0:
        raise DamagedError
    _fits(file, size, length, source)
    if length <= _SHORT and "UNICODE" in op.name:
        return op.name, file.read(length).decode("utf-8", "surrogatepass")
    file.seek(length, 1)
    return op.name, 0


def _text_argument(name: str, lines: list[str]) -> int | str:
    if name in ("GET", "PUT"):
        if not lines[0].isdecimal() or len(lines[0]) > 12:
            raise DamagedError
        return int(lines[0])
    if name in ("GLOBAL", "INST"):
        return " ".join(lines)
    return lines[0] if name == "UNICODE" and len(lines[0]) <= _SHORT else 0


def _lines(file: BinaryIO, size: int, source: str, count: int) -> list[str]:
    lines = []
    for _ in range(count):
        line = file.readline(_LINE)
        if not line.endswith(b"\n"):
            raise _cut(source, size) if file.tell() >= size else DamagedError()
        lines.append(line[:-1].decode("utf-8", "replace"))
    return lines


def _fits(file: BinaryIO, size: int, length: int, source: str) -> None:
    if length > size - file.tell():
        raise _cut(source, size, length)


def _cut(source: str, size: int, length: int = 0) -> InputError:
    claims = f", while its next piece claims {length:,} bytes" if length else ""
    return InputError(f"{source} is cut off: a pickle that ends after {size:,} bytes{claims}; fetch it again.")
