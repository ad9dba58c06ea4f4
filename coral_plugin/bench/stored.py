"""A comparison read from the ``table.json`` of a record, to write its tables anew without any run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from coral_plugin.bench.cells import CellTable
from coral_plugin.bench.comparison import (
    ComparedRow,
    Comparison,
    Cost,
    Measure,
    PublishedNumbers,
    RowKind,
    Score,
    Training,
)
from coral_plugin.bench.formats import TABLE_SCHEMA
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow
from coral_plugin.bench.page import EMBEDDINGS
from coral_plugin.bench.pictures import PICTURES
from coral_plugin.bench.ranking import ranked
from coral_plugin.bench.report import TABLE_FILE, write_report
from coral_plugin.errors import CoralError, InputError
from coral_plugin.io.files import read_json
from coral_plugin.runs.environment import ENVIRONMENT

_Read = TypeVar("_Read")
_NO_TITLE = "Benchmark"  # what earlier versions called every grid without a title
_KINDS: dict[str, RowKind] = {
    "method": "method", "raw features": "raw features", "with labels": "with labels",
    "floor": "raw features", "ceiling": "with labels",  # schema 1
}  # fmt: skip


def redraw(folder: Path, look_up: Callable[[Sequence[str] | None, Comparison], PublishedNumbers]) -> list[CellTable]:
    """Write tables, pictures and report of a record in today's form, from the values that it holds.

    Ranks and tests are computed anew. The captions name what the record does not hold (schema 1 has no settings, steps
    and widths of its rows). ``environment.json`` stays that of the runs.

    Args:
        folder: Folder with ``table.json`` and ``environment.json``, as ``coral bench --record`` leaves it.
        look_up: Maker of the published numbers from the names of the tables that the record lists, None where it lists
            none.

    Raises:
        InputError: no record, or one that cannot be read.
    """
    stored = _read_table(folder)
    comparison, published = _understood(folder, _comparison, stored)
    record = read_json(folder / ENVIRONMENT)
    if not isinstance(record, dict) or not record.get("command"):
        raise InputError(f"{folder / ENVIRONMENT} does not hold the command of a record.")
    pictures = _understood(folder, partial(_pictures, folder), stored)
    return write_report(folder, comparison, partial(look_up, published), pictures, record)


def _read_table(folder: Path) -> dict[str, Any]:
    path = folder / TABLE_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no {TABLE_FILE}: give the folder of a record of coral bench.")
    stored = read_json(path)
    if not isinstance(stored, dict) or stored.get("schema") not in range(1, TABLE_SCHEMA + 1):
        raise InputError(f"{path} is no table of coral bench that this version reads (schema 1 to {TABLE_SCHEMA}).")
    return stored


def _understood(folder: Path, read: Callable[[Mapping[str, Any]], _Read], stored: Mapping[str, Any]) -> _Read:
    """What ``read`` makes of a table; an error in one line where it is damaged."""
    try:
        return read(stored)
    except CoralError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{folder / TABLE_FILE} is damaged ({type(error).__name__}: {error}); take it from a complete record."
        ) from error


def _pictures(folder: Path, stored: Mapping[str, Any]) -> dict[str, dict[str, Path]]:
    """The pictures that need the runs and are kept with the record; those that are lost are left out."""
    listed = stored.get("pictures") or {
        EMBEDDINGS: {
            path.stem.replace("-", " "): path.name
            for path in sorted((folder / PICTURES).glob("*-embeddings-seed-*.png"))
        }
    }
    present = {
        section: {
            caption: path for caption, name in drawn.items() if (path := folder / PICTURES / Path(name).name).is_file()
        }
        for section, drawn in listed.items()
    }
    return {section: drawn for section, drawn in present.items() if drawn}


def _comparison(stored: Mapping[str, Any]) -> tuple[Comparison, tuple[str, ...] | None]:
    columns = tuple(_column(name, column) for name, column in stored["columns"].items())
    rows = [_compared(row) for row in stored["rows"]]
    grid = Grid(
        rows=tuple(row.method for row in rows),
        columns=columns,
        seeds=tuple(stored["seeds"]),
        title="" if stored["title"] == _NO_TITLE else stored["title"],
    )
    places = [column.name for column in columns]
    measures = dict.fromkeys(measure for row in rows for measure in row.scores)
    in_order = tuple(sorted(measures, key=lambda measure: places.index(measure.column)))
    comparison = Comparison(
        grid,
        in_order,
        ranked(rows, in_order),
        stored["failed"],
        {name: column["fingerprints"] for name, column in stored["columns"].items()},
        {name: tuple(names) for name, column in stored["columns"].items() if (names := column["modalities"])},
        {name: facts for name, column in stored["columns"].items() if (facts := column.get("facts"))},
    )
    published = stored.get("published_tables")
    return comparison, None if published is None else tuple(published)


def _column(name: str, stored: Mapping[str, Any]) -> DatasetColumn:
    return DatasetColumn(
        name=name,
        dataset=stored["dataset"],
        data=stored["data"],
        modalities=tuple(stored["modalities"]) if stored["modalities"] else None,
        chosen=stored["chosen"],
        conditions=stored.get("conditions", {"": {}}),
        papers_data=stored.get("papers_data", False),
    )


def _compared(stored: Mapping[str, Any]) -> ComparedRow:
    keys = ("name", "objective", "preset", "presets", "chosen", "by_column", "finetune")
    return ComparedRow(
        MethodRow(**{key: stored[key] for key in keys}),
        _KINDS[stored["kind"]] if stored["finetune"] is None else "with labels",  # earlier versions: a method
        dict(map(_score, stored["scores"])),
        {name: Cost(**cost) for name, cost in stored["cost"].items()},
        {
            column: {condition: Training(**training) for condition, training in conditions.items()}
            for column, conditions in stored.get("trainings", {}).items()
        },
        stored.get("widths", {}),
        stored.get("matched_widths", {}),
    )


def _score(stored: Mapping[str, Any]) -> tuple[Measure, Score]:
    keys = ("column", "score", "metric", "chance", "unit", "probe")
    measure = Measure(**{key: stored[key] for key in keys if key in stored})
    return measure, Score(_by_seed(stored["values"]), matched=_by_seed(stored.get("matched", {})))


def _by_seed(values: Mapping[str, float]) -> dict[int, float]:
    return {int(seed): value for seed, value in values.items()}
