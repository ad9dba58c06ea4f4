"""Data files of MultiBench are pickles: they are read here without running any code."""

from __future__ import annotations

import os
from types import ModuleType, SimpleNamespace
from typing import Any

from coral_plugin.io.pickles import read_pickle
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

_READERS = ("datasets.affect.get_data", "datasets.mimic.get_data")


def _load(file: Any, *_: Any, **__: Any) -> Any:
    return read_pickle(os.fspath(file.name))


def _apply(scope: Scope) -> None:
    def hook(module: ModuleType) -> None:
        scope.patch(module, "pickle", SimpleNamespace(load=_load))

    for name in _READERS:
        scope.after_import(name, hook)


PICKLES = Shim(
    name="safe-pickles",
    purpose="pickles of affect and MIMIC give arrays and containers, and are refused where they want to run code",
    needed=lambda: "pickle.load runs whatever a data file says (--trust-pickle leaves it so)",
    apply=_apply,
)
