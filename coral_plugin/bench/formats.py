"""A comparison as Markdown, text, LaTeX, CSV and JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

from coral_plugin.bench.cells import Cell, CellTable
from coral_plugin.bench.comparison import Comparison, Cost, LookUp, Measure, Score
from coral_plugin.bench.findings import title_of
from coral_plugin.bench.ranking import CORRECTION
from coral_plugin.evaluation.tables.model import NO_VALUE, Table
from coral_plugin.io.files import csv_text

TABLE_SCHEMA = 2

_LATEX = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}  # OT1 prints other signs
_ON_A_TERMINAL = {
    "in bold, second underlined; a method worse than the raw features is neither.": (
        "marked with *, unless it is worse than the raw features."
    ),
    "none is in bold": "none is marked",
    "bold does not mean": "the mark does not mean",
}
_LATEX |= {c: "\\" + c for c in "&%$#_{}"}
_LATEX |= {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"$^\dagger$", NO_VALUE: "--", "²": "$^2$"}


def markdown(table: CellTable) -> str:
    """A GitHub-flavoured table."""

    def write(c: Cell) -> str:
        return f"**{c.text}**" if c.rank == 1 else f"<u>{c.text}</u>" if c.rank else c.text

    return _as_table(table, write).markdown()


def text(table: CellTable) -> str:
    """Aligned columns for a terminal; the best has a star."""
    notes = []
    for note in table.notes:
        for in_print, on_terminal in _ON_A_TERMINAL.items():
            note = note.replace(in_print, on_terminal)
        notes.append(note)
    marked = dataclasses.replace(table, notes=tuple(notes))
    return _as_table(marked, lambda c: f"*{c.text}" if c.rank == 1 else c.text).text()


def latex(table: CellTable) -> str:
    """A table for ``booktabs``, its notes below it."""

    def write(c: Cell) -> str:
        plain = _latex_text(c.text)
        return rf"\textbf{{{plain}}}" if c.rank == 1 else rf"\underline{{{plain}}}" if c.rank else plain

    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex_text(table.title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", r"\toprule"]
    lines.append(" & ".join(map(_latex_text, table.head)) + r" \\")
    for block in table.blocks:
        lines.append(r"\midrule")
        lines += [" & ".join(map(write, row)) + r" \\" for row in block]
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\footnotesize", *map(_latex_text, table.notes), r"\end{table}"]
    return "\n".join(lines) + "\n"


def summary_csv(comparison: Comparison, look_up: LookUp) -> str:
    """One line per method and measure, as numbers; published numbers as they are printed."""
    published = look_up(comparison)
    rows = [
        [row.method.name, row.method.objective, row.kind, m.column, m.score, m.metric, "lower" if m.lower_is_better
         else "higher", m.probe, len(s.values), *_moments(list(s.values.values())), s.rank, s.p_value, m.unit,
         _printed(published(row, m)), row.widths.get(m.column), row.matched_widths.get(m.column),
         fmean(s.matched.values()) if s.matched else None, *_cost_figures(row.costs.get(m.column))]
        for row in comparison.rows for m, s in row.scores.items()
    ]  # fmt: skip
    return csv_text(
        ["method", "objective", "kind", "data", "score", "metric", "better", "probe", "n", "mean", "std", "rank",
         "p_value", "published_unit", "published", "width", "matched_width", "mean_at_matched_width",
         "seconds_per_1000_samples", "peak_memory_bytes", "parameters", "cost_measured"],
        rows,
    )  # fmt: skip


def _printed(text: str | None) -> str | None:
    """A published number without the mark of its source."""
    return text and text.partition(" [")[0]


def _cost_figures(cost: Cost | None) -> list[Any]:
    if cost is None:
        return [None] * 4
    return [fmean(cost.seconds), round(fmean(cost.memory)), cost.parameters, cost.alone or "during the runs"]


def scores_csv(comparison: Comparison) -> str:
    """One line per method, measure and seed."""
    rows = [
        [row.method.name, row.method.objective, m.column, m.score, m.metric, seed, value]
        for row in comparison.rows
        for m, s in row.scores.items()
        for seed, value in s.values.items()
    ]
    return csv_text(["method", "objective", "data", "score", "metric", "seed", "value"], rows)


def as_json(comparison: Comparison, look_up: LookUp) -> dict[str, Any]:
    """Everything that the tables show, and the settings of the grid; :mod:`.stored` reads it."""
    published = look_up(comparison)
    rows = [
        {
            **dataclasses.asdict(row.method),
            "kind": row.kind,
            "scores": [_score_json(m, s) for m, s in row.scores.items()],
            "cost": {name: dataclasses.asdict(cost) for name, cost in row.costs.items()},
            "trainings": {
                column: {condition: dataclasses.asdict(training) for condition, training in conditions.items()}
                for column, conditions in row.trainings.items()
            },
            "widths": dict(row.widths),
            "matched_widths": dict(row.matched_widths),
            "published": {f"{m.column}/{m.score}": text for m in comparison.measures if (text := published(row, m))},
        }
        for row in comparison.rows
    ]
    return {
        "schema": TABLE_SCHEMA,
        "title": title_of(comparison),
        "seeds": list(comparison.grid.seeds),
        "columns": {
            column.name: {
                "dataset": column.dataset,
                "data": column.data,
                "modalities": comparison.modalities.get(column.name, column.modalities),
                "chosen": dict(column.chosen),
                "conditions": dict(column.conditions),
                "papers_data": column.papers_data,
                "fingerprints": comparison.fingerprints.get(column.name, []),
                "facts": comparison.facts.get(column.name, {}),
            }
            for column in comparison.grid.columns
        },
        "test": CORRECTION,
        "rows": rows,
        "published_tables": list(published.names),
        "published": published.sources(),
        "published_withheld": published.withheld(),
        "failed": dict(comparison.failed),
    }


def _score_json(measure: Measure, score: Score) -> dict[str, Any]:
    mean, std = _moments(list(score.values.values()))
    return {
        **dataclasses.asdict(measure),
        "values": {str(seed): value for seed, value in score.values.items()},
        "mean": mean,
        "std": std,
        "n": len(score.values),
        "rank": score.rank,
        "p_value": score.p_value,
        "matched": {str(seed): value for seed, value in score.matched.items()},
    }


def _moments(values: Sequence[float]) -> tuple[float, float | None]:
    return fmean(values), stdev(values) if len(values) > 1 else None


def _as_table(table: CellTable, write: Callable[[Cell], str]) -> Table:
    empty = ("",) * len(table.head)
    rows: list[tuple[str, ...]] = []
    for block in table.blocks:
        rows += [*([empty] if rows else []), *(tuple(write(c) for c in row) for row in block)]
    return Table(table.head, tuple(rows), table.title, "\n".join(table.notes))


def _latex_text(plain: str) -> str:
    return "".join(_LATEX.get(c, c) for c in plain)
