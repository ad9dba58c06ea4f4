"""Objectives: one file per method."""

from coral_plugin.objectives.base import NoSettings, Objective, Step, over_batch, parameter_groups, training_recipe

__all__ = ["NoSettings", "Objective", "Step", "over_batch", "parameter_groups", "training_recipe"]
