"""``memory_profiler.memory_usage``, which MultiBench's ``train`` runs the training through.

The original calls what it measures again when it was quick (weights carry over, the checkpoint is overwritten), waits
for ever after ``SystemExit`` or Ctrl-C, and kills all child processes, data loaders included, after an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from coral_plugin.machine import resident
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim, absent

_SECONDS = 0.1  # between two measurements, as in memory_profiler


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
        Resident memory of this process in MiB, measured every tenth of a second.
    """
    function, args, options = _call(proc)
    usage = [_mebibytes()]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(usage, over), daemon=True)
    watcher.start()
    try:
        result = function(*args, **options)
    finally:
        over.set()
        watcher.join()
    usage.append(_mebibytes())
    answer = max(usage) if max_usage else usage
    return (answer, result) if retval else answer


def _mebibytes() -> float:
    return resident() / (1 << 20)


def _watch(usage: list[float], over: threading.Event) -> None:
    while not over.wait(_SECONDS):
        usage.append(_mebibytes())


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
