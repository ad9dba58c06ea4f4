"""The fixtures of the bench and of the runs, which the papers' tables are made of."""

from ..bench.conftest import comparison_of, grid, make_job, metrics
from ..runs.conftest import arrays, tiny

__all__ = ["arrays", "comparison_of", "grid", "make_job", "metrics", "tiny"]
