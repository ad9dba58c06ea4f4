"""What a module returns, found out by what changes with samples and steps."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from coral_plugin.errors import InputError
from coral_plugin.multibench.outputs import find_output, locate, stretched

STEPS, FEATURES = 6, 4


class Made(nn.Module):
    """Calls a function of ``(B, T, d)``."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return self.function(x)


def found(function, steps=STEPS, item=None, shape=(STEPS, FEATURES)):
    module = Made(function)
    x = torch.arange(3.0 * torch.tensor(shape).prod()).view(3, *shape)
    output = find_output(module, lambda count, cut: module(x[:count] if cut is None else x[:count, :cut]), steps, item)
    return output, x, module


def mean(x):
    return x.mean(1)


VECTOR = [
    (mean, (4,)),
    (lambda x: x.flatten(1), (24,)),
    (lambda x: x.mean((1, 2)), (1,)),
    (lambda x: (x.mean(1), x.std(1)), (4,)),
    (lambda x: [0, x.flatten(1), x.mean(1)], (4,)),
    (lambda x: x.mean(1)[:, :, None], (4,)),
    (lambda x: x.mean(1)[:, :, None, None], (4,)),
    (lambda x: x.mean(1).t(), (4,)),
    (lambda x: torch.ones(5), (5,)),
]


@pytest.mark.parametrize(("function", "shape"), VECTOR)
def test_vectors(function, shape):
    output, x, _ = found(function)
    assert output.shape == shape
    assert output.steps is None
    encoding, lengths = output.encoding(function(x), 3)
    assert encoding.shape == (3, *shape)
    assert lengths is None
    if shape == (4,):
        assert torch.equal(encoding, x.mean(1))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: x.transpose(0, 1),
        lambda x: x.transpose(1, 2),
        lambda x: x.permute(2, 1, 0),
        lambda x: (x, x.mean(1)),
        lambda x: [x, torch.full((len(x),), x.shape[1])],
        lambda x: pack_padded_sequence(x, torch.full((len(x),), x.shape[1]), batch_first=True),
        lambda x: x[:, :, :, None],
    ],
)
def test_sequences_with_their_axes_in_any_order(function):
    output, x, _ = found(function)
    assert output.shape == (STEPS, FEATURES)
    encoding, _ = output.encoding(function(x), 3)
    assert torch.equal(encoding, x)


def test_a_sequence_of_fewer_steps_and_one_without_features():
    assert found(lambda x: x[:, ::2])[0].shape == (3, FEATURES)
    output, x, _ = found(lambda x: x.mean(2, keepdim=True).transpose(0, 1))
    assert output.shape == (STEPS, 1)
    assert torch.equal(output.encoding(x.mean(2, keepdim=True).transpose(0, 1), 3)[0], x.mean(2, keepdim=True))


def test_as_many_samples_as_steps_are_told_apart():
    output, x, _ = found(lambda x: x.transpose(0, 1), steps=3, shape=(3, FEATURES))
    assert (output.batch, output.steps) == (1, 0)
    assert torch.equal(output.encoding(x.transpose(0, 1), 3)[0], x)


def test_one_length_only_leaves_time_where_its_length_is():
    def fixed(x):
        if x.shape[1] != STEPS:
            raise RuntimeError("made for six steps")
        return x.repeat(1, 1, 2)

    output, _, _ = found(fixed)
    assert (output.steps, output.shape) == (1, (STEPS, 8))
    assert found(lambda x: fixed(x)[:, :2])[0].steps is None


def test_maps_and_clips():
    assert found(lambda x: x, None, shape=(3, 8, 8))[0].shape == (3, 8, 8)
    output, x, _ = found(lambda x: x, None, shape=(3, 2, 4, 5))
    assert output.shape == (40, 3)
    assert torch.equal(output.encoding(x, 3)[0], x.flatten(2).transpose(1, 2))


def test_the_item_may_be_told():
    assert found(lambda x: (x.mean(1), x.flatten(1)), item=1)[0].shape == (24,)


def test_lengths_come_along():
    lengths = torch.tensor([1, 2, 3])
    tensor, own = locate([torch.zeros(3, 5, 2), lengths], None)
    assert tensor.shape == (3, 5, 2)
    assert torch.equal(own, lengths)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: {"out": x}, "object of type dict, in which there is no tensor"),
        (lambda x: [None, 3], "a list of NoneType, int"),
        (lambda x: x.view(-1, FEATURES), r"\(18, 4\) for 3 samples and \(12, 4\) for 2"),
        (lambda x: x.long(), "torch.int64, which is no encoding"),
        (lambda x: x @ torch.zeros(9, 9), "fails on a batch of the data: mat1 and mat2|fails on a batch of the data"),
    ],
)
def test_what_has_no_encoding(function, said):
    with pytest.raises(InputError, match=said):
        found(function)


def test_modes_are_evaluation_and_are_restored():
    module = found(mean)[2]
    assert module.training
    assert not any(module.modes)


def test_padding_of_another_number_of_steps():
    padding = torch.arange(9)[None] >= torch.tensor([9, 6, 3])[:, None]
    assert stretched(padding, 3).sum(1).tolist() == [0, 1, 2]
    assert torch.equal(stretched(padding, 9), padding)
