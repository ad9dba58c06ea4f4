"""The bridge to a MultiBench checkout: finding it, running its scripts as they are, on today's stack."""

from coral_plugin.multibench.objective import coral_objective

__all__ = ["coral_objective"]
