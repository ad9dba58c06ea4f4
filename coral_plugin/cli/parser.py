"""Argparse with this package's manners: a wrong flag is one line and status 2."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from coral_plugin.errors import InputError


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
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 41,42") from error
