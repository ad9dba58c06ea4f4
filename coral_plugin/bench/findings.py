"""What came out of a comparison, in sentences: its title, and for each score the best method and the corrected test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from coral_plugin.bench.captions import SIGNIFICANT
from coral_plugin.bench.comparison import Comparison, Measure
from coral_plugin.bench.grid import DatasetColumn
from coral_plugin.bench.ranking import all_below, complete
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import PROBES
from coral_plugin.evaluation.tables.model import cell

_MOST_NAMED = 4  # names in a title or sentence; more are counted
_MOST_FINDINGS = 6  # scores with a sentence each


def title_of(comparison: Comparison) -> str:
    """The title of the grid, or what was compared on what."""
    if comparison.grid.title:
        return comparison.grid.title
    methods = [row for row in comparison.rows if row.kind == "method"] or list(comparison.rows)
    names = [row.method.title for row in methods]
    what = joined(names) if len(names) <= _MOST_NAMED else f"{len(names)} methods"
    return f"{what} on {_data(comparison.grid.columns)}"


def _data(columns: Sequence[DatasetColumn]) -> str:
    """The names of data sets; of several columns of one data set, its name first."""
    names = [column.dataset_title if column.name == column.dataset else column.name for column in columns]
    datasets = {column.dataset_title for column in columns}
    if len(columns) > 1 and len(datasets) == 1:
        (dataset,) = datasets
        return f"{dataset} ({joined(names)})" if len(names) <= _MOST_NAMED else f"{len(names)} versions of {dataset}"
    return joined(names) if len(names) <= _MOST_NAMED else f"{len(names)} data sets"


def findings(comparison: Comparison) -> list[str]:
    """A sentence or two for each score: the best method, what the test separates, and the levels beside it."""
    measures = comparison.measures
    if len(measures) > _MOST_FINDINGS:
        return [f"{len(measures)} scores: the best method of each is set in bold in the tables below."]
    several = len({m.column for m in measures}) > 1
    lines = []
    for measure in measures:
        place = [measure.column] if several else []
        place += [measure.score] if sum(m.column == measure.column for m in measures) > 1 else []
        text = " ".join([*_outcome(comparison, measure), *_levels(comparison, measure)])
        lines.append(f"{', '.join(place)}: {text}" if place else text)
    if len(comparison.grid.seeds) == 1 and any(row.kind == "method" for row in comparison.rows):
        lines.append("One seed: differences were not tested.")
    if comparison.failed:
        count = len(comparison.failed)
        lines.append(
            f"{count} run{' has' if count == 1 else 's have'} failed and {'is' if count == 1 else 'are'} missing."
        )
    return lines


def _outcome(comparison: Comparison, measure: Measure) -> Iterator[str]:
    methods = [row for row in comparison.rows if row.kind == "method" and measure in row.scores]
    if not methods:
        return
    below = all_below(comparison.rows, measure)
    if len(methods) == 1:
        reached = level_text(methods[0].values_of(measure), measure)
        yield f"{methods[0].method.title} reaches {reached}{', worse than the raw features' if below else ''}."
        return
    best = next((row for row in methods if row.scores[measure].rank == 1), None)
    if best is None:
        choose = min if measure.lower_is_better else max
        closest = choose(complete(comparison.rows, measure), key=lambda row: fmean(row.values_of(measure)))
        which = "" if below else " with all its seeds"
        yield (
            f"No method{which} reaches the raw features; the closest is {closest.method.title} with "
            f"{level_text(closest.values_of(measure), measure)}."
        )
        return
    yield f"{best.method.title} is best with {level_text(best.values_of(measure), measure)}."
    p_values = {r.method.title: p for r in methods if (p := r.scores[measure].p_value) is not None}
    apart = [name for name, p in p_values.items() if p < SIGNIFICANT]
    close = [name for name in p_values if name not in apart]
    if close and not apart:
        yield f"The corrected test does not separate it from {_listed(close)}."
    elif apart:
        rest = f", not from {_listed(close)}" if close else ""
        yield f"The corrected test separates it from {_listed(apart)} (p < {SIGNIFICANT}){rest}."
    untested = len(methods) - 1 - len(p_values)
    if untested and len(comparison.grid.seeds) > 1:
        count = "1 method has" if untested == 1 else f"{untested} methods have"
        yield f"{count} too few seeds in common with it for a test, or the same difference in every seed."


def _listed(names: Sequence[str]) -> str:
    return joined(names) if len(names) <= _MOST_NAMED else f"{len(names)} methods"


def _levels(comparison: Comparison, measure: Measure) -> Iterator[str]:
    levels = [
        f"{row.method.title if row.kind == 'raw features' else f'{row.method.title} (with labels)'} "
        f"{_number(row.values_of(measure), measure)}"
        for row in comparison.rows
        if row.kind != "method" and measure in row.scores
    ]
    levels += [f"chance {_number([measure.chance], measure)}"] if measure.chance is not None else []
    if levels:
        text = ", ".join(levels)
        yield f"{text[:1].upper()}{text[1:]}."


def level_text(values: Sequence[float], measure: Measure) -> str:
    """A score with its metric and probe.

    >>> level_text([0.5], Measure("digits", "label", "accuracy", 0.1, probe="linear"))
    '50.0 % accuracy (linear probe)'
    """
    metric = metric_named(measure.metric)
    label = metric.label if measure.unit == 1 else f"{metric.label} x {measure.unit:g}"
    probe = f" ({PROBES[measure.probe]})" if measure.probe in PROBES else ""
    number = _number(values, measure)
    return f"{number} {metric.label}{probe}" if metric.is_share else f"{label} {number}{probe}"


def _number(values: Sequence[float], measure: Measure) -> str:
    share = metric_named(measure.metric).is_share
    return cell([value / measure.unit for value in values], percent=share) + (" %" if share else "")


def joined(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> joined(["a"]), joined(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
