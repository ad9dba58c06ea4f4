"""Objectives: one file per method."""

from coral_plugin.objectives.base import Objective, over_batch, parameter_groups

__all__ = ["Objective", "over_batch", "parameter_groups"]
