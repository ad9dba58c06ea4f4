"""What users read: exceptions of one line that say what, where, and what to do, and lines on standard error."""

from __future__ import annotations

import reprlib
import sys


class CoralError(Exception):
    """Base of all exceptions that this package raises on purpose; the text is one clear line."""


class InputError(CoralError, ValueError):
    """The user's input is wrong (path, name, shape, value). Exit status 2."""


class UnknownNameError(InputError, KeyError):
    """A name that no plugin registers; the text lists the known ones and the closest match."""

    def __str__(self) -> str:
        # KeyError would print the repr of the text
        return str(self.args[0])


class MachineError(CoralError, RuntimeError):
    """The machine failed (full disk, no rights, device lost). Exit status 1."""


class PluginError(InputError, ImportError):
    """A registered plugin, or an optional library, cannot be imported."""


class DefectError(CoralError, RuntimeError):
    """A plugin raised what it should have answered itself; the text names the plugin. Exit status 1."""


class DivergedError(CoralError, ArithmeticError):
    """A loss or gradient stopped being finite during training. Exit status 1."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 100
        self.maxlong = 60
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out the digits of a very large number
        return f"a number of {x.bit_length()} bits" if x.bit_length() > 1000 else super().repr_int(x, level)


def one_line(error: BaseException, most: int = 200, *, with_type: bool = False) -> str:
    """The text of an exception as part of a sentence: one line, without its full stop; its type where it has no text.

    Args:
        error: Exception of any library.
        most: Number of characters of the text at most; a text of this package, which ends with the remedy, is whole.
        with_type: Whether the type stands in front of the text, unless it is one of this package.

    >>> one_line(ValueError("no such   column.")), one_line(KeyError()), one_line(KeyError(1), with_type=True)
    ('no such column', 'KeyError', 'KeyError: 1')
    """
    text, name = " ".join(str(error).split()), type(error).__name__
    text = (text if isinstance(error, CoralError) else text[:most]).rstrip(".")
    if with_type and text and not isinstance(error, CoralError):
        return f"{name}: {text}"
    return text or name


def short(value: object) -> str:
    """``repr`` of a value from outside, for a message: bounded in length and time for any value.

    >>> short("x" * 200)[:6], len(short("x" * 200)), short(10**5000)
    ("'xxxxx", 100, 'a number of 16610 bits')
    """
    return _Short().repr(value).replace("\n", " ")  # arrays and frames have lines


def counted(number: int, noun: str) -> str:
    """A number with its noun, for a message.

    >>> counted(1, "step"), counted(2337, "step")
    ('1 step', '2,337 steps')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say(line: str, *, label: str = "", quiet: bool = False) -> None:
    """Write a line to standard error.

    Args:
        line: Text of one line.
        label: Text in front of it, where several trainings share standard error.
        quiet: Whether nothing is written after all.
    """
    if not quiet:
        sys.stderr.write(f"{label} {line}\n".lstrip())
