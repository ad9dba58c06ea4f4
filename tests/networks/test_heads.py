"""The projection head: MLP3 of specification 1.3."""

import copy

import pytest
import torch

from coral_plugin.networks import project_present, projection_head
from coral_plugin.networks.heads import project_views


def test_matches_the_definition_in_training_mode():
    torch.manual_seed(0)
    head = projection_head(5, 7, 3).double()
    first, second, third = (m for m in head if isinstance(m, torch.nn.Linear))
    x = torch.randn(6, 5, dtype=torch.float64)

    def normed(z):
        return (z - z.mean(0)) / torch.sqrt(((z - z.mean(0)) ** 2).mean(0) + 1e-5)

    hidden = normed(x @ first.weight.T + first.bias).clamp_min(0)
    hidden = normed(hidden @ second.weight.T + second.bias).clamp_min(0)
    assert torch.allclose(head(x), hidden @ third.weight.T + third.bias)


def test_count_of_parameters():
    """d h + h, h h + h, h o + o, and two times 2 h of the normalisations."""
    head = projection_head(40)
    assert sum(p.numel() for p in head.parameters()) == 40 * 512 + 512 + 512**2 + 512 + 512 * 256 + 256 + 4 * 512


def test_absent_rows_reach_neither_output_nor_statistics():
    torch.manual_seed(0)
    head, x = projection_head(5, 7, 3), torch.randn(6, 5)
    present = torch.tensor([True, False, True, True, False, True])
    other = copy.deepcopy(head)
    among, alone = project_present(head, x, present), other(x[present])
    assert torch.equal(among[present], alone)
    assert not among[~present].any()
    assert torch.equal(head[1].running_mean, other[1].running_mean)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_rows_than_a_batch_statistic_needs(count):
    """Rows without the modality are not taken in their place; the running statistics are, and do not change."""
    head, present = projection_head(5, 7, 3), torch.arange(6) < count
    before = copy.deepcopy(dict(head.named_buffers()))
    found = project_present(head, torch.ones(6, 5), present)
    assert all(layer.training for layer in head.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in head.named_buffers())
    assert not found[~present].any()
    assert torch.equal(found[present], head.eval()(torch.ones(count, 5)))
    found.sum().backward()  # every parameter takes part, which several processes need
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_batches_at_once_are_a_call_each(training):
    torch.manual_seed(0)
    head = projection_head(5, 7, 3).double().train(training)
    other, x = copy.deepcopy(head), torch.randn(3, 6, 5, dtype=torch.float64)
    together, apart = head(x.flatten(0, 1), 3), torch.cat([other(batch) for batch in x])
    assert torch.allclose(together, apart, atol=1e-12)
    for projected in (together, apart):
        projected.square().sum().backward()
    for (name, one), two in zip(head.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(one.grad, two.grad, atol=1e-10), name
    for (name, one), two in zip(head.named_buffers(), other.buffers(), strict=True):
        assert torch.allclose(one, two, atol=1e-12), name


@pytest.mark.parametrize("there", [None, [0, 2, 3, 5], [4], []])
def test_views_at_once_are_those_of_a_call_each(there):
    torch.manual_seed(0)
    head, views = projection_head(5, 7, 3).double(), torch.randn(2, 6, 5, dtype=torch.float64).unbind()
    present = None if there is None else torch.isin(torch.arange(6), torch.tensor(there, dtype=torch.long))
    other = copy.deepcopy(head)
    for mode in (True, False):
        head.train(mode)
        other.train(mode)
        found = project_views(head, views, present)
        for got, view in zip(found, views, strict=True):
            assert torch.allclose(got, project_present(other, view, present), atol=1e-12)
    assert torch.allclose(head[4].running_var, other[4].running_var, atol=1e-12)


def test_another_kind_of_head_is_called_for_each_view():
    head, views = torch.nn.Linear(5, 3), torch.randn(2, 6, 5).unbind()
    found = project_views(head, views, torch.arange(6) < 4)
    assert all(
        torch.equal(got[:4], head(view[:4])) and not got[4:].any() for got, view in zip(found, views, strict=True)
    )
