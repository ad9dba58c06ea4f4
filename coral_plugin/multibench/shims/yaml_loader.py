"""``yaml.load(file)`` as it was before PyYAML 6."""

from __future__ import annotations

import inspect
from typing import Any

import yaml

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim


def _needed() -> str:
    loader = inspect.signature(yaml.load).parameters["Loader"]
    return f"yaml.load of PyYAML {yaml.__version__} wants a loader" if loader.default is loader.empty else ""


def _apply(scope: Scope) -> None:
    original = yaml.load

    def load(stream: Any, Loader: Any = yaml.SafeLoader) -> Any:  # noqa: N803 - PyYAML's own name
        return original(stream, Loader=Loader)

    scope.patch(yaml, "load", load)


YAML = Shim(
    name="yaml-load",
    purpose="yaml.load without a loader reads plain values (SafeLoader)",
    needed=_needed,
    apply=_apply,
)
