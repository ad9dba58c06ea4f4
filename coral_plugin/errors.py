"""The exceptions that users see: one line that says what, where, and what to do."""

from __future__ import annotations


class CoralError(Exception):
    """Base of everything this package raises on purpose; its text is one clear line."""


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


class DivergedError(CoralError, ArithmeticError):
    """A loss or gradient stopped being finite during training. Exit status 1."""
