"""Ranks in a comparison: the level of the raw features, the best and the second method, tests against the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from coral_plugin.bench.comparison import ComparedRow, Measure, Score

_ROUNDING = 1e-12  # relative: two ways of adding the values up may differ by so much
CORRECTION = (
    "paired t-test over the seeds against the best method, two-sided, Holm-corrected over the methods of a score"
)


def ranked(rows: Sequence[ComparedRow], measures: Sequence[Measure]) -> tuple[ComparedRow, ...]:
    """The rows with ranks by the mean, and with tests against the best.

    A method below the raw features (:func:`raw_line`) has no rank, and where all methods are below, none is tested. Nor
    has one with fewer seeds than another (:func:`complete`): what failed may be what would have been worse.
    """
    scores: list[dict[Measure, Score]] = [dict(row.scores) for row in rows]
    for measure in measures:
        methods = [i for i, row in enumerate(rows) if row.kind == "method" and measure in scores[i]]
        full = complete(rows, measure)
        means = {i: fmean(scores[i][measure].values.values()) for i in methods if rows[i] in full}
        line = raw_line(rows, measure)
        passing = {i: mean for i, mean in means.items() if line is None or not _below(mean, line, measure)}
        places = _places(passing, measure)
        best = min((i for i, place in places.items() if place == 1), default=None)  # of equals the first row
        p_values: dict[int, float] = {}
        if best is not None:
            against = scores[best][measure].values
            tested = {i: p_value(scores[i][measure].values, against) for i in methods if i != best}
            p_values = holm({i: p for i, p in tested.items() if p is not None})
        for i in methods:
            rank = place if (place := places.get(i)) in (1, 2) else None
            scores[i][measure] = replace(scores[i][measure], rank=rank, p_value=p_values.get(i))
    return tuple(replace(row, scores=ranked_scores) for row, ranked_scores in zip(rows, scores, strict=True))


def complete(rows: Sequence[ComparedRow], measure: Measure) -> list[ComparedRow]:
    """The methods with this score for as many seeds as any of them has."""
    methods = [row for row in rows if row.kind == "method" and measure in row.scores]
    most = max((len(row.scores[measure].values) for row in methods), default=0)
    return [row for row in methods if len(row.scores[measure].values) == most]


def raw_line(rows: Sequence[ComparedRow], measure: Measure) -> float | None:
    """The best mean among the rows of raw features; None where no such row has this score."""
    means = [
        fmean(row.scores[measure].values.values())
        for row in rows
        if row.kind == "raw features" and measure in row.scores
    ]
    if not means:
        return None
    return min(means) if measure.lower_is_better else max(means)


def all_below(rows: Sequence[ComparedRow], measure: Measure) -> bool:
    """Whether there are methods with this score, and every one of them is below the raw features."""
    means = [
        fmean(row.scores[measure].values.values()) for row in rows if row.kind == "method" and measure in row.scores
    ]
    line = raw_line(rows, measure)
    return line is not None and bool(means) and all(_below(mean, line, measure) for mean in means)


def p_value(values: Mapping[int, float], best: Mapping[int, float]) -> float | None:
    """Two-sided paired t-test over the seeds that both have; None with fewer than two of them.

    The seeds share initialisation, order and probe, hence paired. Differences that are all equal have no standard
    deviation, and there is no test: scores are counts over a few test samples, where two seeds differ by the same
    number now and then. Where they are zero there is no difference, and the value is 1.
    """
    seeds = sorted(values.keys() & best.keys())
    if len(seeds) < 2:
        return None
    differences = [values[seed] - best[seed] for seed in seeds]
    rounding = _ROUNDING * max(abs(by_seed[seed]) for by_seed in (values, best) for seed in seeds)
    if max(differences) - min(differences) <= rounding:
        return 1.0 if abs(differences[0]) <= rounding else None
    from scipy.stats import ttest_rel

    return float(ttest_rel([values[seed] for seed in seeds], [best[seed] for seed in seeds]).pvalue)


def holm(p_values: Mapping[int, float]) -> dict[int, float]:
    """Adjusted p-values of Holm's step-down procedure (Holm 1979), which holds the family-wise error rate.

    The i-th smallest of m is multiplied by ``m - i + 1``; none becomes smaller than its predecessor, or greater than 1.

    >>> {i: round(p, 12) for i, p in holm({0: 0.01, 1: 0.04, 2: 0.03, 3: 0.005}).items()}
    {3: 0.02, 0: 0.03, 2: 0.06, 1: 0.06}
    """
    adjusted: dict[int, float] = {}
    least = 0.0
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        adjusted[key] = least
    return adjusted


def _places(means: Mapping[int, float], measure: Measure) -> dict[int, int]:
    """1 for the best mean, 2 for the next one, ...; equal means share a place."""
    places: dict[int, int] = {}
    place, before = 0, math.nan
    for key in sorted(means, key=lambda key: means[key], reverse=not measure.lower_is_better):
        if not math.isclose(means[key], before, rel_tol=_ROUNDING):
            place, before = place + 1, means[key]
        places[key] = place
    return places


def _below(mean: float, line: float, measure: Measure) -> bool:
    if math.isclose(mean, line, rel_tol=_ROUNDING):
        return False
    return mean > line if measure.lower_is_better else mean < line
