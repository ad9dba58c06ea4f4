"""Stocks: windows of returns from CSV files, and the volatility of the next day."""

import math
from itertools import pairwise

import pytest
import torch

from coral_plugin.adapters.stocks import Stocks, StocksSettings
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS

from . import formats

SMALL = {"window": 20, "levels": 0}


@pytest.fixture
def folder(tmp_path):
    return formats.stocks(tmp_path / "stocks", days=120)


def opened(folder, symbol):
    rows = (folder / f"{symbol}.csv").read_text().splitlines()[1:]
    return [float(row.split(",")[1]) for row in rows]


def edit(folder, symbol, change):
    path = folder / f"{symbol}.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def test_windows_and_their_next_day(folder):
    assert DATASETS.get("stocks") is Stocks
    data = Stocks.load(str(folder), StocksSettings(target="MCD", **SMALL))
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        (symbol, "timeseries", (20, 1)) for symbol in formats.FOOD
    ]
    # 119 returns, 99 windows with a day after them: 70, 10 and 20 %
    assert [len(split) for split in data.splits().values()] == [69, 10, 20]
    assert data.notes == ("99 samples of 20 days; valid from 69, test from 79",)
    returns = {
        symbol: [math.log(after / before) for before, after in pairwise(prices)]
        for symbol, prices in ((symbol, opened(folder, symbol)) for symbol in formats.FOOD)
    }
    scale = torch.tensor([own[: 20 + 69] for own in returns.values()]).std()
    squares = torch.tensor(returns["MCD"][20:]) ** 2
    start = 0
    for split in data.splits().values():
        batch = split.batch(torch.arange(len(split)))
        for row in range(len(split)):
            for symbol in formats.FOOD:
                expected = torch.tensor(returns[symbol][start + row : start + row + 20]) / scale
                torch.testing.assert_close(batch[symbol][row, :, 0], expected, atol=1e-4, rtol=1e-4)
        expected = squares[start : start + len(split)] / squares[:69].std()
        torch.testing.assert_close(batch.targets["volatility"], expected, atol=1e-4, rtol=1e-3)
        start += len(split)


def test_levels_of_a_sample(folder):
    data = Stocks.load(str(folder), StocksSettings(window=20, levels=5))
    batch = data.train.batch(torch.arange(4))
    values = torch.cat([batch[symbol] for symbol in formats.FOOD], dim=2)
    assert all(len(torch.unique(sample.round(decimals=4))) <= 6 for sample in values)
    assert data.notes[0] == "the volatility of HRL is predicted (--source.target)"


def test_inputs_column_and_cuts(folder):
    data = Stocks.load(
        str(folder), StocksSettings(inputs=("SBUX", "HSY"), column="close", valid_from=50, test_from=60, **SMALL)
    )
    assert [m.name for m in data.modalities] == ["SBUX", "HSY"]
    assert [len(split) for split in data.splits().values()] == [50, 10, 39]
    assert data.tasks[0].classes == ("SBUX",)


def test_days_that_some_lack_are_left_out_and_said(folder):
    edit(folder, "MCD", lambda rows: rows[:10] + rows[11:])
    edit(folder, "HSY", lambda rows: [*rows[:30], rows[30].split(",")[0] + ",null" * 6, *rows[31:]])
    edit(folder, "HRL", lambda rows: [rows[0], *reversed(rows[1:])])  # the newest first, as some give them
    data = Stocks.load(str(folder), StocksSettings(**SMALL))
    assert "2 days are left out, on which some of the stocks have no price" in data.notes
    assert sum(len(split) for split in data.splits().values()) == 97


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: ["Day,Open", *rows[1:]], "has no column Date; it has Day, Open"),
        (lambda rows: [rows[0].replace("Open", "Opened"), *rows[1:]], "has no column Open"),
        (lambda rows: [*rows[:-1], rows[-1][:8]], "line 121 has 1 cells, the first has 7; it is cut off"),
        (lambda rows: [*rows, rows[5]], r"line 122 gives 2000-06-07 twice"),
        (lambda rows: [*rows, "2030-01-01,-3,1,1,1,1,1"], "no day with a positive price"),
        (lambda rows: [*rows, "2030-01-01,many,1,1,1,1,1"], "no day with a positive price"),
        (lambda rows: [*rows, "someday,3,1,1,1,1,1"], "no day with a positive price"),
        (lambda rows: [*rows, "2030-01-01,inf,1,1,1,1,1"], "no day with a positive price"),
        (lambda _: ["<!DOCTYPE html><html>"], "a web page that was saved"),
        (lambda _: ['{"finance": {"error": "Unauthorized"}}'], "is JSON text"),
        (lambda rows: rows[:1], "there is no day on which"),
        (lambda rows: rows[:12], "gives 0 samples of 20 days"),
    ],
)
def test_broken_files(folder, change, message):
    edit(folder, "SBUX", change)
    with pytest.raises(InputError, match=message) as caught:
        Stocks.load(str(folder), StocksSettings(**SMALL))
    assert "\n" not in str(caught.value)


def test_symbols_that_are_not_there(folder):
    with pytest.raises(InputError, match=r"has no AAPL.csv; it has HRL, HSY, MCD, SBUX"):
        Stocks.load(str(folder), StocksSettings(inputs=("HRL", "AAPL")))
    with pytest.raises(InputError, match="Unknown target among the inputs 'SBUX'"):
        Stocks.load(str(folder), StocksSettings(inputs=("HRL", "MCD"), target="SBUX", **SMALL))
    with pytest.raises(InputError, match="has 0 files of stocks; two are needed"):
        Stocks.load(str(folder.parent), StocksSettings())


@pytest.mark.parametrize(
    "settings",
    [
        {"inputs": ("A",)}, {"inputs": ("A", "A")}, {"window": 1}, {"levels": -1}, {"valid_from": 5},
        {"valid_from": 9, "test_from": 5},
    ],
)  # fmt: skip
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        StocksSettings(**settings)


@pytest.mark.multibench
def test_the_samples_are_multibenchs(tmp_path, multibench, monkeypatch):
    """With its windows of 500 days, its levels and its cuts."""
    pytest.importorskip("pandas")
    folder = formats.stocks(tmp_path / "stocks", days=4250)

    def get(url, headers):
        symbol = url.split("/")[-1].split("?")[0]
        return type("Answer", (), {"text": (folder / f"{symbol}.csv").read_text()})

    monkeypatch.setattr(multibench("requests"), "get", get)
    names = list(formats.FOOD)
    train, valid, test = multibench("datasets.stocks.get_data").get_dataloader(names, names, ["MCD"], cuda=False)
    data = Stocks.load(str(folder), StocksSettings(target="MCD"))
    for split, loader in zip(data.splits().values(), (train, valid, test["timeseries"][0]), strict=True):
        assert len(split) == len(loader.dataset)
        for row in (0, 7, len(split) - 1):
            *values, target = loader.dataset[row]
            batch = split.batch(torch.tensor([row]))
            for symbol, theirs in zip(names, values, strict=True):
                torch.testing.assert_close(batch[symbol][0, :, 0], theirs, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(batch.targets["volatility"], target, atol=1e-5, rtol=1e-5)
