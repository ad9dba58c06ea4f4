"""The bridge to a MultiBench checkout: finding it, running its scripts as they are, on today's stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coral_plugin.multibench.checkout import Checkout, find_checkout
from coral_plugin.multibench.compatibility import multibench

if TYPE_CHECKING:
    from coral_plugin.multibench.encoders import MultiBenchEncoder
    from coral_plugin.multibench.objective import CoralObjective, coral_objective

__all__ = ["Checkout", "CoralObjective", "MultiBenchEncoder", "coral_objective", "find_checkout", "multibench"]


def __getattr__(name: str) -> Any:
    # these bring the networks with them, which whoever looks for a checkout need not wait for
    if name == "MultiBenchEncoder":
        from coral_plugin.multibench import encoders

        return encoders.MultiBenchEncoder
    if name in __all__:
        from coral_plugin.multibench import objective

        return getattr(objective, name)
    raise AttributeError(f"module 'coral_plugin.multibench' has no attribute {name!r}")
