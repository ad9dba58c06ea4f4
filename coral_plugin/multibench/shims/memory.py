"""``memory_profiler.memory_usage``, which MultiBench's ``train`` runs the training through.

The original calls what it measures again when it was quick (weights carry over, the checkpoint is overwritten), waits
for ever after ``SystemExit`` or Ctrl-C, and kills all child processes, data loaders included, after an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from coral_plugin import machine
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim, absent

_MEBIBYTE = 1 << 20
_SECONDS = 0.1  # between two looks, memory_profiler's own


def _needed() -> str:
    if absent("memory_profiler"):
        return "memory_profiler is not installed"
    return "memory_profiler repeats short trainings and hangs when one is stopped"


def memory_usage(proc: Any = -1, *_: Any, max_usage: bool = False, retval: bool = False, **__: Any) -> Any:
    """What memory_profiler's function of this name returns, from one call of what is measured.

    Args:
        proc: A function, ``(function, arguments, options)``, or anything else for this process as it is.
        max_usage: Return the greatest value alone.
        retval: Return also what the function returned.

    Returns:
        Resident memory of this process in MiB, looked at every tenth of a second.
    """
    function, args, options = _call(proc)
    seen = [resident()]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(seen, over), daemon=True)
    watcher.start()
    try:
        result = function(*args, **options)
    finally:
        over.set()
        watcher.join()
    seen.append(resident())
    usage = max(seen) if max_usage else seen
    return (usage, result) if retval else usage


def resident() -> float:
    """Resident memory of this process in MiB."""
    return machine.resident() / _MEBIBYTE


def _watch(seen: list[float], over: threading.Event) -> None:
    while not over.wait(_SECONDS):
        seen.append(resident())


def _call(proc: Any) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    function, args, options = (*proc, (), {})[:3] if isinstance(proc, tuple) else (proc, (), {})
    return (function, tuple(args), dict(options)) if callable(function) else (lambda: None, (), {})


def _fill(module: ModuleType) -> None:
    module.memory_usage = memory_usage  # type: ignore[attr-defined]


def _apply(scope: Scope) -> None:
    scope.stand_in("memory_profiler", _fill)
    for name in ("eval_scripts.complexity", "private_test_scripts.all_in_one"):
        # kept from a context in which it was bound to another
        scope.after_import(name, lambda module: scope.patch(module, "memory_usage", memory_usage))


MEMORY = Shim(
    name="memory-profiler",
    purpose="memory_usage runs the training once, and lets it be stopped",
    needed=_needed,
    apply=_apply,
)
