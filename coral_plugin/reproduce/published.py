"""The numbers that papers print, from ``published.yaml``; :mod:`.protocol` decides which may be shown beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from coral_plugin.bench.comparison import AVERAGE
from coral_plugin.errors import InputError


@dataclass(frozen=True)
class PublishedTable:
    """One published table.

    Attributes:
        cite: Paper and number of the table.
        protocol: Protocol of its numbers, in words.
        values: ``{(row, column of targets.yaml, score): text as printed}``; the average has no score.
        apart: ``{(row, column): reason}`` of numbers of another method, metric or protocol than the rest of the table;
            they are shown beside none of ours.
    """

    cite: str
    protocol: str
    values: Mapping[tuple[str, str, str], str]
    apart: Mapping[tuple[str, str], str] = field(default_factory=dict)


@cache
def published_tables() -> Mapping[str, PublishedTable]:
    """Every published table that comes with the package, by name.

    Raises:
        InputError: a table has a column without a reading in targets.yaml, or with several and names none.
    """
    readings = {
        name: tuple(column.get("readings", ())) for name, column in read_data("targets.yaml")["columns"].items()
    }
    return MappingProxyType(
        {name: parse_table(name, entry, readings) for name, entry in read_data("published.yaml").items()}
    )


def covering(datasets: Iterable[str]) -> tuple[str, ...]:
    """Names of the tables that have numbers on one of these data sets, in the order of the file."""
    wanted, columns = set(datasets), read_data("targets.yaml")["columns"]
    return tuple(
        name
        for name, source in published_tables().items()
        if any(columns[column]["dataset"] in wanted for _, column, _ in source.values if column != AVERAGE)
    )


def read_data(name: str) -> dict[str, Any]:
    """The mapping in a YAML file of this room."""
    text = files("coral_plugin.reproduce").joinpath(name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def parse_table(name: str, entry: Mapping[str, Any], readings: Mapping[str, tuple[str, ...]]) -> PublishedTable:
    """A published table from its entry.

    Args:
        name: Name of the table, for messages.
        entry: Entry in ``published.yaml``.
        readings: ``{column: names of its scores}``; a column of several names one of them as ``COLUMN/SCORE``.

    Raises:
        InputError: a column that has no such reading, or several and names none.
    """
    keys = []
    for text in entry["columns"]:
        column, _, score = text.partition("/")
        known = readings.get(column, ())
        if column != AVERAGE:
            score = score or (known[0] if len(known) == 1 else "")
            if score not in known:
                raise InputError(
                    f"published.yaml, {name}: {text!r} names no reading of targets.yaml; {column} has "
                    f"{', '.join(known) or 'none'}."
                )
        keys.append((column, score))
    values = {(row, *key): text for row, cells in entry["rows"].items() for key, text in zip(keys, cells, strict=True)}
    named = entry.get("apart", {"rows": (), "columns": ()})
    apart = {(row, column): named["because"] for row in named["rows"] for column in named["columns"]}
    return PublishedTable(entry["cite"], entry["protocol"], values, apart)
