"""The failure of a script, in one line."""

from __future__ import annotations

import traceback
from pathlib import Path

from coral_plugin.errors import CoralError, one_line
from coral_plugin.multibench.isolation import Scope


class ScriptError(CoralError, RuntimeError):
    """A script of MultiBench failed; the text names script, line and error. Exit status 1."""


def explain(error: Exception, script: Path, scope: Scope, folder: Path) -> str:
    """Script, line, error, the place where it was raised, and advice where there is any.

    Args:
        error: Exception that the script raised.
        script: File of the script.
        scope: Context in which it ran.
        folder: Folder in which it ran.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(script)]
    location = f"{script.name}, line {lines[-1]}" if lines else script.name
    root = scope.checkout.root
    inside = [frame for frame in frames if frame.filename != str(script) and Path(frame.filename).is_relative_to(root)]
    raised = f" (in {Path(inside[-1].filename).relative_to(root)}, line {inside[-1].lineno})" if inside else ""
    hint = _hint(error, scope, folder)
    return f"{location}: {one_line(error, 1000, with_type=True)}{raised}.{f' {hint}' if hint else ''}"


def place(error: BaseException) -> tuple[str, int]:
    """File and line in which ``error`` was raised, without Python's ``exit``."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "_sitebuiltins" not in frame.filename]
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)


def _hint(error: Exception, scope: Scope, folder: Path) -> str:
    if isinstance(error, FileNotFoundError) and str(error.filename or "").endswith(".pt"):
        return _nothing_saved(str(error.filename), folder)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] in scope.checkout.packages:
            return f"This MultiBench has no module {error.name}: the script was written for another one."
        return f"pip install {error.name.partition('.')[0]}, if it is a library."
    if isinstance(error, RuntimeError) and "shapes cannot be multiplied" in str(error):
        return "The features have another width than the script is written for."
    return ""


def _nothing_saved(name: str, folder: Path) -> str:
    if not Path(name).is_absolute() and Path(name).name != name:
        return f"No training of the script writes it; {name} is looked for in {folder} and in the checkout."
    saved = sorted(path.name for path in folder.glob("*.pt"))
    if saved:
        return f"The training saved {', '.join(saved)}; the script loads another name."
    return (
        f"Nothing was saved as {name}: MultiBench saves a model when accuracy or macro-F1 on valid rises above 0, or "
        "its loss falls below 10000, and neither came about (train longer, or on more samples)."
    )
