"""The words of tables: names of rows and heads, how every row was trained, what is not comparable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from coral_plugin.bench.comparison import ComparedRow, Comparison, Measure
from coral_plugin.bench.grid import WRITING, preset_of
from coral_plugin.bench.ranking import all_below, complete, raw_line
from coral_plugin.errors import counted
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import PROBES
from coral_plugin.evaluation.tables.model import cell

SIGNIFICANT = 0.05
# settings whose value every table shows, as a phrase
_PHRASES: dict[str, Callable[[Any], str]] = {
    "training.learning_rate": lambda value: f"learning rate {value:g}",
    "training.schedule": lambda value: f"{value} schedule",
    "training.weight_decay": lambda value: f"weight decay {value:g}",
    "training.gradient_clip": lambda value: f"gradients clipped at {value:g}" if value else "gradients not clipped",
    "training.epochs": lambda value: counted(value, "epoch"),
    "training.batch_size": lambda value: f"batches of {value}",
    "steps": lambda value: f"{value:,} steps",
    "samples": lambda value: f"{value:,} samples",
}
_OF_RAW = ("source.", "probe.")  # groups of settings that raw features depend on too
_OLD_RECORD = (
    "This record was made before records held the settings, steps and widths of each row: rates of presets, steps and "
    "widths are unknown here."
)
_OLD_LABELS = "Rows with labels took as many epochs as the others, over the labelled samples alone."


def shown_name(row: ComparedRow, comparison: Comparison, columns: Sequence[str]) -> str:
    """Name of a row; after one that is no method: raw features, or with labels, with the number of steps."""
    if row.kind == "raw features":
        return f"{row.method.name} (raw features)"
    if row.kind == "method":
        return row.method.name
    steps = [_steps(row, column) for column in columns]
    of_methods = [[_steps(other, column) for column in columns] for other in comparison.rows if other.kind == "method"]
    if any(None in counts for counts in steps):
        return f"{row.method.name} (with labels)"
    if of_methods and all(counts == steps for counts in of_methods):
        return f"{row.method.name} (with labels, same steps)"
    listed = " / ".join(f"{count:,}" for count in steps[0] if count is not None)
    return f"{row.method.name} (with labels{f', {listed} steps' if len(columns) == 1 else ''})"


def heading(measure: Measure) -> str:
    """Metric, unit, direction and probe of a score.

    >>> heading(Measure("v", "ee", "mse", None, 1e-4, "reference"))
    'MSE x 1e-4 ↓ (published probe)'
    """
    metric = metric_named(measure.metric)
    text = metric.heading
    if measure.unit != 1:
        text = f"{metric.label} x 1e{round(math.log10(measure.unit))} {metric.arrow}"
    return f"{text} ({PROBES[measure.probe]})" if measure.probe in PROBES else text


def comparison_notes(comparison: Comparison, measures: Sequence[Measure]) -> list[str]:
    """Notes on seeds, ranks, the level of the raw features, and tests."""
    seeds = comparison.grid.seeds
    listed = ", ".join(map(str, seeds))
    notes = [
        f"Mean ± sample standard deviation over {len(seeds)} seeds ({listed})."
        if len(seeds) > 1
        else f"Seed {listed}: single values, without standard deviation and test."
    ]
    scores = [s for row in comparison.rows for m, s in row.scores.items() if m in measures]
    if any(s.rank for s in scores):
        notes.append("Best method in bold, second underlined; a method worse than the raw features is neither.")
    for measure in measures:
        line = raw_line(comparison.rows, measure)
        if line is not None and all_below(comparison.rows, measure):
            level = cell([line / measure.unit], percent=metric_named(measure.metric).is_share)
            notes.append(
                f"No method reaches the raw features ({level}) on {measure.column}, {measure.score}: none is in bold."
            )
    if unknown := [m for m in measures if raw_line(comparison.rows, m) is None]:
        places = "" if len(unknown) == len(measures) else f" on {', '.join(f'{m.column}, {m.score}' for m in unknown)}"
        notes.append(
            f"Raw features were not scored{places} (row concat_raw): bold does not mean that a method exceeds them."
        )
    tests = sorted({
        count for m in measures if (count := sum(m in row.scores and row.scores[m].p_value is not None
                                                 for row in comparison.rows))
    })  # fmt: skip
    if tests:
        family = f"{tests[0]}" if len(tests) == 1 else f"{tests[0]} to {tests[-1]}"
        differs = any(s.p_value is not None and s.p_value < SIGNIFICANT for s in scores)
        outcome = "†: differs" if differs else "No method differs"
        notes.append(
            f"{outcome} from the best method at p < {SIGNIFICANT} (paired t-test over the seeds, two-sided, "
            f"Holm-corrected over the {family} comparison{'s' if tests[-1] > 1 else ''} of its column)."
        )
    notes += _fewer_seeds(comparison, measures)
    if failed := comparison.failed_on({m.column for m in measures}):
        notes.append(f"{counted(failed, 'run')} failed and {'is' if failed == 1 else 'are'} missing.")
    return notes


def _fewer_seeds(comparison: Comparison, measures: Sequence[Measure]) -> Iterator[str]:
    """Methods that lack seeds which others have: no rank says how they would stand with all of them."""
    several = len({measure.column for measure in measures}) > 1
    fewer = {}
    for measure in measures:
        full = complete(comparison.rows, measure)
        for row in comparison.rows:
            if row.kind == "method" and measure in row.scores and row not in full:
                count, most = len(row.scores[measure].values), len(full[0].scores[measure].values)
                place = f" on {measure.column}" if several else ""
                fewer[row.method.name, measure.column] = f"{row.method.name} has {count} of {most} seeds{place}"
    if fewer:
        yield f"Without a rank: {', '.join(fewer.values())}."


def training_notes(comparison: Comparison, column: str) -> list[str]:
    """Notes on the training of the rows of a column: what all share, what differs, what was set for a single row."""
    having = [row for row in comparison.rows if _has(row, column)]
    rows = [row for row in having if row.kind != "raw features"]
    if not rows:
        return []
    notes: list[str] = []
    if all(row.trainings.get(column) for row in rows):
        notes += _shown_settings(comparison, rows, column)
    else:
        notes.append(_OLD_RECORD)
        notes += [_OLD_LABELS] if any(row.kind == "with labels" for row in rows) else []
    notes += _overrides(comparison, rows, [row for row in having if row not in rows], column)
    return notes


def width_note(comparison: Comparison, column: str) -> str:
    """A note on whether representations of different width are compared at one width."""
    widths = {row.matched_widths[column] for row in comparison.rows if column in row.matched_widths}
    if widths:
        others = "; a row that is narrower, or whose networks have another width, was scored at that in brackets"
        components = f"the first {max(widths)} principal components, fitted on train"
        return f"At width {max(widths)}: the same probe on {components}{others if len(widths) > 1 else ''}."
    return "Representations differ in width by method, and no column compares them at one width."


def _shown_settings(comparison: Comparison, rows: Sequence[ComparedRow], column: str) -> Iterator[str]:
    shared, set_alike, differing = [], [], []
    for key, phrase in _PHRASES.items():
        by_row = {row.method.name: _values(row, column, key) for row in rows}
        phrases = {name: " / ".join(map(phrase, values)) for name, values in by_row.items() if None not in values}
        if len(phrases) < len(rows):
            continue
        origins = {row.method.name: key in _chosen(row, comparison, column) for row in rows}
        if len(set(phrases.values())) == 1:
            shared.append(next(iter(phrases.values())))
            set_alike += [key.partition(".")[2].replace("_", " ")] if all(origins.values()) else []
            continue
        groups: dict[str, list[str]] = {}
        for name, text in phrases.items():
            groups.setdefault(text, []).append(name)
        listed = ", ".join(f"{text} ({', '.join(names)})" for text, names in groups.items())
        origin = "" if key not in _SETTINGS else " (set)" if all(origins.values()) else " (presets)"
        if key in _SETTINGS and len(set(origins.values())) == 2:
            origin = f" (set for {', '.join(name for name, was_set in origins.items() if was_set)}; else presets)"
        differing.append(f"{listed}{origin}")
    if shared:
        yield f"Trained alike, every row: {', '.join(shared)}."
    if set_alike:
        yield f"Set for every row alike, in place of presets: {', '.join(set_alike)}."
    if differing:
        yield f"By row: {'; '.join(differing)}."


_SETTINGS = {key for key in _PHRASES if key.startswith("training.")}


def _overrides(
    comparison: Comparison, rows: Sequence[ComparedRow], raw: Sequence[ComparedRow], column: str
) -> Iterator[str]:
    """Settings that the grid chose over presets and recipes, except those that are shown already.

    Of the rows of raw features those of their data and their probe.
    """
    known = all(row.trainings.get(column) for row in rows)
    chosen = {
        row.method.name: {
            key: value
            for key, value in _chosen(row, comparison, column).items()
            if key not in WRITING and not (known and key in _PHRASES)
        }
        for row in rows
    }
    of_raw = {
        row.method.name: {
            key: value for key, value in _chosen(row, comparison, column).items() if key.startswith(_OF_RAW)
        }
        for row in raw
    }
    alike = {
        key: value
        for key, value in next(iter(chosen.values())).items()
        if all(
            key in settings and settings[key] == value
            for settings in (*chosen.values(), *(of_raw.values() if key.startswith(_OF_RAW) else ()))
        )
    }
    if alike:
        yield f"Set for every row: {_listed(alike)}."
    alone = {
        name: listed
        for name, settings in {**chosen, **of_raw}.items()
        if (listed := _listed({key: value for key, value in settings.items() if key not in alike}))
    }
    if alone:
        yield f"Set for one row: {'; '.join(f'{name}: {listed}' for name, listed in alone.items())}."
    presets = {row.method.name: preset_of(row.method, column) for row in rows}
    if others := {name: preset for name, preset in presets.items() if preset not in ("paper", "")}:
        without = [f"{name} has none" for name, preset in presets.items() if not preset]
        named = [f"{name} {preset}" for name, preset in others.items()]
        rest = "; paper for the others" if "paper" in presets.values() else ""
        yield f"Presets: {', '.join([*named, *without])}{rest}."


def _chosen(row: ComparedRow, comparison: Comparison, column: str) -> dict[str, Any]:
    """``{"group.key": value}`` of the settings that the grid chose for a row in a column."""
    declared = next(known for known in comparison.grid.columns if known.name == column)
    of_column: dict[str, Any] = {}
    for settings in declared.conditions.values():
        for key, value in {**declared.chosen, **settings}.items():
            of_column[key] = value if of_column.get(key, value) == value else "by condition"
    return {**of_column, **row.method.chosen, **row.method.by_column.get(column, {})}


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_plain(value)}" for key, value in settings.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_plain(inner)}' for key, inner in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has(row: ComparedRow, column: str) -> bool:
    return any(measure.column == column for measure in row.scores)


def _values(row: ComparedRow, column: str, key: str) -> tuple[Any, ...]:
    """The different values of a setting, or of ``steps`` and ``samples``, over the conditions of a column."""
    values = []
    for training in row.trainings[column].values():
        group, _, name = key.partition(".")
        values.append(training.settings[group][name] if name else getattr(training, group))
    return tuple(dict.fromkeys(values))


def _steps(row: ComparedRow, column: str) -> tuple[int | None, ...]:
    return tuple(training.steps for training in row.trainings.get(column, {}).values()) or (None,)
