"""Settings of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

ProbeKind = Literal["linear", "knn", "ridge", "reference"]
Solver = Literal["newton", "scikit-learn"]


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """Kind of a probe and its limits.

    Attributes:
        kind: ``linear``: logistic regression, or ridge regression for numbers; ``ridge``: least squares for every
            task; ``knn``: nearest neighbours by cosine; ``reference``: the probe of the published tables.
        neighbours: Number of neighbours for ``knn``; 0 chooses among 1, 5, 10, 20, 50 and 100 on the validation
            samples.
        max_iterations: Greatest number of conjugate-gradient steps in each fit of ``linear``, or of L-BFGS steps of
            scikit-learn. A fit that needs more is named in the setting of the score.
        solver: Who fits the logistic regressions of ``linear``: ``newton``, all penalties with shared work, each until
            it has converged; ``scikit-learn``: one by one, from zero, to check the former.
        matched_width: Also probe the principal components of the representation at the width of the network, where
            representations of different width can be compared; one more probe for each task.

    Example:
        >>> ProbeSettings(kind="knn", neighbours=0)  # their number is chosen on the validation samples
        ProbeSettings(kind='knn', neighbours=0, max_iterations=1000, solver='newton', matched_width=True)
        >>> ProbeSettings(kind="forest")
        Traceback (most recent call last):
        coral_plugin.errors.UnknownNameError: Unknown probe 'forest'. Known: knn, linear, reference, ridge.
    """

    kind: ProbeKind = "linear"
    neighbours: int = 20
    max_iterations: int = 1000
    solver: Solver = "newton"
    matched_width: bool = True

    def __post_init__(self) -> None:
        if self.kind not in get_args(ProbeKind):
            raise suggest(self.kind, list(get_args(ProbeKind)), "probe")
        if self.solver not in get_args(Solver):
            raise suggest(self.solver, list(get_args(Solver)), "solver")
        if not 0 <= self.neighbours <= 1_000_000:
            raise InputError(f"The number of neighbours is 1 or more, or 0 to choose it; got {self.neighbours}.")
        if self.max_iterations < 1:
            raise InputError(f"A probe needs at least one iteration, got {self.max_iterations}.")
