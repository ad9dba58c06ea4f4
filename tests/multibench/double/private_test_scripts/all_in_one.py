"""Some scripts measure from here."""

from eval_scripts.complexity import all_in_one_train  # noqa: F401
from memory_profiler import memory_usage  # noqa: F401
