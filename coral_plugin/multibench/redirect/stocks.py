"""Stock prices: a folder of ``SYMBOL.csv`` in place of Yahoo's interface of 2021, which no longer exists."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

from coral_plugin.errors import InputError
from coral_plugin.io.files import read_text
from coral_plugin.multibench.redirect.request import ArgumentChange, DataRequest

STOCKS_FOLDER = "a folder of SYMBOL.csv (columns Date, Open, ...; one row a trading day)"
_DAYS = 4_717  # windows of 500 days from June 2000 to February 2021, of which 3200 are train and 500 valid


def stocks_loader(request: DataRequest, module: ModuleType) -> ArgumentChange:
    """The user's files, the splits in proportion where they are shorter than the published."""
    request.scope.patch(module, "requests", SimpleNamespace(get=functools.partial(_get, request)))

    def change(arguments: dict[str, Any]) -> None:
        if request.data is None:
            raise InputError(
                f"{request.script.name} fetches prices from an interface of Yahoo that no longer exists. Give yours "
                f"with --data PATH: {STOCKS_FOLDER}."
            )
        days = min(_lines(_csv(request, str(symbol))) for symbol in arguments["stocks"])
        windows = days - 1 - arguments["window_size"]
        if windows <= arguments["test_split"]:
            valid, test = (round(arguments[name] * windows / _DAYS) for name in ("val_split", "test_split"))
            if valid < 1 or not valid < test < windows:
                raise InputError(f"{request.data}: {windows} windows of days are too few for three splits.")
            arguments |= {"val_split": valid, "test_split": test}
            request.scope.say(
                f"{request.data} has {windows} windows, fewer than the published: {valid} train, {test - valid} valid."
            )

    return change


def _get(request: DataRequest, url: str, **_: Any) -> SimpleNamespace:
    """What ``requests.get`` would have answered: the text of the symbol's file."""
    return SimpleNamespace(text=read_text(_csv(request, unquote(urlsplit(url).path.rpartition("/")[2]))))


def _csv(request: DataRequest, symbol: str) -> Path:
    folder = Path(request.folder("stocks", symbol, STOCKS_FOLDER))
    path = folder / f"{symbol}.csv"
    if os.sep in symbol or not os.path.isfile(path):  # noqa: PTH113 - False for what no path can be
        raise InputError(f"{folder} holds no {symbol}.csv, which {request.script.name} reads: {STOCKS_FOLDER}.")
    return path


def _lines(path: Path) -> int:
    return len(read_text(path).splitlines()) - 1  # a row of names
