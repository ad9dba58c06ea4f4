"""The scores of pairs, and both ways back, against the network on every pair and autograd."""

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.machine import as_if_whole
from coral_plugin.networks import pair_scores
from coral_plugin.networks.critics import ConcatCritic
from coral_plugin.networks.pair_scores import PairScores


def inputs(n, m, hidden=6):
    generator = torch.Generator().manual_seed(n + m)
    shapes = ((n, hidden), (m, hidden), (hidden, hidden), (hidden,), (1, hidden), (1,))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def definition(rows, columns, weight, bias, score, offset):
    first = (rows[:, None] + columns[None]).relu()
    return ((first @ weight.T + bias).relu() @ score.T).squeeze(-1) + offset


@pytest.mark.parametrize("block", [1, 50, 10**6])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 5), (3, 7)])
@pytest.mark.parametrize("kept", [0, 10**6])
def test_scores_and_gradients_do_not_depend_on_the_blocks(monkeypatch, n, m, block, kept):
    monkeypatch.setattr(pair_scores, "_MOST_KEPT", kept)
    monkeypatch.setattr(pair_scores, "_BLOCK", {"cpu": block})
    rows, columns, *layers = inputs(n, m)
    expected = definition(rows, columns, *layers)
    scores, _ = PairScores.apply(rows, columns, None, None, *layers)
    assert torch.allclose(scores, expected, atol=1e-12)
    upstream = torch.randn(n, m, dtype=torch.float64)
    wanted = torch.autograd.grad((expected * upstream).sum(), [rows, columns, *layers])
    got = torch.autograd.grad((scores * upstream).sum(), [rows, columns, *layers])
    assert all(torch.allclose(a, b, atol=1e-12) and a.shape == b.shape for a, b in zip(got, wanted, strict=True))


def test_of_a_large_batch_no_layer_of_pairs_is_kept(monkeypatch):
    monkeypatch.setattr(pair_scores, "_MOST_KEPT", 9 * 9 * 6)

    def kept(n, share):
        sizes = []
        with (
            as_if_whole(share),
            torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t),
        ):
            PairScores.apply(*inputs(n, n)[:2], None, None, *inputs(n, n)[2:])
        return max(sizes)

    assert kept(9, 1.0) == 9 * 9 * 6
    assert kept(10, 1.0) == 10 * 6
    assert kept(9, 0.9) == 9 * 6  # nine tenths of a batch of ten


def test_the_two_scores_have_ways_back_of_their_own():
    rows, columns, *layers = inputs(4, 5)
    own_rows, own_columns = (each.detach().clone().requires_grad_() for each in (rows, columns))
    scores, again = PairScores.apply(rows, columns, own_rows, own_columns, *layers)
    assert torch.equal(scores, again)
    one, two = torch.randn(2, 4, 5, dtype=torch.float64)
    ((scores * one).sum() + (again * two).sum()).backward()
    frozen = [each.detach() for each in layers]
    to_inputs = torch.autograd.grad((definition(rows, columns, *frozen) * one).sum(), [rows, columns])
    everything = [own_rows, own_columns, *layers]
    to_own = torch.autograd.grad((definition(*everything) * two).sum(), everything)
    for tensor, expected in zip([rows, columns, *everything], [*to_inputs, *to_own], strict=True):
        assert torch.allclose(tensor.grad, expected, atol=1e-12)


def test_apart_trains_the_critic_by_one_and_the_embeddings_by_the_other():
    torch.manual_seed(0)
    critic, u, v = ConcatCritic(3, 2, 5).double(), *(torch.randn(4, d).double().requires_grad_() for d in (3, 2))
    parameters = list(critic.parameters())
    of_embeddings, of_critic = critic.apart(u, v)
    assert torch.equal(of_embeddings, critic(u, v))
    assert torch.equal(of_critic, critic(u, v))
    (of_embeddings.square().sum() + of_critic.exp().sum()).backward()
    to_inputs = torch.autograd.grad(critic(u, v).square().sum(), [u, v])
    to_critic = torch.autograd.grad(critic(u, v).exp().sum(), parameters)
    for tensor, expected in zip([u, v, *parameters], [*to_inputs, *to_critic], strict=True):
        assert torch.allclose(tensor.grad, expected, atol=1e-10)


def test_in_single_precision_as_near_as_autograd():
    torch.manual_seed(0)
    critic = ConcatCritic(40, 40, 64)
    u, v = torch.randn(32, 40), torch.randn(32, 40)
    loss = critic(u, v).logsumexp(dim=0).mean()
    gradients = torch.autograd.grad(loss, list(critic.parameters()))
    double = critic.double()
    expected = torch.autograd.grad(double(u.double(), v.double()).logsumexp(0).mean(), list(double.parameters()))
    for got, wanted in zip(gradients, expected, strict=True):
        assert (got - wanted).abs().max() <= 1e-6 * max(1.0, wanted.abs().max())


def test_autocast_leaves_the_scores_in_single_precision():
    torch.manual_seed(0)
    critic, u, v = ConcatCritic(8, 8, 16), torch.randn(6, 8), torch.randn(6, 8)
    expected = critic(u, v)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = critic(u, v)
        assert got.dtype == torch.float32
        assert torch.equal(got, expected)
        assert critic(u.bfloat16(), v.bfloat16()).dtype == torch.float32


def test_no_second_derivative():
    rows, columns, *layers = inputs(2, 3)
    scores, _ = PairScores.apply(rows, columns, None, None, *layers)
    with pytest.raises(InputError, match="scores of a critic cannot be differentiated twice"):
        torch.autograd.grad(scores.sum(), rows, create_graph=True)
