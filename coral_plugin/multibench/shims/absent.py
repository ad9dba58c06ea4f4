"""Libraries that scripts import and hardly use: their names alone, where they are not installed."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

from coral_plugin.errors import PluginError
from coral_plugin.multibench.imports import Fill
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim, absent

# library -> what of MultiBench needs it in earnest
_NAMES = {
    "pmdarima": "the ARIMA baseline of examples/finance/stocks_baselines.py",
    "requests": "the download of stock prices from Yahoo (give --data a folder of SYMBOL.csv instead)",
}


def _nothing(name: str, use: str) -> Fill:
    def fill(module: ModuleType) -> None:
        def missing(attribute: str) -> NoReturn:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            raise PluginError(f"{name} is not installed, and {use} needs it: pip install {name}.")

        module.__getattr__ = missing  # type: ignore[method-assign]

    return fill


def _shim(name: str, use: str) -> Shim:
    def apply(scope: Scope) -> None:
        scope.stand_in(name, _nothing(name, use))

    return Shim(
        name=name,
        purpose=f"an empty module; {use} says what to install",
        needed=lambda: f"{name} is not installed" if absent(name) else "",
        apply=apply,
    )


ABSENT: tuple[Shim, ...] = tuple(_shim(name, use) for name, use in _NAMES.items())


class Missing:
    """Stands for a class of a library that is not installed; making one says what is missing.

    Args:
        what: Full name of the class.
        why: Place where MultiBench needs it, and advice.
    """

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            PluginError: always.
        """
        raise PluginError(f"{self.what} is not available: {self.why}.")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise PluginError(f"{self.what}.{name} is not available: {self.why}.")
