"""The grids of ``targets.yaml``, which reproduce tables and figures, and the data that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow, Reading
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS, OBJECTIVES, suggest
from coral_plugin.reproduce.published import read_data
from coral_plugin.reproduce.trifeature import PAPER, SMALL, trifeature_column

ScaleName = Literal["paper", "small"]
TRIFEATURE = {"paper": PAPER, "small": SMALL}


@dataclass(frozen=True, kw_only=True)
class PaperTarget:
    """A table or figure of a paper as a grid.

    Attributes:
        name: Name on the command line.
        grid: Rows, columns, seeds.
        published: Names of the published tables whose numbers may be shown beside its own.
        embeddings: Whether the densities of the embeddings are drawn.
        partial: Whether data sets without files are left out.
    """

    name: str
    grid: Grid
    published: tuple[str, ...]
    embeddings: bool
    partial: bool = False


@cache
def _declared() -> dict[str, Any]:
    """The content of ``targets.yaml``.

    Raises:
        InputError: a data set without the scores and tasks that a table shows.
    """
    declared = read_data("targets.yaml")
    for name, column in declared["columns"].items():
        readings = column.get("readings") or {}
        if not readings or any("task" not in reading for reading in readings.values()):
            raise InputError(f"targets.yaml: column {name} needs readings, each with its task.")
    return declared


def titles() -> dict[str, str]:
    """``{name: title}`` of every target."""
    return {name: entry["title"] for name, entry in _declared()["targets"].items()}


@cache
def grids_for(source: str) -> tuple[Grid, ...]:
    """The grids, at the scale of the papers, beside which the numbers of a published table may be shown."""
    targets = _declared()["targets"]
    return tuple(target(name).grid for name, entry in targets.items() if source in entry.get("published", ()))


def backbone(column: str) -> str:
    """Differences of our default encoders and their inputs from those of a column's published numbers, in words."""
    return str(_declared()["columns"][column].get("backbone", ""))


def needs_files(column: str) -> bool:
    """Whether a column reads files, whose origin only the user knows; others are generated."""
    return "needs" in _declared()["columns"][column]


def target(
    name: str,
    scale: ScaleName = "paper",
    *,
    data: Mapping[str, str] | None = None,
    datasets: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    chosen: Mapping[str, Any] | None = None,
    papers_data: Sequence[str] = (),
) -> PaperTarget:
    """A target as a grid, perhaps cut down.

    Args:
        name: See :func:`titles`.
        scale: ``paper``, or ``small`` for a machine without a GPU.
        data: ``{data set: path}``.
        datasets: Columns of the target, or any registered data sets, in place of all its columns.
        rows: Names of the rows to keep; None keeps all.
        seeds: Seeds in place of the target's.
        chosen: ``{"group.key": value}`` over everything that is declared.
        papers_data: Data sets whose files the user declares to be those of the papers.

    Raises:
        UnknownNameError: no such target, row or data set.
    """
    targets = _declared()["targets"]
    if name not in targets:
        raise suggest(name, list(targets), "target")
    entry, common = targets[name], _declared()["defaults"]
    for row in rows or ():
        if row not in entry["rows"]:
            raise suggest(row, list(entry["rows"]), f"row of {name}")
    small = common["small"] if scale == "small" else {}
    wanted = datasets or entry["columns"]
    scaled = small.get("chosen", {}) if small else common["paper"]
    pairing = (chosen or {}).get("source.pairing")
    columns = [_column(key, scale, data or {}, scaled, key in papers_data, pairing) for key in wanted]
    built = [_row(key, entry["rows"][key], chosen or {}, wanted, small) for key in rows or entry["rows"]]
    if unused := [key for key in data or {} if key not in {n for c in columns for n in (c.name, c.dataset)}]:
        raise suggest(unused[0], [column.name for column in columns], "data set behind --data")
    if strange := [key for key in papers_data if key not in {column.name for column in columns}]:
        raise suggest(strange[0], [column.name for column in columns], "data set behind --papers-data")
    title = entry["title"] + (" (small scale)" if scale == "small" else "")
    chosen_seeds = seeds or small.get("seeds") or entry.get("seeds") or common["seeds"]
    grid = Grid(rows=tuple(built), columns=tuple(columns), seeds=tuple(chosen_seeds), title=title)
    return PaperTarget(
        name=name,
        grid=grid,
        published=tuple(entry.get("published", ())),
        embeddings=entry.get("embeddings", False),
        partial=entry.get("partial", False),
    )


def missing(grid: Grid) -> list[str]:
    """Reasons why a grid cannot be run: a line for the methods, and one per source of missing data."""
    lines = []
    if absent := sorted({row.objective for row in grid.rows} - set(OBJECTIVES.names())):
        lines.append(f"no objective {', '.join(absent)} is installed: leave its rows out with --rows")
    by_place: dict[str, list[str]] = {}
    for column in grid.columns:
        known = _declared()["columns"].get(column.name, {})
        file = known.get("needs", "")
        if column.dataset not in DATASETS.names():
            why = f"{column.name} ({file}{'; ' if file else ''}no adapter {column.dataset!r} is installed)"
        elif file and column.data is None:
            why = f"{column.name} ({file}; --data {column.name}=PATH)"
        else:
            continue
        by_place.setdefault(known.get("from", ""), []).append(why)
    return lines + [f"{', '.join(files)}{f': from {place}' if place else ''}" for place, files in by_place.items()]


def available(wanted: PaperTarget) -> tuple[PaperTarget, list[str]]:
    """A partial target with the data sets that are here, where any are, and the names of those left out."""
    absent = [column.name for column in wanted.grid.columns if missing(replace(wanted.grid, columns=(column,)))]
    if not wanted.partial or len(absent) == len(wanted.grid.columns):
        return wanted, []
    columns = tuple(column for column in wanted.grid.columns if column.name not in absent)
    return replace(wanted, grid=replace(wanted.grid, columns=columns)), absent


def require(grid: Grid, name: str) -> None:
    """Refuse a grid that cannot be run here.

    Raises:
        InputError: data or objectives are missing; the message lists all of them.
    """
    if lines := missing(grid):
        raise InputError(
            f"{name} needs what is not here. {'. '.join(lines)}. "
            "--datasets takes those that you have, --dry-run shows the grid."
        )


def _row(
    name: str, entry: Mapping[str, Any], chosen: Mapping[str, Any], columns: Sequence[str], small: Mapping[str, Any]
) -> MethodRow:
    def scaled(declared: Mapping[str, Any]) -> dict[str, Any]:
        # the epochs of a paper mean nothing at a small scale
        return {key: value for key, value in declared.items() if not (small and key == "training.epochs")}

    return MethodRow(
        name=name,
        objective=entry.get("objective", name),
        preset=entry.get("preset"),
        presets=entry.get("presets", {}),
        chosen=scaled(entry.get("chosen", {})),
        finetune={**entry["finetune"], **small.get("finetune", {})} if "finetune" in entry else None,
        by_column={column: {**scaled(entry.get("by_column", {}).get(column, {})), **chosen} for column in columns},
    )


def _column(
    name: str,
    scale: ScaleName,
    data: Mapping[str, str],
    scaled: Mapping[str, Any],
    papers_data: bool,
    pairing: str | None,
) -> DatasetColumn:
    declared = _declared()["columns"].get(name)
    if declared is None:
        declared = {"dataset": name}
        if name not in DATASETS.names():
            raise suggest(name, sorted({*DATASETS.names(), *_declared()["columns"]}), "data set")
    if declared["dataset"] == "trifeature":
        if name in data:
            raise InputError(f"--data {name}=...: the pairs of trifeature are generated; leave it out.")
        column = trifeature_column(TRIFEATURE[scale], name, pairing)
        return replace(column, chosen={**column.chosen, **scaled}) if scale == "paper" else column
    modalities = declared.get("modalities")
    return DatasetColumn(
        name=name,
        dataset=declared["dataset"],
        data=data.get(name, data.get(declared["dataset"])),
        modalities=tuple(modalities) if modalities else None,
        chosen={**declared.get("chosen", {}), **scaled},
        readings={key: Reading(**value) for key, value in declared.get("readings", {}).items()},
        papers_data=papers_data,
    )
