"""A script of MultiBench run as it is: its arguments, the run's folder as current directory, errors in a line."""

from __future__ import annotations

import contextlib
import os
import random
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from coral_plugin.errors import CoralError, InputError
from coral_plugin.multibench.failures import ScriptError, explain, place
from coral_plugin.multibench.isolation import Scope

# texts in a script that reads its arguments
_READERS = ("argv", "ArgumentParser", "argparse", "click", "docopt", "absl", "fire", "hydra", "get_dataset_args")


def run_script(script: Path, arguments: Sequence[str], scope: Scope, folder: Path) -> None:
    """Run ``script`` as Python would, in ``folder``, with the checkout's modules.

    Args:
        script: Python file, absolute.
        arguments: Arguments of the script, as in ``sys.argv``.
        scope: Open context.
        folder: Current directory of the script: what it writes by relative path lands there.

    Raises:
        ScriptError: the script raised something, or was ended from inside MultiBench.
        CoralError: what this package raised inside it.
        SystemExit: the script ended itself with another status than 0.
    """
    with _as_started(script, arguments, folder):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except (CoralError, BrokenPipeError):  # the reader of what it printed has gone
            raise
        except SystemExit as ended:
            if hidden_error := _ended_inside(ended, script, scope):
                raise ScriptError(hidden_error) from ended
            if ended.code not in (None, 0):
                raise
        except Exception as error:
            raise ScriptError(explain(error, script, scope, folder)) from error


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators: MultiBench draws from all three."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the generator that MultiBench uses
    torch.manual_seed(seed)


def check_arguments(script: Path, arguments: Sequence[str], flags: Sequence[str]) -> None:
    """Refuse arguments for a script that reads none: most often they are mistyped flags of ``coral run``.

    Args:
        script: Python file.
        arguments: Arguments of the script.
        flags: Flags of ``coral run``, for a suggestion.

    Raises:
        InputError: the script reads no arguments, and there are some.
    """
    text = script.read_text(encoding="utf-8", errors="replace")
    if not arguments or any(name in text for name in _READERS):
        return
    import difflib

    close = difflib.get_close_matches(arguments[0].partition("=")[0], flags, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise InputError(f"{script.name} reads no arguments, and {arguments[0]!r} is no flag of coral run.{hint}")


@contextlib.contextmanager
def _as_started(script: Path, arguments: Sequence[str], folder: Path) -> Iterator[None]:
    """Current directory, arguments, import path and environment of a script; restored afterwards."""
    directory, argv, path, environ = Path.cwd(), sys.argv, list(sys.path), dict(os.environ)
    sys.argv = [str(script), *(_from_here(argument, directory) for argument in arguments)]
    sys.path.insert(0, str(script.parent))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(directory)
        sys.argv, sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(environ)


def _from_here(argument: str, directory: Path) -> str:
    """An argument with the full path of a file that it names relative to ``directory``, as ``--flag=PATH`` too."""
    flag, sign, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    return f"{flag}{sign}{directory / value}" if "/" in value and (directory / value).exists() else argument


def _ended_inside(ended: SystemExit, script: Path, scope: Scope) -> str:
    """A line on MultiBench code that ended the script with success (``except: exit()``); empty where none did."""
    file, line = place(ended)
    if ended.code in (None, 0) and file != str(script) and Path(file).is_relative_to(scope.checkout.root):
        name = Path(file).relative_to(scope.checkout.root)
        return f"{script.name} was ended by exit() in {name}, line {line}, which hides an error; see what it printed."
    return ""
