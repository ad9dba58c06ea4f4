"""The bridge to a MultiBench checkout: finding it, running its scripts as they are, on today's stack."""

from coral_plugin.multibench.checkout import Checkout, find_checkout
from coral_plugin.multibench.compatibility import multibench
from coral_plugin.multibench.objective import coral_objective

__all__ = ["Checkout", "coral_objective", "find_checkout", "multibench"]
