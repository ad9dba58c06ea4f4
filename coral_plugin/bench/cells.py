"""The tables of a comparison as cells with their ranks, before they are written in a format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from coral_plugin.bench.captions import (
    SIGNIFICANT,
    comparison_notes,
    heading,
    shown_name,
    training_notes,
    width_note,
)
from coral_plugin.bench.comparison import AVERAGE, ComparedRow, Comparison, Cost, LookUp, Measure
from coral_plugin.bench.findings import joined, title_of
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.tables.model import NO_VALUE, cell

COUNT, COST_HEADS = "n", ("s / 1,000 samples ↓", "peak MiB ↓", "parameters")
_COST_NOTE = (
    "Cost: seconds of training per 1,000 samples, and peak memory of the training process (GPU: of its allocator); "
    "means of the runs, which may have shared the machine with each other (coral bench --cost measures each method "
    "by itself)."
)
_ALONE_NOTE = (
    "Cost: seconds of training per 1,000 samples, and memory that the training adds to a process with its data loaded "
    "(GPU: peak of the allocator); each method by itself in a fresh process, after a warm-up; "
)
_SIZES = ("width", "head_hidden", "head_output")
_HEADS_NOTE = (
    "Some methods are represented by vectors of their networks and others by the outputs of their heads, as the table "
    "in docs/methods/index.md says; the parameters include the heads."
)


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Plain text.
        rank: 1 for bold, 2 for underlined.
    """

    text: str
    rank: int | None = None


CellRow = tuple[Cell, ...]


@dataclass(frozen=True)
class CellTable:
    """A table before it is written in a format.

    Attributes:
        title: Line above the table.
        head: Heads of the columns.
        blocks: Groups of rows with a rule between them: methods; raw features, rows with labels and chance; published
            numbers.
        notes: Sentences below the table.
        score_notes: Those of the notes that are about the scores, for a page where training and cost stand elsewhere.
    """

    title: str
    head: tuple[str, ...]
    blocks: tuple[tuple[CellRow, ...], ...]
    notes: tuple[str, ...]
    score_notes: tuple[str, ...] = ()


def cell_tables(comparison: Comparison, look_up: LookUp) -> list[CellTable]:
    """An overview over the data sets where there are several, then a table with costs for each.

    Args:
        comparison: Scores of the runs.
        look_up: Maker of the published numbers that may be shown with them, called anew for each table.
    """
    columns = [column.name for column in comparison.grid.columns]
    tables = [_table_of_column(comparison, name, look_up) for name in columns]
    return [_overview(comparison, look_up), *tables] if len(columns) > 1 else tables


def _overview(comparison: Comparison, look_up: LookUp) -> CellTable:
    """Methods by data sets; published numbers in a block of their own."""
    published, measures = look_up(comparison), comparison.measures
    columns = list(dict.fromkeys(m.column for m in measures))
    # one share for each data set: then their average means something
    averaged = all(metric_named(m.metric).is_share for m in measures) and len(columns) == len(measures)
    heads = [f"{m.column if averaged else f'{m.column} {m.score}'}: {heading(m)}" for m in measures]

    def scores(row: ComparedRow) -> list[Cell]:
        means = [100 * fmean(row.scores[m].values.values()) for m in measures if m in row.scores]
        average = f"{fmean(means):.1f}" if means and len(means) == len(measures) else NO_VALUE
        return [*(_score(row, m) for m in measures), *([Cell(average)] if averaged else [])]

    extra = [Cell(NO_VALUE)] if averaged else []
    blocks = _blocks(comparison, columns, scores, [*map(_chance, measures), *extra])
    printed = []
    for row in comparison.rows:
        texts = [published(row, m) for m in measures]
        if any(texts):
            total = [published.average(row, measures)] if averaged else []
            printed.append(
                (Cell(f"{row.method.name}, published"), *(Cell(text or NO_VALUE) for text in [*texts, *total]))
            )
    of_scores = (*comparison_notes(comparison, measures), *published.citations())
    return CellTable(
        title_of(comparison),
        ("method", *heads, *([AVERAGE] if averaged else [])),
        (*blocks, *([tuple(printed)] if printed else [])),
        (*of_scores, "How the rows were trained stands below the table of each data set."),
        of_scores,
    )


def _table_of_column(comparison: Comparison, column: str, look_up: LookUp) -> CellTable:
    """Methods by the scores of one data set, each with what was published, and the costs."""
    published = look_up(comparison)
    measures = [m for m in comparison.measures if m.column == column]
    texts = {(row.method.name, m): published(row, m) for row in comparison.rows for m in measures}
    printed = {m for (_, m), text in texts.items() if text}
    width = max((row.matched_widths.get(column, 0) for row in comparison.rows), default=0)
    matched = {m for m in measures if any(m in row.scores and row.scores[m].matched for row in comparison.rows)}
    with_width = ["width"] if any(column in row.widths for row in comparison.rows) else []
    heads: list[str] = []
    for m in measures:
        heads.append(heading(m) if len(measures) == 1 else f"{m.score}: {heading(m)}")
        heads += ["published"] if m in printed else []
        heads += [f"{m.score}, at width {width}" if len(measures) > 1 else f"at width {width}"] if m in matched else []

    def scores(row: ComparedRow) -> list[Cell]:
        cells = []
        for m in measures:
            cells.append(_score(row, m))
            cells += [Cell(texts[row.method.name, m] or NO_VALUE)] if m in printed else []
            cells += [_matched(row, m, width)] if m in matched else []
        cells += [Cell(str(row.widths.get(column, NO_VALUE))) for _ in with_width]
        return [*cells, Cell(_count(row, measures)), *_cost(row.costs.get(column))]

    chance: list[Cell] = []
    for m in measures:
        chance += [_chance(m), *([Cell("")] if m in printed else []), *([Cell("")] if m in matched else [])]
    of_scores = comparison_notes(comparison, measures)
    of_numbers = (width_note(comparison, column), *published.withheld(), *published.citations())
    title, empty = title_of(comparison), [*with_width, COUNT, *COST_HEADS]
    return CellTable(
        f"{title}: {column}" if len(comparison.grid.columns) > 1 else title,
        ("method", *heads, *empty),
        _blocks(comparison, [column], scores, [*chance, *(Cell("") for _ in empty)]),
        (*of_scores, *training_notes(comparison, column), *of_numbers, cost_note(comparison, column)),
        (*of_scores, *of_numbers),
    )


def _blocks(
    comparison: Comparison, columns: Sequence[str], scores: Callable[[ComparedRow], list[Cell]], chance: Sequence[Cell]
) -> tuple[tuple[CellRow, ...], ...]:
    rows = [(row.kind, (Cell(shown_name(row, comparison, columns)), *scores(row))) for row in comparison.rows]
    methods = tuple(cells for kind, cells in rows if kind == "method")
    others = [cells for kind, cells in rows if kind != "method"]
    if any(c.text not in ("", NO_VALUE) for c in chance):
        others.append((Cell("chance"), *chance))
    return tuple(block for block in (methods, tuple(others)) if block)


def _score(row: ComparedRow, measure: Measure) -> Cell:
    score = row.scores.get(measure)
    if score is None:
        return Cell(NO_VALUE)
    shown = _in_unit(list(score.values.values()), measure)
    differs = score.p_value is not None and score.p_value < SIGNIFICANT
    return Cell(f"{shown} †" if differs else shown, score.rank)


def _matched(row: ComparedRow, measure: Measure, width: int) -> Cell:
    """Score of a row at the matched width, with the width in brackets where it is smaller."""
    score = row.scores.get(measure)
    if score is None or not score.matched:
        return Cell(NO_VALUE)
    row_width = row.matched_widths.get(measure.column, width)
    return Cell(_in_unit(list(score.matched.values()), measure) + (f" ({row_width})" if row_width != width else ""))


def _in_unit(values: Sequence[float], measure: Measure) -> str:
    return cell([value / measure.unit for value in values], percent=metric_named(measure.metric).is_share)


def _chance(measure: Measure) -> Cell:
    return Cell(NO_VALUE if measure.chance is None else cell([measure.chance]))


def _count(row: ComparedRow, measures: Sequence[Measure]) -> str:
    counts = sorted({len(row.scores[m].values) if m in row.scores else 0 for m in measures})
    if not counts:
        return NO_VALUE
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


def cost_note(comparison: Comparison, column: str) -> str:
    """How the costs of a column were measured."""
    alone = sorted({row.costs[column].alone for row in comparison.rows if column in row.costs} - {""})
    return f"{_ALONE_NOTE}{'; '.join(alone)}." if alone else _COST_NOTE


def sizes_note(comparison: Comparison, column: str) -> list[str]:
    """The settings that the widths and parameters of a column follow from, with their values; none for old records."""
    rows = [row for row in comparison.rows if row.kind != "raw features"]
    networks = [training.settings["network"] for row in rows for training in row.trainings.get(column, {}).values()]
    if not networks:
        return []
    values = {key: dict.fromkeys(network[key] for network in networks) for key in _SIZES}
    sizes = [f"network.{key} ({' / '.join(str(v or 'by the data') for v in values[key])})" for key in _SIZES]
    return [f"Widths and parameters follow from {joined(sizes)}. {_HEADS_NOTE}"]


def _cost(cost: Cost | None) -> list[Cell]:
    if cost is None:
        return [Cell(NO_VALUE)] * 3
    memory = f"{fmean(cost.memory) / 2**20:.0f}"
    return [Cell(cell([fmean(cost.seconds)], percent=False)), Cell(memory), Cell(f"{cost.parameters:,}")]
