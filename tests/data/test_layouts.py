"""Samples of any shape become one of the four kinds, and go back to what they were."""

import pytest
import torch

from coral_plugin.data.layouts import layout_of
from coral_plugin.data.split import ModalityColumn
from coral_plugin.errors import InputError

# shape of a sample, kind that is asked for, kind that it is, our shape
SHAPES = [
    ((5,), None, "tabular", (5,)),
    ((), None, "tabular", (1,)),
    ((7, 3), None, "sequence", (7, 3)),
    ((7, 3), "timeseries", "timeseries", (7, 3)),
    ((7, 3), "tabular", "tabular", (21,)),
    ((7, 3), "image", "image", (1, 7, 3)),
    ((500,), "timeseries", "timeseries", (500, 1)),
    ((3, 8, 9), None, "image", (3, 8, 9)),
    ((1, 8, 9), None, "image", (1, 8, 9)),
    ((8, 9, 3), None, "image", (3, 8, 9)),
    ((4, 8, 3), None, "image", (4, 8, 3)),
    ((64, 4, 4), None, "image", (64, 4, 4)),  # maps of a network
    ((16, 8, 9), None, "timeseries", (16, 72)),
    ((16, 8, 9), "image", "image", (16, 8, 9)),
    ((6, 3, 8, 9), "timeseries", "timeseries", (6, 216)),
]


@pytest.mark.parametrize(("shape", "asked", "kind", "ours"), SHAPES)
def test_there_and_back(shape, asked, kind, ours):
    layout = layout_of("x", shape, kind=asked)
    assert (layout.kind, layout.ours) == (kind, ours)
    values = torch.randn(4, *shape)
    held = layout.to_ours(values)
    assert held.shape == (4, *ours)
    assert torch.equal(layout.to_theirs(held), values)


def test_channels_that_are_last_come_first():
    values = torch.arange(24.0).view(1, 2, 4, 3).repeat(1, 3, 2, 1)  # (1, 6, 8, 3)
    held = layout_of("x", (6, 8, 3)).to_ours(values)
    assert held[0, 2, 5, 1] == values[0, 5, 1, 2]


def test_every_byte_comes_back():
    from dataclasses import replace

    values = torch.arange(256.0).view(1, 1, 16, 16)
    layout = replace(layout_of("x", (1, 16, 16)), pixels=True)
    taken, _ = ModalityColumn(layout.to_ours(values).to(torch.uint8)).take(torch.tensor([0]))
    assert torch.equal(layout.to_theirs(taken), values)


def test_filled_sequences_get_their_steps_back():
    layout = layout_of("x", (5, 2))
    assert layout.to_theirs(torch.ones(3, 2, 2)).shape == (3, 5, 2)
    assert layout_of("x", (5, 2), timed=True).to_theirs(torch.ones(3, 2, 2)).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 3, 4, 5), {}, r"\(B, 2, 3, 4, 5\), which no kind of modality fits; give kinds="),
        ((5,), {"kind": "image"}, "cannot be of kind image"),
        ((5,), {"kind": "sequence"}, "cannot be of kind sequence"),
        ((), {"kind": "timeseries"}, "cannot be of kind timeseries"),
        ((5,), {"timed": True}, "without flatten_time_series"),
        ((5, 2), {"timed": True, "kind": "tabular"}, "comes with lengths, so it is of kind sequence"),
        ((5, 2), {"kind": "picture"}, "Unknown kind of modality 'picture'"),
    ],
)
def test_refused(shape, options, message):
    with pytest.raises(InputError, match=message):
        layout_of("x", shape, **options)
