"""The bridge to a MultiBench checkout: finding it, running its scripts as they are, on today's stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coral_plugin.multibench.compatibility import multibench

if TYPE_CHECKING:
    from coral_plugin.multibench.encoders import MultiBenchEncoder
    from coral_plugin.multibench.objective import coral_objective

__all__ = ["MultiBenchEncoder", "coral_objective", "multibench"]


def __getattr__(name: str) -> Any:
    # both import the networks, which a command that only runs a script need not wait for
    if name == "MultiBenchEncoder":
        from coral_plugin.multibench import encoders

        return encoders.MultiBenchEncoder
    if name == "coral_objective":
        from coral_plugin.multibench import objective

        return objective.coral_objective
    raise AttributeError(f"module 'coral_plugin.multibench' has no attribute {name!r}")
