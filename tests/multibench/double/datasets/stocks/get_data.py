"""Stock prices, fetched by symbol."""

import datetime
import io

import numpy as np
import pandas as pd
import requests
import torch
from torch.utils.data import DataLoader


def get_dataloader(
    stocks,
    input_stocks,
    output_stocks,
    batch_size=16,
    train_shuffle=True,
    start_date=datetime.datetime(2000, 6, 1),
    end_date=datetime.datetime(2021, 2, 28),
    window_size=500,
    val_split=3200,
    test_split=3700,
    modality_first=True,
    cuda=True,
):
    tables = []
    for stock in np.array(stocks):
        text = requests.get(f"https://example.org/download/{stock}?period1=1", headers={}).text
        tables.append(pd.read_csv(io.StringIO(text), parse_dates=True, index_col=0)["Open"].to_numpy())
    prices = torch.tensor(np.stack(tables, 1), dtype=torch.float32)
    returns = torch.log(prices[1:] / prices[:-1])
    windows = [returns[i : i + window_size] for i in range(len(returns) - window_size)]
    rows = [[*x.T, y[:1] ** 2] for x, y in zip(windows, returns[window_size:], strict=True)]
    train, valid, test = rows[:val_split], rows[val_split:test_split], rows[test_split:]
    return (
        DataLoader(train, batch_size, shuffle=train_shuffle),
        DataLoader(valid, batch_size),
        {"timeseries": [DataLoader(test, batch_size) for _ in range(9)]},
    )
