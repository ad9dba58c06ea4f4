"""Modules that scripts import under names that this MultiBench does not have any more."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

_MOVED = {
    "training_structures.Simple_Late_Fusion": "training_structures.Supervised_Learning",
    "fusions.robotics.sensor_fusion": "fusions.sensor_fusion",
}


def _apply(scope: Scope) -> None:
    for old, new in _MOVED.items():
        if not (scope.checkout.root / f"{old.replace('.', '/')}.py").exists():
            if old.startswith("fusions.robotics."):
                scope.stand_in("fusions.robotics", lambda _: None)
            scope.alias(old, new)
    if not (scope.checkout.root / "datasets/robotics/data_loader.py").exists():
        scope.stand_in("datasets.robotics.data_loader", _loader)


def _loader(module: ModuleType) -> None:
    """``get_data`` as the scripts that import it from here take it apart: without the test loaders of today's."""
    current = importlib.import_module("datasets.robotics.get_data")

    def get_data(*args: Any, **options: Any) -> Any:
        return current.get_data(*args, **options)[:2]

    module.get_data = get_data  # type: ignore[attr-defined]


ALIASES = Shim(
    name="moved-modules",
    purpose="Simple_Late_Fusion, fusions.robotics.sensor_fusion and datasets.robotics.data_loader are found",
    needed=lambda: "scripts import them under names that MultiBench gave up",
    apply=_apply,
)
