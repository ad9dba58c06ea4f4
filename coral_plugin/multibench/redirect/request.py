"""What MultiBench's loaders read in place of the paths that a script holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_plugin.errors import InputError, short
from coral_plugin.multibench.isolation import Scope

Loader = Callable[..., Any]
# changes the arguments of a loader's call, by name; returns the function in its place, None for MultiBench's own
ArgumentChange = Callable[[dict[str, Any]], Loader | None]


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """What a script reads instead of its own paths.

    Attributes:
        script: File of the script.
        data: Absolute path that the user gave with ``--data``; None leaves the script its own paths.
        limit: Greatest number of samples per loader; None takes all.
        fit_widths: Whether features are fitted to the widths that the script is written for.
        scope: Scope of the context in which the script runs.
    """

    script: Path
    data: Path | None
    limit: int | None
    fit_widths: bool
    scope: Scope

    def file(self, argument: str, script_path: str, what: str, *names: str) -> str:
        """The file in place of ``script_path``: the user's, or in the user's folder the one of that name.

        Args:
            argument: Argument of the loader, for the message.
            script_path: Path in the script.
            what: Description of the file, for the message.
            names: Other names under which the file may lie in a folder.

        Raises:
            InputError: no such file exists.
        """
        if self.data is None:
            return self._script_path(argument, script_path, what)
        if not self.data.is_dir():
            return str(self.existing(self.data, what))
        tried = dict.fromkeys((Path(script_path).name, *names))
        for name in tried:
            if (self.data / name).is_file():
                return str(self.data / name)
        raise InputError(f"--data {self.data} holds no {' or '.join(tried)}, which {self.script.name} reads: {what}.")

    def folder(self, argument: str, script_path: str, what: str, *holds: str) -> str:
        """The folder in place of ``script_path``, with all of ``holds`` in it.

        Raises:
            InputError: no such folder exists, or it lacks one of them.
        """
        if self.data is None:
            return self._script_path(argument, script_path, what)
        place = self.existing(self.data, what)
        if missing := [name for name in holds if not (place / name).exists()]:
            raise InputError(f"--data {place} lacks {missing[0]}, which {self.script.name} reads: {what}.")
        return str(place)

    def existing(self, path: Path, what: str) -> Path:
        """``path`` of ``--data``.

        Raises:
            InputError: it is not there.
        """
        if not os.path.exists(path):  # noqa: PTH110 - False, not an error, for a name that is too long
            raise InputError(f"--data {path} is not there; {self.script.name} reads {what}.")
        return path

    def _script_path(self, argument: str, script_path: str, what: str) -> str:
        """The script's own path, as it is or in the checkout."""
        for path in (Path(script_path), self.scope.checkout.root / script_path):
            if path.exists():
                return str(path)
        raise InputError(
            f"{self.script.name} reads {argument}={short(script_path)}, which is not there. Give yours with --data "
            f"PATH: {what}."
        )
