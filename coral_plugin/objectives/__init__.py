"""Objectives: one file per method."""

from coral_plugin.objectives.base import Objective, Step, over_batch, training_recipe

__all__ = ["Objective", "Step", "over_batch", "training_recipe"]
