"""Numbers that papers print, beside which ours are put."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from coral_plugin.experiments.bench.compare import Measure
from coral_plugin.experiments.bench.grid import Column

AVERAGE = "average"


@dataclass(frozen=True)
class Source:
    """One published table.

    Attributes:
        cite: Where it is printed.
        protocol: How its numbers were made.
        values: ``{(row, data set, score or ""): text as printed}``.
        modalities: ``{data set: those the numbers were made from}``, where that is not all of them.
    """

    cite: str
    protocol: str
    values: Mapping[tuple[str, str, str], str]
    modalities: Mapping[str, frozenset[str]]

    def find(self, row: str, column: Column, score: str) -> str | None:
        """The text as printed. A column goes by its own name or that of its data set; one score needs no name.

        None too where the column's modalities are not those of the number.
        """
        own = frozenset(column.modalities or ())
        if self.modalities.get(column.dataset, own) != own:
            return None
        for name in (column.name, column.dataset):
            for each in (score, ""):
                if (text := self.values.get((row, name, each))) is not None:
                    return text
        return None


class Beside:
    """Looks numbers up in several tables, the first of which that has one gives it, and numbers those it used.

    Args:
        names: Of the tables.
        columns: Of the grid.
    """

    def __init__(self, names: Sequence[str], columns: Iterable[Column]) -> None:
        self._sources = [sources()[name] for name in names]
        self._columns = {column.name: column for column in columns}
        self.used: list[Source] = []

    def __call__(self, row: str, measure: Measure) -> str | None:
        """The text as printed with the mark of its source; None where there is no number."""
        for source in self._sources:
            if (text := source.find(row, self._columns[measure.column], measure.score)) is not None:
                return self._marked(source, text)
        return None

    def average(self, row: str) -> str | None:
        """The printed average over the data sets, if all of them are those of one table."""
        for source in self._sources:
            text = source.values.get((row, AVERAGE, ""))
            datasets = {dataset for _, dataset, _ in source.values} - {AVERAGE}
            if text is not None and datasets == set(self._columns):
                return self._marked(source, text)
        return None

    def _marked(self, source: Source, text: str) -> str:
        if source not in self.used:
            self.used.append(source)
        return f"{text} [{self.used.index(source) + 1}]"


@cache
def sources() -> Mapping[str, Source]:
    """Every published table that comes with the package, by name."""
    return MappingProxyType({name: _source(entry) for name, entry in read_data("published.yaml").items()})


def covering(datasets: Iterable[str]) -> tuple[str, ...]:
    """Names of the tables that have numbers on one of these data sets, in the order of the file."""
    wanted = set(datasets)
    return tuple(name for name, source in sources().items() if wanted & {dataset for _, dataset, _ in source.values})


def read_data(name: str) -> dict[str, Any]:
    """The mapping in a YAML file of this room."""
    text = files("coral_plugin.experiments.bench").joinpath(name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _source(entry: Mapping[str, Any]) -> Source:
    values = {}
    for row, cells in entry["rows"].items():
        for column, text in zip(entry["columns"], cells, strict=True):
            dataset, _, score = column.partition("/")
            values[row, dataset, score] = text
    modalities = {name: frozenset(those) for name, those in entry.get("modalities", {}).items()}
    return Source(entry["cite"], entry["protocol"], values, modalities)
