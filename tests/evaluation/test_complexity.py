"""Costs that can be counted by hand."""

import json

import pytest
import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.evaluation.complexity import count_flops, count_parameters, inference_cost


def test_parameters():
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2, bias=False))
    module[1].weight.requires_grad_(False)
    assert count_parameters(module) == {"total": 24, "trainable": 16}
    shared = nn.Linear(2, 2)
    assert count_parameters(nn.ModuleList([shared, shared]))["total"] == 6


def test_flops_of_products_and_convolutions():
    assert count_flops(lambda: torch.ones(5, 3) @ torch.ones(3, 7)) == 2 * 5 * 3 * 7
    convolution = nn.Conv2d(2, 4, 3, padding=1)
    assert count_flops(lambda: convolution(torch.ones(1, 2, 8, 8))) == 2 * (8 * 8) * 4 * (2 * 3 * 3)
    assert count_flops(lambda: torch.ones(5).exp()) == 0


def test_flops_of_a_transformer_do_not_depend_on_its_mode():
    """In evaluation mode PyTorch takes a fused path, whose operations its counter does not see."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(3, 5, 8)
    training = count_flops(lambda: layer(x))
    enabled = torch.backends.mha.get_fastpath_enabled()
    layer.eval()
    tokens = 3 * 5
    linear = 2 * tokens * 8 * (3 * 8 + 8 + 2 * 16)
    attention = 2 * 2 * 3 * 5 * 5 * 8
    assert count_flops(lambda: layer(x)) == training == linear + attention
    assert torch.backends.mha.get_fastpath_enabled() == enabled


def test_cost_of_a_sample():
    module = nn.Sequential(nn.Linear(6, 4), nn.Dropout())
    modes = []

    def embed():
        modes.append((module.training, torch.is_grad_enabled()))
        return module(torch.ones(10, 6))

    cost = inference_cost(module, embed, 10, repeats=3)
    assert cost["flops_per_sample"] == 2 * 6 * 4
    assert cost["parameters"] == {"total": 28, "trainable": 28}
    assert cost["seconds_per_sample"] > 0
    assert cost["peak_memory_bytes"] > 0
    assert cost["memory_of"] == "process"
    assert modes == [(False, False)] * 5
    assert module.training
    json.dumps(cost)


def test_nothing_to_time_is_said():
    with pytest.raises(InputError, match="at least one sample"):
        inference_cost(nn.Linear(1, 1), lambda: None, 0)
