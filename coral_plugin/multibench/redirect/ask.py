"""What a script asks a loader of MultiBench for, and what it gets instead."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_plugin.errors import InputError, short
from coral_plugin.multibench.isolation import Scope

Loader = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A script that reads data.

    Attributes:
        script: Its file.
        data: What the user gave with ``--data``, absolute; None leaves the script its own paths.
        limit: Samples of each loader at most; None takes all.
        fit_widths: Fit features to the widths that the script is written for.
        scope: Of the context in which it runs.
    """

    script: Path
    data: Path | None
    limit: int | None
    fit_widths: bool
    scope: Scope

    def file(self, argument: str, asked: str, what: str, *names: str) -> str:
        """The file in place of ``asked``: the user's, or in the user's folder the one of that name.

        Args:
            argument: Of the loader, for the message.
            asked: Path in the script.
            what: What it must be, for the message.
            names: Under which it may lie in a folder, beside its own.

        Raises:
            InputError: there is none.
        """
        if self.data is None:
            return self._own(argument, asked, what)
        if not self.data.is_dir():
            return str(self.existing(self.data, what))
        tried = dict.fromkeys((Path(asked).name, *names))
        for name in tried:
            if (self.data / name).is_file():
                return str(self.data / name)
        raise InputError(f"--data {self.data} holds no {' or '.join(tried)}, which {self.script.name} reads: {what}.")

    def folder(self, argument: str, asked: str, what: str, *holds: str) -> str:
        """The folder in place of ``asked``, with all of ``holds`` in it.

        Raises:
            InputError: there is none, or it lacks one of them.
        """
        if self.data is None:
            return self._own(argument, asked, what)
        place = self.existing(self.data, what)
        if lacking := [name for name in holds if not (place / name).exists()]:
            raise InputError(f"--data {place} lacks {lacking[0]}, which {self.script.name} reads: {what}.")
        return str(place)

    def existing(self, path: Path, what: str) -> Path:
        """``path`` of ``--data``.

        Raises:
            InputError: it is not there.
        """
        if not os.path.exists(path):  # noqa: PTH110 - False, not an error, for a name that is too long
            raise InputError(f"--data {path} is not there; {self.script.name} reads {what}.")
        return path

    def _own(self, argument: str, asked: str, what: str) -> str:
        """The script's own path, as it is or in the checkout."""
        for path in (Path(asked), self.scope.checkout.root / asked):
            if path.exists():
                return str(path)
        raise InputError(
            f"{self.script.name} reads {argument}={short(asked)}, which is not there. Give yours with --data PATH: "
            f"{what}."
        )
