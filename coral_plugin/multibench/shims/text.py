"""torchtext, whose last release loads with no current PyTorch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from coral_plugin.errors import one_line
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.absent import Missing
from coral_plugin.multibench.shims.base import Shim, absent


def _needed() -> str:
    if absent("torchtext"):
        return "torchtext is not installed"
    return broken("torchtext")


def broken(name: str) -> str:
    """Why the installed library ``name`` does not import; empty if it does. What it leaves behind is cleared away."""
    if name in sys.modules:
        return ""
    try:
        importlib.import_module(name)
    except Exception as error:  # OSError from shared libraries, RuntimeError from operators, ...
        for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[module]
        return f"{name} does not import: {one_line(error, 120, with_type=True)}"
    return ""


def _text(module: ModuleType) -> None:
    module.vocab = importlib.import_module("torchtext.vocab")  # type: ignore[attr-defined]


def _vocab(module: ModuleType) -> None:
    why = "the noisy texts of affect's robust_test=True need GloVe vectors, which torchtext fetched and is dead"
    module.GloVe = Missing("torchtext.vocab.GloVe", why)  # type: ignore[attr-defined]


def _apply(scope: Scope) -> None:
    scope.stand_in("torchtext", _text)
    scope.stand_in("torchtext.vocab", _vocab)


TEXT = Shim(
    name="torchtext",
    purpose="datasets.affect imports; GloVe vectors, for robust_test=True only, say that they are missing",
    needed=_needed,
    apply=_apply,
)
