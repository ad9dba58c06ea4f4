"""Checks that every objective, data set or augmentation must pass, for their authors. Works with or without pytest."""

from coral_plugin.testing.augmentations import check_augmentation
from coral_plugin.testing.datasets import check_dataset
from coral_plugin.testing.runner import check_objective, list_checks, objective_checks

__all__ = ["check_augmentation", "check_dataset", "check_objective", "list_checks", "objective_checks"]
