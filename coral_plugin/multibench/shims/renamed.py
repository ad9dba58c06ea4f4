"""Names that moved or changed: modules of MultiBench, names of NumPy 1, ``yaml.load`` before PyYAML 6."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

import numpy as np
import yaml

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

_MODULES = {
    "training_structures.Simple_Late_Fusion": "training_structures.Supervised_Learning",
    "fusions.robotics.sensor_fusion": "fusions.sensor_fusion",
}


def _apply_modules(scope: Scope) -> None:
    for old, new in _MODULES.items():
        if not (scope.checkout.root / f"{old.replace('.', '/')}.py").exists():
            if old.startswith("fusions.robotics."):
                scope.stand_in("fusions.robotics", lambda _: None)
            scope.alias(old, new)
    if not (scope.checkout.root / "datasets/robotics/data_loader.py").exists():
        scope.stand_in("datasets.robotics.data_loader", _robotics_loader)


def _robotics_loader(module: ModuleType) -> None:
    """``get_data`` as the scripts that import it from here take it apart: without the test loaders of today's."""
    current = importlib.import_module("datasets.robotics.get_data")

    def get_data(*args: Any, **options: Any) -> Any:
        return current.get_data(*args, **options)[:2]

    module.get_data = get_data  # type: ignore[attr-defined]


MODULES = Shim(
    name="moved-modules",
    purpose="Simple_Late_Fusion, fusions.robotics.sensor_fusion and datasets.robotics.data_loader are found",
    needed=lambda: "scripts import them under names that MultiBench gave up",
    apply=_apply_modules,
)


# where MultiBench uses them: datasets.robotics, fannypack
_NUMPY = {"float": float, "string_": np.bytes_}
_NUMERIC = "numpy.core.numeric"


def _numpy_needed() -> str:
    gone = [f"np.{name}" for name in _NUMPY if name not in vars(np)]
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        gone.append(_NUMERIC)
    return f"NumPy {np.__version__} has no {', '.join(gone)}" if gone else ""


def _apply_numpy(scope: Scope) -> None:
    for name, value in _NUMPY.items():
        if name not in vars(np):
            scope.patch(np, name, value)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        scope.stand_in(_NUMERIC, _numeric)


def _numeric(module: ModuleType) -> None:
    """The functions that ``numpy.core.numeric`` had, without the warning that it moved."""
    moved = sys.modules["numpy._core.numeric"]
    vars(module).update({name: value for name, value in vars(moved).items() if not name.startswith("_")})


NUMPY = Shim(
    name="numpy-names",
    purpose="np.float and np.string_, and numpy.core.numeric without its warning",
    needed=_numpy_needed,
    apply=_apply_numpy,
)


def _yaml_needed() -> str:
    loader = inspect.signature(yaml.load).parameters["Loader"]
    return f"yaml.load of PyYAML {yaml.__version__} wants a loader" if loader.default is loader.empty else ""


def _apply_yaml(scope: Scope) -> None:
    original = yaml.load

    def load(stream: Any, Loader: Any = yaml.SafeLoader) -> Any:  # noqa: N803 - PyYAML's own name
        return original(stream, Loader=Loader)

    scope.patch(yaml, "load", load)


YAML = Shim(
    name="yaml-load",
    purpose="yaml.load without a loader reads plain values (SafeLoader)",
    needed=_yaml_needed,
    apply=_apply_yaml,
)
