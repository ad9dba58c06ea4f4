"""Stocks on disk: one CSV a symbol, a row a trading day, as Yahoo and others give them for download."""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.io.files import read_bytes, read_text
from coral_plugin.io.sniff import FILE_KINDS, sniff

WHAT = "a folder of stocks (SYMBOL.csv with the columns Date and Open, as Yahoo has them)"
# what Yahoo writes for a day without trade, and others for no value
_NONE = frozenset({"", "null", "nan", "none", "-", "n/a"})


def is_stock(path: Path) -> bool:
    """Whether a file begins as the CSV of a stock does."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    head = read_bytes(path, 500).decode("utf-8-sig", "replace").partition("\n")[0]
    return {"date", "open"} <= {cell.strip().strip('"').lower() for cell in head.split(",")}


def files_of(folder: Path, wanted: Sequence[str]) -> dict[str, Path]:
    """``{symbol: file}``: those that are asked for in their order, or all that are stocks in alphabetical order.

    Raises:
        InputError: a symbol without a file, or fewer than two.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Expected {WHAT}.")
    there = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".csv"}
    if missing := [symbol for symbol in wanted if symbol not in there]:
        raise InputError(f"{folder} has no {missing[0]}.csv; it has {', '.join(islice(there, 12)) or 'no CSV file'}.")
    names = list(wanted) or list(there)
    if len(names) < 2:
        raise InputError(
            f"{folder} has {len(names)} files {'.csv' if names else 'of stocks'}; two are needed. Expected {WHAT}."
        )
    return {symbol: there[symbol] for symbol in names}


def prices_of(path: Path, column: str) -> dict[datetime.date, float]:
    """``{day: price}`` of one file, without the days that have none.

    Raises:
        InputError: another kind of file, no such column, or a row that is no day with a positive price.
    """
    if (kind := sniff(path)) != "text":
        raise InputError(f"{path} is {FILE_KINDS[kind]}. Expected {WHAT}.")
    try:
        rows = list(csv.reader(read_text(path).splitlines()))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table ({error}).") from error
    head = [cell.strip().lower() for cell in rows[0]]
    if lacking := [name for name in ("Date", column) if name.lower() not in head]:
        raise InputError(f"{path} has no column {lacking[0]}; it has {', '.join(rows[0])[:200]}. Expected {WHAT}.")
    day_at, price_at = head.index("date"), head.index(column.lower())
    found: dict[datetime.date, float] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(head):
            raise InputError(f"{path}: line {number} has {len(row)} cells, the first has {len(head)}; it is cut off.")
        day, price = _day(row[day_at]), _price(row[price_at])
        if day is None or (price is not None and not (price > 0 and math.isfinite(price))):
            raise InputError(f"{path}: line {number} is no day with a positive price: {','.join(row)[:80]!r}.")
        if day in found:
            raise InputError(f"{path}: line {number} gives {day} twice.")
        if price is not None:
            found[day] = price
    return found


def together(prices: Mapping[str, Mapping[datetime.date, float]], where: str) -> tuple[np.ndarray, int]:
    """``(days, stocks)`` of the days on which all of them have a price, and how many days some of them lack.

    Raises:
        InputError: there is no such day.
    """
    days = sorted(set.intersection(*(set(own) for own in prices.values())))
    if not days:
        raise InputError(f"{where}: there is no day on which {', '.join(prices)} all have a price.")
    lost = len(set.union(*(set(own) for own in prices.values()))) - len(days)
    return np.array([[own[day] for own in prices.values()] for day in days]), lost


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text.strip()[:10])  # some append the time of day
    except ValueError:
        return None


def _price(text: str) -> float | None:
    if text.strip().lower() in _NONE:
        return None
    try:
        return float(text)
    except ValueError:
        return math.nan
