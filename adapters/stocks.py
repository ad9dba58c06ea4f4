"""Stocks: how much will one of them move tomorrow, by the last 500 days of all of them (MultiBench's finance data)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

from .progress import shown
from .stocks_layout import WHAT, files_of, is_stock, prices_of, together

_CUTS = (3200, 3700)  # samples at which MultiBench ends train and valid
_SHARES = (0.7, 0.8)  # where there are fewer


@dataclass(frozen=True, kw_only=True)
class StocksSettings:
    """How the prices become samples.

    Attributes:
        inputs: Symbols, each a modality, in this order; all files of the folder where none is named.
        target: Symbol whose volatility is predicted; the first of the inputs where none is named.
        column: Of the prices.
        window: Days of a sample.
        levels: Steps to which each sample's returns are rounded between their least and their greatest, as MultiBench
            does; 0 leaves them alone.
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
    # how far prices move is what is predicted: they are not scaled
    recipe: ClassVar[Mapping[str, Any]] = {"augmentations": "drop+noise"}
    expects = WHAT

    @classmethod
    def read(cls, path: str, settings: StocksSettings) -> MultimodalData:
        """Log returns of each stock (500, 1) and the square of the target's next one, in the order of time.

        Returns are divided by their standard deviation over all stocks and all days of train, targets by theirs in
        train, as in MultiBench. Windows overlap, and those of test begin in days of train; no day is predicted twice.

        Args:
            path: Of a folder with one CSV a symbol. Days that one of the stocks lacks are left out.
            settings: Which stocks, and how they are cut.

        Raises:
            InputError: no path, a file that is missing or damaged, or too few days.
        """
        files = files_of(Path(path), settings.inputs)
        symbols = list(files)
        target = settings.target or symbols[0]
        if target not in files:
            raise suggest(target, symbols, "target among the inputs")
        prices, lost = together(
            {each: prices_of(files[each], settings.column) for each in shown(symbols, "stocks")}, path
        )
        notes = [] if settings.target else [f"the volatility of {target} is predicted (--source.target)"]
        if lost:
            notes.append(f"{lost} days are left out, on which some of the stocks have no price")
        single = torch.tensor(prices, dtype=torch.float32)
        returns = torch.log(single[1:] / single[:-1])
        cuts = _cuts(len(returns) - settings.window, settings, path)
        values, squares = samples(returns, symbols.index(target), settings, cuts[0])
        task = Task(name="volatility", kind="regression", classes=(target,))
        splits = {
            label: Split(
                {each: ModalityColumn(values[rows, :, at : at + 1].contiguous()) for at, each in enumerate(symbols)},
                {task.name: squares[rows]},
            )
            for label, rows in zip(SPLITS, (slice(0, cuts[0]), slice(*cuts), slice(cuts[1], None)), strict=True)
        }
        modalities = (Modality(name=each, kind="timeseries", shape=(settings.window, 1)) for each in symbols)
        notes.append(f"{len(values)} samples of {settings.window} days; valid from {cuts[0]}, test from {cuts[1]}")
        return cls.assemble(modalities, (task,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """What ``coral data check`` says of a folder of stocks, or of one of them; None for anything else."""
        if candidate.kind == "folder":
            files = [path for path in sorted(candidate.path.iterdir()) if is_stock(path)]
        else:
            files = [candidate.path] if candidate.kind == "text" and is_stock(candidate.path) else []
        if not files:
            return None
        prices = {path.stem: prices_of(path, "Open") for path in files}
        whole, lost = together(prices, str(candidate.path))
        notes = [f"{len(whole)} days are common to all, {lost} are not"] if len(files) > 1 else []
        if candidate.kind == "text":
            notes.append("--data takes the folder that has two of them or more")
        arrays = {symbol: torch.tensor(list(own.values())).numpy() for symbol, own in prices.items()}
        return Inspection(f"stocks ({', '.join(prices)})", ("stocks",), arrays, notes=tuple(notes))


def samples(returns: Tensor, target: int, settings: StocksSettings, train: int) -> tuple[Tensor, Tensor]:
    """Windows ``(N, window, k)`` of scaled returns, and the scaled square ``(N,)`` of the return that follows each.

    Args:
        returns: ``(days, k)``.
        target: Column that is predicted.
        settings: Window and levels.
        train: Samples of train, by which is scaled.
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


def _cuts(count: int, settings: StocksSettings, where: str) -> tuple[int, int]:
    """First samples of valid and of test."""
    if settings.valid_from:
        cuts = (settings.valid_from, settings.test_from)
    elif count > _CUTS[1] + 1:
        cuts = _CUTS
    else:
        cuts = (int(count * _SHARES[0]), int(count * _SHARES[1]))
    if not 2 <= cuts[0] < cuts[1] < count:  # two samples have a deviation
        raise InputError(
            f"{where} gives {max(count, 0)} samples of {settings.window} days, which cannot be cut at {cuts[0]} and "
            f"{cuts[1]}; set --source.window lower, or give more days."
        )
    return cuts
