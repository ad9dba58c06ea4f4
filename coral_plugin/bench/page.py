"""The report of a comparison: results, data, methods, settings, cost, pictures, and how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from coral_plugin.bench.captions import shown_name, training_notes
from coral_plugin.bench.cells import COST_HEADS, COUNT, Cell, CellTable, cost_note, sizes_note
from coral_plugin.bench.comparison import ComparedRow, Comparison
from coral_plugin.bench.findings import findings, joined, title_of
from coral_plugin.bench.grid import preset_of
from coral_plugin.errors import counted
from coral_plugin.evaluation.names import PROBES
from coral_plugin.evaluation.pages.model import (
    Definition,
    Definitions,
    Heading,
    Page,
    PageCell,
    PageGroup,
    PageItem,
    PagePicture,
    PageSection,
    PageTable,
    Paragraphs,
)
from coral_plugin.evaluation.pages.sections import (
    data_items,
    date_text,
    made_items,
    method_text,
    samples_text,
    shared_settings,
    value_text,
)
from coral_plugin.evaluation.tables.model import NO_VALUE
from coral_plugin.io.yamlfile import flat

Pictures = Mapping[str, Mapping[str, Path]]  # {section: {caption: PNG file}}
SCORES, TRAINING, EMBEDDINGS = "Scores by seed", "Training curves", "Embeddings"
_METHODS, _LEVELS, _PUBLISHED = "Methods, trained without labels", "For comparison", "Published"
# what identifies a run, or stands elsewhere on the page
_NOT_SHOWN = ("objective", "dataset", "data", "modalities", "preset", "seeds")


def comparison_page(
    comparison: Comparison, tables: Sequence[CellTable], pictures: Pictures, record: Mapping[str, Any]
) -> Page:
    """The report of a comparison.

    Args:
        comparison: Scores, settings and costs of the runs.
        tables: Tables of it, from :func:`coral_plugin.bench.cells.cell_tables`.
        pictures: Pictures by section.
        record: Command and machine behind the runs.
    """
    columns = [column.name for column in comparison.grid.columns]
    overview, of_columns = (tables[:1], tables[1:]) if len(columns) > 1 else ([], tables)
    by_column = dict(zip(columns, of_columns, strict=True))
    scores = {name: _score_table(comparison, table, [name], len(COST_HEADS)) for name, table in by_column.items()}
    results = _several(comparison, overview[0], scores) if overview else [*scores.values()]
    cost: list[PageItem] = []
    for column, table in by_column.items():
        notes = _cost_notes(comparison, column)
        alike = all(_cost_notes(comparison, other) == notes for other in columns)
        notes = [] if alike and column != columns[-1] else notes
        cost += [*([Heading(column)] if overview else []), _cost_table(comparison, table, column, notes)]
    sections = [
        PageSection("Results", results),
        PageSection(SCORES, _pictures(pictures, SCORES)),
        PageSection("Data", list(_data(comparison))),
        PageSection("Methods", [Definitions([_method(row, comparison) for row in comparison.rows])]),
        PageSection("Settings", [item for column in columns for item in _settings(comparison, column)]),
        PageSection("Cost", cost),
        PageSection(TRAINING, _pictures(pictures, TRAINING)),
        PageSection(EMBEDDINGS, _pictures(pictures, EMBEDDINGS)),
        PageSection("Failed runs", _failed(comparison)),
        PageSection("How it was made", list(made_items(record))),
    ]
    return Page(
        title_of(comparison), "Report of coral bench", findings(comparison), _facts(comparison, record), sections
    )


def _facts(comparison: Comparison, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = [row.kind for row in comparison.rows]
    counts = [counted(kinds.count("method"), "method")]
    counts += ["raw features"] if "raw features" in kinds else []
    counts += ["training with labels"] if "with labels" in kinds else []
    columns = [column.name for column in comparison.grid.columns]
    data = ", ".join(columns)
    facts = [facts for of_column in comparison.facts.values() for facts in of_column.values()]
    if len(columns) == len(facts) == 1 and facts[0]["samples"]:
        data += f": {samples_text(facts[0]['samples'])}"
    probes = dict.fromkeys(PROBES[m.probe] for m in comparison.measures if m.probe in PROBES)
    facts_shown = [
        ("compared", ", ".join(counts)),
        ("data" if len(columns) == 1 else "data sets", data),
        ("seeds", ", ".join(map(str, comparison.grid.seeds))),
        ("scored by", ", ".join(probes)),
        ("made", date_text(record.get("when"))),
    ]
    return [(name, fact) for name, fact in facts_shown if fact]


def _several(comparison: Comparison, overview: CellTable, scores: Mapping[str, PageTable]) -> list[PageItem]:
    """The overview, and below it the table of each data set that shows more than its scores."""
    table = _score_table(comparison, overview, list(scores))
    counts = {name: sum(m.column == name for m in comparison.measures) for name in scores}
    if all(len(of_column.head) == 1 + counts[name] for name, of_column in scores.items()):
        notes = [note for of_column in scores.values() for note in of_column.notes]
        return [replace(table, notes=list(dict.fromkeys([*table.notes, *notes])))]
    return [table, *(item for name, of_column in scores.items() for item in (Heading(name), of_column))]


def _score_table(comparison: Comparison, table: CellTable, columns: Sequence[str], costs: int = 0) -> PageTable:
    """A table of scores; the number of seeds has a column where it is not the same for all."""
    end = len(table.head) - costs
    places = list(range(end))
    counts = {row[table.head.index(COUNT)].text for block in table.blocks for row in block if COUNT in table.head} - {
        ""
    }
    if COUNT in table.head and len(counts) < 2:
        places.remove(table.head.index(COUNT))
    head = ["seeds" if table.head[i] == COUNT else table.head[i] for i in places]
    groups = [
        PageGroup([[_cell(row[i]) for i in places] for row in rows], label)
        for label, rows in _groups(comparison, table, columns)
    ]
    return PageTable(head, groups, table.score_notes)


def _groups(comparison: Comparison, table: CellTable, columns: Sequence[str]) -> Iterator[tuple[str, list[list[Cell]]]]:
    """``(label, rows)``: methods; raw features, training with labels and chance; published numbers."""
    kinds = {shown_name(row, comparison, columns): row for row in comparison.rows}
    rows_by_label: dict[str, list[list[Cell]]] = {}
    for block in table.blocks:
        for cells in block:
            row = kinds.get(cells[0].text)
            level = row.kind != "method" if row else cells[0].text == "chance"
            label = _LEVELS if level else _METHODS if row else _PUBLISHED
            name = _shown_title(row, cells[0].text) if row else cells[0].text
            rows_by_label.setdefault(label, []).append([Cell(name), *cells[1:]])
    yield from rows_by_label.items()


def _shown_title(row: ComparedRow, shown: str) -> str:
    """The shown name of a row, with its title in place of the name of its method."""
    title = row.method.title
    return title if row.kind == "raw features" == title else shown.replace(row.method.name, title, 1)


def _cell(cell: Cell) -> PageCell:
    marks: dict[int, Any] = {1: "best", 2: "second"}
    return PageCell(cell.text, marks.get(cell.rank or 0, ""))


def _cost_notes(comparison: Comparison, column: str) -> list[str]:
    return [cost_note(comparison, column), *sizes_note(comparison, column)]


def _cost_table(comparison: Comparison, table: CellTable, column: str, notes: Sequence[str]) -> PageTable:
    rows = {shown_name(row, comparison, [column]): row for row in comparison.rows}
    lines = []
    for cells in (cells for block in table.blocks for cells in block):
        row = rows.get(cells[0].text)
        if row is None or row.kind == "raw features":
            continue
        trainings = list(row.trainings.get(column, {}).values())
        steps, samples = _listed(t.steps for t in trainings), _listed(t.samples for t in trainings)
        lines.append(
            [PageCell(row.method.title), *map(PageCell, (steps, samples)), *map(_cell, cells[-len(COST_HEADS) :])]
        )
    head = ("method", "steps", "samples trained on", *COST_HEADS)
    known = [i for i in range(len(head)) if any(line[i].text != NO_VALUE for line in lines)]
    groups = [PageGroup([[line[i] for i in known] for line in lines])]
    return PageTable([head[i] for i in known], groups, notes)


def _listed(counts: Any) -> str:
    known = list(dict.fromkeys(count for count in counts if count is not None))
    return " / ".join(f"{count:,}" for count in known) or NO_VALUE


def _data(comparison: Comparison) -> Iterator[PageItem]:
    """The data of each column; conditions that differ in nothing that is shown are described once."""
    columns = comparison.grid.columns
    for column in columns:
        conditions: list[tuple[list[str], Mapping[str, Any]]] = []
        for condition, facts in comparison.facts.get(column.name, {}).items():
            alike = next((names for names, other in conditions if other == facts), None)
            if alike is None:
                conditions.append(([condition], facts))
            else:
                alike.append(condition)
        described: list[tuple[list[str], Mapping[str, Any] | None]] = [*conditions]
        described = described or [([""], None)]
        for names, shown in described:
            if len(columns) > 1 or names != [""]:
                yield Heading(f"{column.name}, {joined(names)}" if names != [""] else column.name)
            yield from data_items(column.dataset, column.data, shown, comparison.fingerprints.get(column.name, []))


def _method(row: ComparedRow, comparison: Comparison) -> Definition:
    """Name, sentence, preset, parameters and settings; of a method that stands in an earlier row, what differs."""
    presets = dict.fromkeys(preset_of(row.method, column.name) for column in comparison.grid.columns)
    facts = [f"preset {preset}" for preset in presets if preset]
    facts += [f"{count:,} parameters" for count in dict.fromkeys(cost.parameters for cost in row.costs.values())]
    settings, text = _method_settings(row), method_text(row.method.objective)
    first = next(other for other in comparison.rows if other.method.objective == row.method.objective)
    if first is not row:
        before = _method_settings(first)
        settings = {key: values for key, values in settings.items() if before.get(key) != values}
        text = f"As {first.method.title}{', with other settings of the method:' if settings else '.'}"
    text += " Trained further with labels." if row.method.finetune is not None else ""
    facts += [f"{key} = {_text(values)}" for key, values in settings.items()]
    return Definition(row.method.title, text, row.method.objective, facts)


def _method_settings(row: ComparedRow) -> dict[str, list[Any]]:
    """``{setting: values}`` of the method itself; of an old record only those that were chosen."""
    trainings = [training for of_column in row.trainings.values() for training in of_column.values()]
    if values := _different(training.settings.get("method") or {} for training in trainings):
        return values
    chosen = row.method.chosen.items()
    return {key.partition(".")[2]: [value] for key, value in chosen if key.startswith("method.")}


def _different(of_trainings: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """``{setting: its different values}`` over several trainings."""
    values: dict[str, list[Any]] = {}
    for settings in of_trainings:
        for key, value in settings.items():
            known = values.setdefault(key, [])
            known += [value] if value not in known else []
    return values


def _text(values: Sequence[Any] | None) -> str:
    return NO_VALUE if values is None else " / ".join(map(value_text, values))


def _settings(comparison: Comparison, column: str) -> Iterator[PageItem]:
    """A table of the settings that differ between the rows; those that all share, folded away."""
    rows = [
        row for row in comparison.rows if row.kind != "raw features" and any(m.column == column for m in row.scores)
    ]
    if not rows:
        return
    if len(comparison.grid.columns) > 1:
        yield Heading(column)
    if not all(row.trainings.get(column) for row in rows):
        yield Paragraphs(training_notes(comparison, column))
        return
    by_row = [_flat_settings(row, column) for row in rows]
    keys = list(dict.fromkeys(key for settings in by_row for key in settings))
    differing = [key for key in keys if any(settings.get(key) != by_row[0].get(key) for settings in by_row)]
    shared = {key: _text(by_row[0][key]) for key in keys if key not in differing}
    if differing:
        lines = [
            [PageCell(row.method.title), *(PageCell(_text(settings.get(key))) for key in differing)]
            for row, settings in zip(rows, by_row, strict=True)
        ]
        yield Paragraphs(["These settings differ between the methods; those of a method itself stand under Methods."])
        yield PageTable(("method", *differing), [PageGroup(lines)], words=True)
    elif len(rows) > 1:
        yield Paragraphs(
            ["The methods share all settings, but for those of a method itself, which stand under Methods."]
        )
    yield from shared_settings(shared, f"{len(shared)} settings that all methods share")


def _flat_settings(row: ComparedRow, column: str) -> dict[str, list[Any]]:
    """``{"group.key": different values over the conditions}`` of a row, without the settings of its method."""
    values = _different(flat(training.settings) for training in row.trainings[column].values())
    return {key: v for key, v in values.items() if key not in _NOT_SHOWN and key.partition(".")[0] != "method"}


def _pictures(pictures: Pictures, section: str) -> list[PageItem]:
    return [PagePicture(caption, path) for caption, path in pictures.get(section, {}).items()]


def _failed(comparison: Comparison) -> list[PageItem]:
    if not comparison.failed:
        return []
    rows = [[PageCell(label), PageCell(reason)] for label, reason in comparison.failed.items()]
    return [PageTable(("run", "reason"), [PageGroup(rows)], words=True)]
