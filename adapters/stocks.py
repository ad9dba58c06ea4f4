"""Stocks: tomorrow's volatility of one of them, by the last 500 days of all of them, from one CSV per symbol."""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.files import read_bytes, read_text
from coral_plugin.io.sniff import require_kind
from coral_plugin.registry import suggest

from .shared import require_folder, with_progress

_CUTS = (3200, 3700)  # samples at which MultiBench ends train and valid
_SHARES = (0.7, 0.8)  # where there are fewer
# what Yahoo writes for a day without trade, and others for no value
_NO_PRICE = frozenset({"", "null", "nan", "none", "-", "n/a"})

Prices = dict[datetime.date, float]


@dataclass(frozen=True, kw_only=True)
class StocksSettings:
    """How the prices become samples.

    Attributes:
        inputs: Symbols that are modalities, in this order; none takes all files of the folder.
        target: Symbol whose volatility is predicted; none takes the first of the inputs.
        column: Column of the prices.
        window: Number of days per sample.
        levels: Number of steps to which the returns of each sample are rounded between their least and greatest, as
            MultiBench does; 0 leaves them alone.
        valid_from: First sample of valid; 0 takes MultiBench's 3200, and 70 % where there are too few for it.
        test_from: First sample of test; 0 takes 3700, or 80 %.
    """

    inputs: tuple[str, ...] = ()
    target: str = ""
    column: str = "Open"
    window: int = 500
    levels: int = 25
    valid_from: int = 0
    test_from: int = 0

    def __post_init__(self) -> None:
        if len(set(self.inputs)) != len(self.inputs) or len(self.inputs) == 1:
            raise InputError(f"inputs must be two different symbols or more, got {', '.join(self.inputs)}.")
        if self.window < 2:
            raise InputError(f"window must be at least 2 days, got {self.window}.")
        if min(self.levels, self.valid_from, self.test_from) < 0:
            raise InputError("levels, valid_from and test_from cannot be negative.")
        if (self.valid_from or self.test_from) and not 0 < self.valid_from < self.test_from:
            raise InputError(f"valid_from must come before test_from, got {self.valid_from} and {self.test_from}.")


class Stocks(DatasetAdapter):
    """Stocks (MultiBench's finance data): how much one of them moves tomorrow, by the last 500 days of all of them."""

    name = "stocks"
    source = "daily prices of any provider, in MultiBench those of Yahoo: https://finance.yahoo.com"
    licence = "terms of the provider"
    Settings = StocksSettings
    # the size of the moves is what is predicted: they are not scaled
    recipe: ClassVar[Mapping[str, Any]] = {"augmentations": "drop+noise"}
    expects = "a folder of stocks (SYMBOL.csv with the columns Date and Open, as Yahoo has them)"

    @classmethod
    def read(cls, path: str, settings: StocksSettings) -> MultimodalData:
        """Log returns of each stock (500, 1) and the square of the target's next one, in the order of time.

        Returns are divided by their standard deviation over all stocks and all days of train, targets by theirs in
        train, as in MultiBench. Windows overlap, and those of test begin in days of train; no day is predicted twice.
        Days that one of the stocks lacks are left out.

        Raises:
            InputError: a file that is missing or damaged, or too few days.
        """
        files = _files_of_symbols(require_folder(path, cls.expects), settings.inputs)
        symbols = list(files)
        target = settings.target or symbols[0]
        if target not in files:
            raise suggest(target, symbols, "target among the inputs")
        prices, dropped = _common_days(
            {symbol: _prices(files[symbol], settings.column) for symbol in with_progress(symbols, "stocks")}, path
        )
        notes = [] if settings.target else [f"the volatility of {target} is predicted (--source.target)"]
        if dropped:
            notes.append(f"{dropped} days are left out, on which some of the stocks have no price")
        single = torch.tensor(prices, dtype=torch.float32)
        returns = torch.log(single[1:] / single[:-1])
        cuts = _cuts(len(returns) - settings.window, settings, path)
        values, squares = _samples(returns, symbols.index(target), settings, cuts[0])
        task = Task(name="volatility", kind="regression", classes=(target,))
        splits = {
            label: Split(
                {
                    symbol: ModalityColumn(values[rows, :, index : index + 1].contiguous())
                    for index, symbol in enumerate(symbols)
                },
                {task.name: squares[rows]},
            )
            for label, rows in zip(SPLITS, (slice(0, cuts[0]), slice(*cuts), slice(cuts[1], None)), strict=True)
        }
        modalities = (Modality(name=symbol, kind="timeseries", shape=(settings.window, 1)) for symbol in symbols)
        notes.append(f"{len(values)} samples of {settings.window} days; valid from {cuts[0]}, test from {cuts[1]}")
        return cls.assemble(modalities, (task,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """A folder of stocks, or one of its files."""
        if candidate.kind == "folder":
            files = [path for path in sorted(candidate.path.iterdir()) if _is_stock(path)]
        else:
            files = [candidate.path] if candidate.kind == "text" and _is_stock(candidate.path) else []
        if not files:
            return None
        prices = {path.stem: _prices(path, "Open") for path in files}
        common, dropped = _common_days(prices, str(candidate.path))
        notes = [f"{len(common)} days are common to all, {dropped} are not"] if len(files) > 1 else []
        if candidate.kind == "text":
            notes.append("--data takes the folder that has two of them or more")
        arrays = {symbol: torch.tensor(list(days.values())).numpy() for symbol, days in prices.items()}
        return Inspection(f"stocks ({', '.join(prices)})", (cls.name,), arrays, notes=tuple(notes))


def _samples(returns: Tensor, target: int, settings: StocksSettings, train: int) -> tuple[Tensor, Tensor]:
    """Windows ``(N, window, k)`` of scaled returns, and the scaled square ``(N,)`` of the return that follows each.

    Args:
        returns: ``(days, k)``.
        target: Index of the stock that is predicted.
        settings: Window and levels.
        train: Number of samples of train, whose days scale the returns.
    """
    window = settings.window
    squares = returns[window:, target].square()
    scaled = returns / returns[: window + train].std()
    values = scaled.unfold(0, window, 1)[:-1].transpose(1, 2)  # (N, window, k)
    if settings.levels:
        low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
        steps = ((values - low) * settings.levels / (high - low)).round()
        values = torch.where(high > low, steps * (high - low) / settings.levels + low, values)
    return values, squares / squares[:train].std()


def _cuts(count: int, settings: StocksSettings, place: str) -> tuple[int, int]:
    """First samples of valid and of test."""
    if settings.valid_from:
        cuts = (settings.valid_from, settings.test_from)
    elif count > _CUTS[1] + 1:
        cuts = _CUTS
    else:
        cuts = (int(count * _SHARES[0]), int(count * _SHARES[1]))
    if not 2 <= cuts[0] < cuts[1] < count:  # a standard deviation takes two samples
        raise InputError(
            f"{place} gives {max(count, 0)} samples of {settings.window} days, which cannot be cut at {cuts[0]} and "
            f"{cuts[1]}; set --source.window lower, or give more days."
        )
    return cuts


def _is_stock(path: Path) -> bool:
    """Whether a file begins as the CSV of a stock does."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    head = read_bytes(path, 500).decode("utf-8-sig", "replace").partition("\n")[0]
    return {"date", "open"} <= {cell.strip().strip('"').lower() for cell in head.split(",")}


def _files_of_symbols(folder: Path, inputs: Sequence[str]) -> dict[str, Path]:
    """``{symbol: file}`` of the inputs in their order, or of all CSV files in alphabetical order.

    Raises:
        InputError: a symbol without a file, or fewer than two.
    """
    present = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".csv"}
    if missing := [symbol for symbol in inputs if symbol not in present]:
        raise InputError(f"{folder} has no {missing[0]}.csv; it has {', '.join(islice(present, 12)) or 'no CSV file'}.")
    names = list(inputs) or list(present)
    if len(names) < 2:
        raise InputError(
            f"{folder} has {len(names)} files {'.csv' if names else 'of stocks'}; two are needed. "
            f"Expected {Stocks.expects}."
        )
    return {symbol: present[symbol] for symbol in names}


def _prices(path: Path, column: str) -> Prices:
    """``{day: price}`` of one file, without the days that have none.

    Raises:
        InputError: another kind of file, no such column, or a row that is no day with a positive price.
    """
    require_kind(path, "text", Stocks.expects)
    try:
        rows = list(csv.reader(read_text(path).splitlines()))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table ({error}).") from error
    head = [cell.strip().lower() for cell in rows[0]]
    if missing := [name for name in ("Date", column) if name.lower() not in head]:
        present = ", ".join(rows[0])[:200]
        raise InputError(f"{path} has no column {missing[0]}; it has {present}. Expected {Stocks.expects}.")
    day_index, price_index = head.index("date"), head.index(column.lower())
    prices: Prices = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(head):
            raise InputError(f"{path}: line {number} has {len(row)} cells, the first has {len(head)}; it is cut off.")
        day, price = _parse_day(row[day_index]), _parse_price(row[price_index])
        if day is None or (price is not None and not (price > 0 and math.isfinite(price))):
            raise InputError(f"{path}: line {number} is no day with a positive price: {','.join(row)[:80]!r}.")
        if day in prices:
            raise InputError(f"{path}: line {number} gives {day} twice.")
        if price is not None:
            prices[day] = price
    return prices


def _common_days(prices: Mapping[str, Prices], place: str) -> tuple[np.ndarray, int]:
    """Prices ``(days, stocks)`` of the days on which all have one, and the number of days that some lack.

    Raises:
        InputError: there is no such day.
    """
    days = sorted(set.intersection(*map(set, prices.values())))
    if not days:
        raise InputError(f"{place}: there is no day on which {', '.join(prices)} all have a price.")
    dropped = len(set.union(*map(set, prices.values()))) - len(days)
    return np.array([[stock[day] for stock in prices.values()] for day in days]), dropped


def _parse_day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text.strip()[:10])  # some append the time of day
    except ValueError:
        return None


def _parse_price(text: str) -> float | None:
    if text.strip().lower() in _NO_PRICE:
        return None
    try:
        return float(text)
    except ValueError:
        return math.nan
