"""A script's train(...) under another objective, against the double and the real checkout."""

import json

import pytest
import torch
from torch import nn

from coral_plugin.multibench.intercept import Request, install

TINY = {
    "network.width": 16,
    "network.heads": 2,
    "network.head_hidden": 16,
    "network.head_output": 8,
    "training.device": "cpu",
    "training.batch_size": 16,
}


@pytest.fixture
def request_of(tmp_path):
    def make(objective="coral", **changes):
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        chosen = {**TINY, **changes.pop("chosen", {})}
        return Request(
            **{
                "objective": objective,
                "epochs": 1,
                "seed": 3,
                "folder": folder,
                "quiet": True,
                "chosen": chosen,
                **changes,
            }
        )

    return make


def test_packed_regression(bench, packed, request_of, tmp_path):
    train_loader, valid_loader = packed
    encoders = [bench.model("GRU", d, 9, has_padding=True) for d in (4, 3, 6)]
    with install(request_of()):
        bench.training.train(
            encoders, bench.fusion("Concat"), bench.model("MLP", 27, 8, 1), train_loader, valid_loader, 5,
            task="regression", is_packed=True, save="lf.pt", objective=nn.L1Loss(), optimtype=torch.optim.AdamW)  # fmt: skip
    model = torch.load("lf.pt", weights_only=False)
    found = bench.training.single_test(model, valid_loader, True, nn.L1Loss(), "posneg-classification")
    assert found["Accuracy"] > 0.8
    record = json.loads((tmp_path / "run" / "head.json").read_text())
    print(record)
