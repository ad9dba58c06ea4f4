"""What tables say in words: names of rows and heads, how every row was trained, what is not comparable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from coral_plugin.bench.comparison import ComparedRow, Comparison, Measure
from coral_plugin.bench.grid import preset_of
from coral_plugin.bench.ranking import all_below, raw_line
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.tables.model import cell

SIGNIFICANT = 0.05
_PROBES = {
    "linear": "linear probe", "reference": "published probe", "knn": "nearest neighbours", "ridge": "ridge probe",
}  # fmt: skip
# settings whose value every table tells, as a phrase
_TOLD: dict[str, Callable[[Any], str]] = {
    "training.learning_rate": lambda value: f"learning rate {value:g}",
    "training.schedule": lambda value: f"{value} schedule",
    "training.weight_decay": lambda value: f"weight decay {value:g}",
    "training.gradient_clip": lambda value: f"gradients clipped at {value:g}" if value else "gradients not clipped",
    "training.epochs": lambda value: f"{value} epoch{'s' if value != 1 else ''}",
    "training.batch_size": lambda value: f"batches of {value}",
    "steps": lambda value: f"{value:,} steps",
    "samples": lambda value: f"{value:,} samples",
}
_OLD_RECORD = (
    "This record was made before records held the settings, steps and widths of each row: rates of presets, steps and "
    "widths are unknown here."
)
_OLD_LABELS = "Rows with labels took as many epochs as the others, over the labelled samples alone."


def shown_name(each: ComparedRow, comparison: Comparison, columns: Sequence[str]) -> str:
    """Name of a row with what it is, where it is no method: raw features, or with labels, and how many steps."""
    if each.kind == "raw features":
        return f"{each.method.name} (raw features)"
    if each.kind == "method":
        return each.method.name
    own = [_steps(each, column) for column in columns]
    methods = [[_steps(row, column) for column in columns] for row in comparison.rows if row.kind == "method"]
    if any(None in steps for steps in own):
        return f"{each.method.name} (with labels)"
    if methods and all(steps == own for steps in methods):
        return f"{each.method.name} (with labels, same steps)"
    told = f", {' / '.join(f'{steps:,}' for steps in own[0] if steps is not None)} steps" if len(columns) == 1 else ""
    return f"{each.method.name} (with labels{told})"


def heading(measure: Measure) -> str:
    """Metric, unit, direction and probe of a score.

    >>> heading(Measure("v", "ee", "mse", None, 1e-4, "reference"))
    'MSE x 1e-4 ↓ (published probe)'
    """
    metric = metric_named(measure.metric)
    told = metric.heading
    if measure.unit != 1:
        told = f"{metric.label} x 1e{round(math.log10(measure.unit))} {metric.arrow}"
    return f"{told} ({_PROBES[measure.probe]})" if measure.probe in _PROBES else told


def comparison_notes(comparison: Comparison, measures: Sequence[Measure]) -> list[str]:
    """Seeds, ranks, the raw-features line, and tests."""
    seeds = comparison.grid.seeds
    listed = ", ".join(map(str, seeds))
    notes = [
        f"Mean ± sample deviation over {len(seeds)} seeds ({listed})."
        if len(seeds) > 1
        else f"Seed {listed}: one value each, no deviation and no test."
    ]
    scores = [s for each in comparison.rows for m, s in each.scores.items() if m in measures]
    if any(s.rank for s in scores):
        notes.append("Best method in bold, second underlined; a method below the raw features is neither.")
    for measure in measures:
        line = raw_line(comparison.rows, measure)
        if line is not None and all_below(comparison.rows, measure):
            level = cell([line / measure.unit], percent=metric_named(measure.metric).is_share)
            notes.append(
                f"No method reaches the raw features ({level}) on {measure.column}, {measure.score}: none is in bold."
            )
    if unknown := [m for m in measures if raw_line(comparison.rows, m) is None]:
        where = "" if len(unknown) == len(measures) else f" on {', '.join(f'{m.column}, {m.score}' for m in unknown)}"
        notes.append(f"Raw features were not scored{where} (row concat_raw): bold does not say that they are passed.")
    tests = sorted({
        count for m in measures if (count := sum(m in each.scores and each.scores[m].p_value is not None
                                                 for each in comparison.rows))
    })  # fmt: skip
    if tests:
        family = f"{tests[0]}" if len(tests) == 1 else f"{tests[0]} to {tests[-1]}"
        notes.append(
            f"†: differs from the best method at p < {SIGNIFICANT} (paired t-test over the seeds, two-sided, "
            f"Holm-corrected over the {family} comparison{'s' if tests[-1] > 1 else ''} of its column)."
        )
    if comparison.failed:
        notes.append(f"{len(comparison.failed)} run(s) failed and are missing.")
    return notes


def training_notes(comparison: Comparison, column: str) -> list[str]:
    """How the rows of a column were trained: what all share, what differs, and what was set for a row alone."""
    rows = [each for each in comparison.rows if each.kind != "raw features" and _has(each, column)]
    if not rows:
        return []
    notes: list[str] = []
    if all(each.trainings.get(column) for each in rows):
        notes += _told_settings(comparison, rows, column)
    else:
        notes.append(_OLD_RECORD)
        notes += [_OLD_LABELS] if any(each.kind == "with labels" for each in rows) else []
    notes += _overrides(comparison, rows, column)
    return notes


def width_note(comparison: Comparison, column: str) -> str:
    """Whether representations of different width are compared at one width."""
    widths = {each.matched_widths[column] for each in comparison.rows if column in each.matched_widths}
    if widths:
        told = (
            f"At width {max(widths)}: the same probe on the first {max(widths)} principal components, fitted on train"
        )
        return f"{told}{'; a narrower representation has its own width, in brackets' if len(widths) > 1 else ''}."
    return "Representations differ in width by method, and no column compares them at one width."


def _told_settings(comparison: Comparison, rows: Sequence[ComparedRow], column: str) -> Iterator[str]:
    shared, set_alike, differing = [], [], []
    for key, phrase in _TOLD.items():
        by_row = {each.method.name: _values(each, column, key) for each in rows}
        phrases = {name: " / ".join(map(phrase, values)) for name, values in by_row.items() if None not in values}
        if len(phrases) < len(rows):
            continue
        origins = {each.method.name: key in _chosen(each, comparison, column) for each in rows}
        if len(set(phrases.values())) == 1:
            shared.append(next(iter(phrases.values())))
            set_alike += [key.partition(".")[2].replace("_", " ")] if all(origins.values()) else []
            continue
        groups: dict[str, list[str]] = {}
        for name, told in phrases.items():
            groups.setdefault(told, []).append(name)
        listed = ", ".join(f"{told} ({', '.join(names)})" for told, names in groups.items())
        own = "" if key not in _SETTINGS else " (set)" if all(origins.values()) else " (presets)"
        if key in _SETTINGS and len(set(origins.values())) == 2:
            own = f" (set for {', '.join(name for name, was_set in origins.items() if was_set)}; else presets)"
        differing.append(f"{listed}{own}")
    if shared:
        yield f"Trained alike, every row: {', '.join(shared)}."
    if set_alike:
        yield f"Set for every row alike, in place of presets: {', '.join(set_alike)}."
    if differing:
        yield f"By row: {'; '.join(differing)}."


_SETTINGS = {key for key in _TOLD if key.startswith("training.")}


def _overrides(comparison: Comparison, rows: Sequence[ComparedRow], column: str) -> Iterator[str]:
    """Settings that the grid chose over presets and recipes, besides those that are told already."""
    known = all(each.trainings.get(column) for each in rows)
    chosen = {
        each.method.name: {
            key: value for key, value in _chosen(each, comparison, column).items() if not (known and key in _TOLD)
        }
        for each in rows
    }
    alike = {
        key: value
        for key, value in next(iter(chosen.values())).items()
        if all(key in own and own[key] == value for own in chosen.values())
    }
    if alike:
        yield f"Set for every row: {_listed(alike)}."
    alone = {
        name: listed
        for name, own in chosen.items()
        if (listed := _listed({key: value for key, value in own.items() if key not in alike}))
    }
    if alone:
        yield f"Set for one row: {'; '.join(f'{name}: {listed}' for name, listed in alone.items())}."
    presets = {each.method.name: preset_of(each.method, column) for each in rows}
    if others := {name: preset for name, preset in presets.items() if preset not in ("paper", "")}:
        yield f"Presets: {', '.join(f'{name} {preset}' for name, preset in others.items())}; paper for the others."


def _chosen(each: ComparedRow, comparison: Comparison, column: str) -> dict[str, Any]:
    """``{"group.key": value}`` of what the grid set for a row in a column."""
    own = next(known for known in comparison.grid.columns if known.name == column)
    conditions: dict[str, Any] = {}
    for settings in own.conditions.values():
        for key, value in settings.items():
            conditions[key] = value if conditions.get(key, value) == value else "by condition"
    return {**own.chosen, **conditions, **each.method.chosen, **each.method.by_column.get(column, {})}


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_plain(value)}" for key, value in settings.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_plain(own)}' for key, own in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has(each: ComparedRow, column: str) -> bool:
    return any(measure.column == column for measure in each.scores)


def _values(each: ComparedRow, column: str, key: str) -> tuple[Any, ...]:
    """The different values of a setting, or of ``steps`` and ``samples``, over the conditions of a column."""
    found = []
    for training in each.trainings[column].values():
        group, _, name = key.partition(".")
        found.append(training.settings[group][name] if name else getattr(training, group))
    return tuple(dict.fromkeys(found))


def _steps(each: ComparedRow, column: str) -> tuple[int | None, ...]:
    return tuple(training.steps for training in each.trainings.get(column, {}).values()) or (None,)
