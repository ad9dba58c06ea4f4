"""For authors of objectives: checks that every objective must pass. Needs no pytest, and works with it."""

from coral_plugin.testing.runner import check_objective, list_checks, objective_checks

__all__ = ["check_objective", "list_checks", "objective_checks"]
