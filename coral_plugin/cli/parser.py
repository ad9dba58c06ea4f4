"""Argparse with this package's manners: a wrong flag is one line and status 2."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from coral_plugin.errors import InputError, short


class CommandParser(argparse.ArgumentParser):
    """Raises :class:`InputError` where argparse would print its usage and exit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message} ({self.prog} --help).")


def whole_numbers(text: str) -> tuple[int, ...]:
    """``"41,42"`` to ``(41, 42)``.

    Raises:
        argparse.ArgumentTypeError: the text is no such list.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{short(text)} is no list of whole numbers such as 41,42") from error


def seeds(text: str) -> tuple[int, ...]:
    """``"41,42"`` to ``(41, 42)``, as :class:`coral_plugin.runs.settings.RunSettings` takes them.

    Raises:
        argparse.ArgumentTypeError: no whole numbers, one twice, or one out of range.
    """
    found = whole_numbers(text)
    if len(set(found)) < len(found) or min(found) < 0 or max(found) >= 2**32:
        raise argparse.ArgumentTypeError(f"{short(text)} are not different numbers from 0 on, below {2**32}")
    return found


def positive(text: str) -> int:
    """A whole number from 1 to a million.

    Raises:
        argparse.ArgumentTypeError: it is not.
    """
    (number,) = whole_numbers(text)[:1]
    if not 1 <= number <= 1_000_000 or "," in text:
        raise argparse.ArgumentTypeError(f"{short(text)} is no whole number from 1 to 1000000")
    return number
