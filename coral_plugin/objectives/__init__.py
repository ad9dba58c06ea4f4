"""Objectives: one file per method."""

from coral_plugin.objectives.base import Objective, parameter_groups

__all__ = ["Objective", "parameter_groups"]
