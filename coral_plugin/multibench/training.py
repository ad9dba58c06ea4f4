"""MultiBench's trainings under ``coral run``: epochs for all of them, and the one that an objective may replace."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from coral_plugin.errors import InputError
from coral_plugin.multibench.isolation import Scope, bound

INTERCEPTED = "training_structures.Supervised_Learning"
# module -> arguments that count epochs; the first is their number, the others are cut to it
EPOCHS: dict[str, tuple[str, ...]] = {
    INTERCEPTED: ("total_epochs",),
    "training_structures.unimodal": ("total_epochs",),
    "training_structures.gradient_blend": ("num_epoch", "gb_epoch", "finetune_epoch"),
    "training_structures.architecture_search": ("epochs", "epoch_surrogate"),
    "training_structures.MCTN_Level2": ("epoch",),
}


def set_epochs(scope: Scope, epochs: int) -> None:
    """Let every training structure train for ``epochs`` epochs, overriding the script."""
    for name, counts in EPOCHS.items():
        scope.after_import(name, functools.partial(_shorten, scope, counts, epochs))


def check_training(script: Path, objective: str) -> None:
    """Refuse a script that imports ``train`` only from structures that no objective can replace.

    This comes before its data are read; :func:`refuse_others` refuses other imports when they are called.

    Raises:
        InputError: it does.
    """
    try:
        tree = ast.parse(script.read_bytes())
    except (SyntaxError, ValueError):  # running it shows the error
        return
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    structures = {node.module for node in imports if any(alias.name == "train" for alias in node.names)}
    others = structures & set(EPOCHS) - {INTERCEPTED}
    if structures and structures == others:
        raise InputError(_refusal(script.name, min(map(str, others)), objective))


def refuse_others(scope: Scope, script: str, objective: str) -> None:
    """Let the trainings that no objective can replace raise :class:`InputError`, where a script calls them."""
    for name in EPOCHS:
        if name != INTERCEPTED:
            scope.after_import(name, functools.partial(_refuse, scope, name, script, objective))


def _shorten(scope: Scope, counts: tuple[str, ...], epochs: int, module: ModuleType) -> None:
    train: Callable[..., Any] = module.train

    @functools.wraps(train)
    def shortened(*args: Any, **options: Any) -> Any:
        call = bound(train, args, options)
        for i, name in enumerate(counts):
            if name in call.arguments:
                call.arguments[name] = epochs if i == 0 else min(call.arguments[name], epochs)
        return train(*call.args, **call.kwargs)

    scope.patch(module, "train", shortened)


def _refuse(scope: Scope, name: str, script: str, objective: str, module: ModuleType) -> None:
    def train(*_: Any, **__: Any) -> None:
        raise InputError(_refusal(script, name, objective))

    scope.patch(module, "train", train)


def _refusal(script: str, name: str, objective: str) -> str:
    return (
        f"{script} trains with {name}.train; --objective {objective} takes the place of {INTERCEPTED}.train only. Give "
        "--objective supervised to leave it as it is."
    )
