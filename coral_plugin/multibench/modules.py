"""Which modules of a checkout import on this machine, and why the others do not."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path

from coral_plugin.errors import MachineError, one_line
from coral_plugin.multibench.checkout import Checkout, find_checkout
from coral_plugin.multibench.compatibility import multibench

_PACKAGES = (
    *("training_structures", "unimodals", "fusions", "objective_functions", "eval_scripts", "robustness", "utils"),
    "datasets",
)
_SECONDS = 120
NOT_TRIED = "not tried: it works on files as soon as it is imported"
# statements that do something; a call of these names does not
_HARMLESS = {"append", "insert", "seterr", "print", "set_cache_path"}


def module_names(checkout: Checkout) -> list[str]:
    """Modules of the checkout that scripts may import, without ``__init__`` and ``setup``."""
    paths = [path for package in _PACKAGES for path in sorted((checkout.root / package).rglob("*.py"))]
    parts = [path.relative_to(checkout.root).with_suffix("").parts for path in paths]
    # what lies below datasets.RTFM.rtfm is the source of another project
    return [".".join(part) for part in parts if part[-1] not in ("__init__", "setup") and "rtfm" not in part]


def import_all(checkout: Checkout) -> dict[str, str]:
    """``{module: reason}`` why a module does not import in this process; empty where it does.

    What modules print is dropped, and those that work on files when they are imported are not touched.
    """
    reasons: dict[str, str] = {}
    with multibench(checkout, say=lambda _: None), contextlib.redirect_stdout(io.StringIO()):
        for name in module_names(checkout):
            if _acts(checkout.root / f"{name.replace('.', '/')}.py"):
                reasons[name] = NOT_TRIED
                continue
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
                reasons[name] = one_line(error, 150, with_type=True)
            else:
                reasons[name] = ""
    return reasons


def survey(checkout: Checkout) -> dict[str, str]:
    """:func:`import_all` in a fresh process, where nothing imported before hides a fault.

    Raises:
        MachineError: the process failed or took too long.
    """
    command = [sys.executable, "-W", "ignore", "-m", "coral_plugin.multibench.modules", str(checkout.root)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"MultiBench's modules could not be tried: {one_line(error)}.") from error
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MachineError(f"MultiBench's modules could not be tried: {last}.")
    reasons: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return reasons


def _acts(path: Path) -> bool:
    """Whether a module does more than define names when it is imported."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # importing it shows the error
    return any(isinstance(node, ast.For | ast.While | ast.With) or _calls(node) for node in tree.body)


def _calls(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    function = node.value.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name not in _HARMLESS


if __name__ == "__main__":
    sys.stdout.write(json.dumps(import_all(find_checkout(sys.argv[1]))) + "\n")
