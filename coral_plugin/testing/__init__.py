"""For authors of objectives and data sets: checks that each of them must pass. Needs no pytest, and works with it."""

from coral_plugin.testing.datasets import check_dataset
from coral_plugin.testing.runner import check_objective, list_checks, objective_checks

__all__ = ["check_dataset", "check_objective", "list_checks", "objective_checks"]
