"""Names that NumPy 2 removed or moved."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

# where MultiBench uses them: datasets.robotics, fannypack
_ALIASES = {"float": float, "string_": np.bytes_}
_MOVED = "numpy.core.numeric"


def _needed() -> str:
    gone = [f"np.{name}" for name in _ALIASES if name not in vars(np)]
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        gone.append(_MOVED)
    return f"NumPy {np.__version__} has no {', '.join(gone)}" if gone else ""


def _apply(scope: Scope) -> None:
    for name, value in _ALIASES.items():
        if name not in vars(np):
            scope.patch(np, name, value)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        scope.stand_in(_MOVED, _numeric)


def _numeric(module: ModuleType) -> None:
    """The functions that ``numpy.core.numeric`` had, without the warning that it moved."""
    moved = sys.modules["numpy._core.numeric"]
    vars(module).update({name: value for name, value in vars(moved).items() if not name.startswith("_")})


NUMPY = Shim(
    name="numpy-names",
    purpose="np.float and np.string_, and numpy.core.numeric without its warning",
    needed=_needed,
    apply=_apply,
)
