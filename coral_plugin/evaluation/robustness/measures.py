"""How scores fall under noise: levels, curves, and MultiBench's two figures of a curve.

Curves run over levels that begin with 0, the clean test samples. MultiBench measures *relative* robustness as the area
under the curve and *effective* robustness as the sum of differences to the curve of a reference (its late fusion),
shifted to the same clean score; it then scales both to [0, 1] among all methods that it has a curve of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import trapezoid

from coral_plugin.data import Task
from coral_plugin.errors import InputError, short

LEVELS = tuple(round(0.1 * i, 1) for i in range(11))
_MOST_LEVELS = 101


@dataclass(frozen=True, kw_only=True)
class PublishedCurves:
    """MultiBench's curves of one task and condition, at levels that are a tenth apart.

    Attributes:
        key: MultiBench's name of task and condition.
        metric: Metric of the curves, by our name.
        late_fusion: The curve that effective robustness refers to.
        methods: ``{method: curve}`` of all methods that the two figures are scaled among.
    """

    key: str
    metric: str
    late_fusion: tuple[float, ...]
    methods: Mapping[str, tuple[float, ...]]


References = Callable[[str, Task, str], PublishedCurves | None]
"""Function of a data set, a task and a condition that returns published curves, or None where there are none."""


def parse_levels(text: str) -> tuple[float, ...]:
    """``"0,0.25,1"`` to levels; ``...`` goes on with the last step up to what follows.

    >>> parse_levels("0,0.25,...,1"), parse_levels("0, 1")
    ((0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 1.0))

    Raises:
        InputError: not numbers from 0 to 1 that rise from 0, or too many of them.
    """
    parts = [part.strip() for part in text.split(",")]
    levels: list[float] = []
    for i, part in enumerate(parts):
        if part != "...":
            levels.append(_level(part, text))
        elif len(levels) < 2 or levels[-1] <= levels[-2] or i != len(parts) - 2:
            raise InputError(
                f"--levels {short(text)}: '...' stands between two levels and the last one, as in 0,0.1,...,1."
            )
        else:
            levels.extend(_between(levels[-2], levels[-1], _level(parts[-1], text)))
    if levels[0] != 0 or len(levels) < 2 or any(b <= a for a, b in pairwise(levels)):
        raise InputError(f"--levels {short(text)}: levels rise from 0, which is clean, as in 0,0.5,1.")
    if len(levels) > _MOST_LEVELS:
        raise InputError(f"--levels: {len(levels)} levels are too many; give at most {_MOST_LEVELS}.")
    return tuple(levels)


def _level(part: str, text: str) -> float:
    try:
        level = float(part)
    except ValueError:
        level = math.nan
    if not 0 <= level <= 1:
        raise InputError(f"--levels {short(text)}: a level is a number from 0 to 1, and {short(part)} is none.")
    return level


def _between(before: float, last: float, end: float) -> list[float]:
    count = round((end - last) / (last - before))
    if not 1 <= count <= _MOST_LEVELS or not math.isclose(last + count * (last - before), end, abs_tol=1e-6):
        raise InputError(f"--levels: steps of {last - before:g} do not lead from {last:g} to {end:g}.")
    # as decimals: 0.1 + 0.2 is not 0.3
    return [round(last + i * (last - before), 9) for i in range(1, count)]


def relative_robustness(curve: Sequence[float], levels: Sequence[float] = LEVELS) -> float:
    """Area under the curve over the levels, by trapezia.

    MultiBench takes steps of 0.1 whatever the levels were; for tenths the two are the same.

    >>> relative_robustness([1.0, 0.5, 0.0], [0.0, 0.1, 0.2])
    0.1
    """
    _same_length(curve, levels)
    return float(trapezoid(np.asarray(curve, np.float64), np.asarray(levels, np.float64)))


def effective_robustness(curve: Sequence[float], reference: Sequence[float], *, higher_is_better: bool = True) -> float:
    """Sum over the levels of ``(curve - curve[0]) - (reference - reference[0])``.

    A positive value means that the curve loses less under noise than the reference. The sign is turned for errors, so
    that it means the same there; MultiBench does not turn it.

    >>> round(effective_robustness([0.9, 0.8, 0.7], [0.6, 0.4, 0.2]), 6)
    0.3
    """
    _same_length(curve, reference)
    mine, other = np.asarray(curve, np.float64), np.asarray(reference, np.float64)
    total = float(np.sum((mine - mine[0]) - (other - other[0])))
    return total if higher_is_better else -total


def scaled_among(mine: float, others: Mapping[str, float], *, higher_is_better: bool = True) -> float | None:
    """``(mine - least) / (greatest - least)`` among all values: 1 for the best of them, 0 for the worst.

    None where all are equal, a case in which MultiBench divides by zero. ``higher_is_better=False`` is for errors whose
    sign is not turned yet; MultiBench turns those of its finance tasks only.

    >>> scaled_among(0.5, {"a": 0.0, "b": 2.0})
    0.25
    """
    sign = 1 if higher_is_better else -1
    values = [sign * mine, *(sign * value for value in others.values())]
    low, high = min(values), max(values)
    return (sign * mine - low) / (high - low) if high > low else None


def against_published(
    curve: Sequence[float], levels: Sequence[float], published: PublishedCurves, *, higher_is_better: bool = True
) -> dict[str, float] | None:
    """MultiBench's relative and effective robustness among its published methods, both from 0 (worst) to 1 (best).

    None where ``levels`` lack some of the tenths of its curves. A figure is left out where all methods are equal.
    """
    count = len(published.late_fusion)
    places = {round(level * 10, 6): i for i, level in enumerate(levels)}
    if any(tenth not in places for tenth in range(count)):
        return None
    mine = [curve[places[tenth]] for tenth in range(count)]
    steps = LEVELS[:count]
    areas = {name: relative_robustness(other, steps) for name, other in published.methods.items()}
    excess = {
        name: effective_robustness(other, published.late_fusion, higher_is_better=higher_is_better)
        for name, other in published.methods.items()
    }
    excess_of_mine = effective_robustness(mine, published.late_fusion, higher_is_better=higher_is_better)
    figures = {
        "relative": scaled_among(relative_robustness(mine, steps), areas, higher_is_better=higher_is_better),
        "effective": scaled_among(excess_of_mine, excess),
    }
    return {name: value for name, value in figures.items() if value is not None}


def _same_length(curve: Sequence[float], other: Sequence[float]) -> None:
    if len(curve) != len(other) or len(curve) < 2:
        raise InputError(f"Two curves need the same two or more levels, got {len(curve)} and {len(other)}.")
