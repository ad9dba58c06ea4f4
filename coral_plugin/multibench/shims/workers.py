"""DataLoader workers where they cannot or should not run."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

from torch.utils.data import DataLoader

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

MOST = 8  # workers that a loader of MultiBench asks for


def _needed() -> str:
    if (method := multiprocessing.get_start_method(allow_none=True) or _default()) != "fork":
        return f"worker processes are started by {method}, without these shims"
    cores = os.cpu_count() or 1
    return f"loaders ask for up to {MOST} worker processes, this machine has {cores} cores" if cores < MOST else ""


def _default() -> str:
    return multiprocessing.get_all_start_methods()[0]  # the first is the platform's default


def _apply(scope: Scope) -> None:
    original = DataLoader.__init__

    def init(self: DataLoader[Any], *args: Any, **options: Any) -> None:
        # MultiBench gives everything but the data set by name
        for name in ("num_workers", "prefetch_factor", "persistent_workers"):
            options.pop(name, None)
        original(self, *args, **options)

    scope.patch(DataLoader, "__init__", init)


WORKERS = Shim(
    name="loader-workers",
    purpose="DataLoaders load in the process itself (num_workers=0)",
    needed=_needed,
    apply=_apply,
)
