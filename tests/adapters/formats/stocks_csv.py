"""Stocks: one CSV a symbol, as Yahoo gave them for download."""

import csv
import datetime

import numpy as np

FOOD = ("HRL", "HSY", "MCD", "SBUX")


def stocks(folder, symbols=FOOD, days=400, *, seed=0):
    """``SYMBOL.csv`` with the columns of Yahoo, one row a trading day; calm and wild days come in spells.

    MultiBench takes 500 days a sample, 3200 samples for train and 500 for valid: more than 4201 ``days`` it needs.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    dates = _weekdays(days)
    spell = np.where(np.sin(np.arange(days) / 25) > 0, 0.03, 0.005)  # volatility, shared by all
    for symbol in symbols:
        opened = 40 * np.exp(np.cumsum(rng.normal(0, spell)))
        rows = [
            (day, *(f"{price * part:.6f}" for part in (1, 1.01, 0.99, 1.002, 0.97)), 1000 + at)
            for at, (day, price) in enumerate(zip(dates, opened, strict=True))
        ]
        with (folder / f"{symbol}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"), *rows])
    return folder


def _weekdays(days):
    day, found = datetime.date(2000, 6, 1), []
    while len(found) < days:
        if day.weekday() < 5:
            found.append(day.isoformat())
        day += datetime.timedelta(days=1)
    return found
