"""The fusion block against the definition with loops (specification 1.5)."""

import math
from functools import partial

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.evaluation.complexity import count_flops
from coral_plugin.networks import attention, long_attention
from coral_plugin.networks.attention import FusionBlock, QuickGELU, attend
from coral_plugin.networks.dropout import dropout

from .sizes import largest_and_kept

WIDTH, HEADS = 8, 4


def naive_norm(x, layer):
    mean = x.mean()
    variance = ((x - mean) ** 2).mean()
    return (x - mean) / torch.sqrt(variance + 1e-5) * layer.weight + layer.bias


def naive_attention(query, key, value, heads, padding):
    """Rows ``(Q, D)``, ``(T, D)``, ``(T, D)`` of one sample; ``padding`` (T,) of bool."""
    size = query.shape[1] // heads
    rows = []
    for q in query:
        parts = []
        for h in range(heads):
            cut = slice(h * size, (h + 1) * size)
            there = [t for t in range(len(key)) if not padding[t]]
            scores = [torch.exp(q[cut] @ key[t, cut] / math.sqrt(size)) for t in there]
            parts.append(sum(s * value[t, cut] for s, t in zip(scores, there, strict=True)) / sum(scores))
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def naive_block(block, x, padding):
    """One sample ``(T, D)``."""
    width = x.shape[1]
    normed = torch.stack([naive_norm(row, block.norm_attention) for row in x])
    weight, bias = block.query_key_value.weight, block.query_key_value.bias
    q, k, v = (normed @ weight[i * width : (i + 1) * width].T + bias[i * width : (i + 1) * width] for i in range(3))
    attended = naive_attention(q, k, v, block.heads, padding)
    x = x + attended @ block.attention_out.weight.T + block.attention_out.bias
    rows = []
    for row in x:
        hidden = block.mlp[0].weight @ naive_norm(row, block.norm_mlp) + block.mlp[0].bias
        hidden = hidden / (1 + torch.exp(-1.702 * hidden))
        rows.append(row + block.mlp[2].weight @ hidden + block.mlp[2].bias)
    return torch.stack(rows)


def a_block():
    torch.manual_seed(0)
    block = FusionBlock(WIDTH, HEADS, depth=1).double()
    for parameter in block.parameters():  # norms and biases too must matter
        torch.nn.init.normal_(parameter)
    return block


def a_case(batch=3, steps=5):
    x = torch.randn(batch, steps, WIDTH, dtype=torch.float64)
    padding = torch.zeros(batch, steps, dtype=torch.bool)
    padding[1, 3:] = True
    padding[2, 1:] = True
    return x, padding


@pytest.mark.parametrize("padded", [True, False])
def test_block_matches_the_definition(padded):
    block, (x, padding) = a_block(), a_case()
    out = block(x, padding if padded else None)
    for sample in range(len(x)):
        expected = naive_block(block, x[sample], padding[sample] if padded else [False] * x.shape[1])
        assert torch.allclose(out[sample], expected, atol=1e-10)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("padded", [True, False])
def test_fewer_queries_are_the_first_rows_of_the_full_output(padded, queries):
    block, (x, padding) = a_block(), a_case()
    mask = padding if padded else None
    assert torch.allclose(block(x, mask, queries=queries), block(x, mask)[:, :queries], atol=1e-12)


def test_attention_matches_the_definition():
    _, padding = a_case()
    q, k, v = torch.randn(3, 3, 5, WIDTH, dtype=torch.float64)
    out = attend(q[:, :2], k, v, HEADS, padding)
    for sample in range(3):
        expected = naive_attention(q[sample, :2], k[sample], v[sample], HEADS, padding[sample])
        assert torch.allclose(out[sample], expected, atol=1e-12)


def test_dropped_attention_weights_have_the_right_expectation():
    torch.manual_seed(6)
    q, k, v = torch.randn(3, 1, 3, WIDTH, dtype=torch.float64)
    padding = torch.tensor([[False, False, True]])
    many = 40_000
    out = attend(*(x.expand(many, -1, -1) for x in (q, k, v)), HEADS, padding.expand(many, -1), p=0.25)
    expected = naive_attention(q[0], k[0], v[0], HEADS, padding[0])
    error = out.std(dim=0) / many**0.5
    assert ((out.mean(dim=0) - expected).abs() <= 5 * error + 1e-12).all()
    assert out.std(dim=0).min() > 0


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_what_lies_under_the_padding_is_never_seen(p):
    _, padding = a_case()
    q, k, v = torch.randn(3, 3, 5, WIDTH, dtype=torch.float64)
    other_k, other_v = (torch.where(padding[..., None], 100 * torch.randn_like(x), x) for x in (k, v))
    torch.manual_seed(7)
    first = attend(q, k, v, HEADS, padding, p)
    torch.manual_seed(7)
    assert torch.allclose(first, attend(q, other_k, other_v, HEADS, padding, p), atol=1e-12)


def test_padding_of_a_block_neither_by_content_nor_by_amount():
    block, (x, padding) = a_block(), a_case()
    out = block(x, padding)
    other = torch.where(padding[..., None], 50 * torch.randn_like(x), x)
    longer = torch.cat([other, torch.randn(3, 4, WIDTH, dtype=torch.float64)], dim=1)
    more = torch.cat([padding, torch.ones(3, 4, dtype=torch.bool)], dim=1)
    for changed in (block(other, padding), block(longer, more)[:, :5]):
        assert torch.allclose(changed[~padding], out[~padding], atol=1e-12)


def test_quick_gelu():
    for value in (-3.0, -0.5, 0.0, 0.1, 4.0):
        got = QuickGELU()(torch.tensor(value, dtype=torch.float64)).item()
        assert got == pytest.approx(value / (1 + math.exp(-1.702 * value)))


@pytest.mark.parametrize("depth", [1, 2])
def test_initial_deviations(depth):
    torch.manual_seed(0)
    width = 256
    block = FusionBlock(width, 8, depth)
    expected = {
        block.query_key_value: width**-0.5,
        block.attention_out: width**-0.5 * (2 * depth) ** -0.5,
        block.mlp[0]: (2 * width) ** -0.5,
        block.mlp[2]: width**-0.5 * (2 * depth) ** -0.5,
    }
    for layer, std in expected.items():
        assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
        assert abs(layer.weight.mean().item()) < 0.02 * std
    assert (block.mlp[0].out_features, block.mlp[2].in_features) == (4 * width, 4 * width)


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(InputError, match=r"width of 10 .* 4 attention heads.*network\.width"):
        FusionBlock(10, 4, depth=1)


def limit(monkeypatch, weights):
    """Hold no more attention weights than these at once."""
    monkeypatch.setattr(attention, "MOST_WEIGHTS", weights)
    monkeypatch.setattr(attention, "PIECE_WEIGHTS", weights)
    monkeypatch.setattr(long_attention, "CACHED_WEIGHTS", weights)


def long_case(steps=48, batch=3, dtype=torch.float64):
    x = torch.randn(3, batch, steps, WIDTH, dtype=dtype)
    lengths = torch.tensor([[steps], [steps // 2], [1]])[:batch]
    return [part.requires_grad_() for part in x], torch.arange(steps) >= lengths


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("most", [1, 500, 2000, 3000, 20_000, 10**9])
def test_a_few_queries_at_a_time_are_all_of_them(monkeypatch, most, padded, cached):
    """A dropout that drops nothing; values and gradients against torch's fused kernel."""
    parts, padding = long_case()
    mask = padding if padded else None
    expected = attend(*parts, HEADS, mask)
    limit(monkeypatch, most)
    out = attend(*parts, HEADS, mask, p=1e-12, cached=cached)
    weight = torch.randn_like(out)
    assert torch.allclose(out, expected, atol=1e-9)
    for one, two in zip(*(torch.autograd.grad((o * weight).sum(), parts) for o in (out, expected)), strict=True):
        assert torch.allclose(one, two, atol=1e-9)


def test_long_series_stay_in_the_cache_unless_that_is_turned_off(monkeypatch):
    """The switch, half precision and attention that drops nothing take torch's operations."""
    limit(monkeypatch, 500)
    (q, k, v), padding = long_case(dtype=torch.float32)
    monkeypatch.setattr(attention.LongAttention, "apply", None)
    attend(q, k, v, HEADS, padding, p=0.1, cached=False)
    attend(q, k, v, HEADS, padding, p=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        attend(q, k, v, HEADS, padding, p=0.1)
    with pytest.raises(TypeError, match="not callable"):
        attend(q, k, v, HEADS, padding, p=0.1)


@pytest.mark.parametrize("most", [1, 30, 200, 10**6])
def test_gradient_of_few_queries_and_many_keys_with_dropout(monkeypatch, most):
    """Against finite differences, and an incoming gradient that is one number in memory."""
    monkeypatch.setattr(attention, "MOST_WEIGHTS", 1)
    monkeypatch.setattr(long_attention, "CACHED_WEIGHTS", most)
    parts = [torch.randn(3, steps, WIDTH, dtype=torch.float64, requires_grad=True) for steps in (5, 7, 7)]
    padding = torch.arange(7) >= torch.tensor([[7], [4], [1]])

    def seeded(*parts):
        torch.manual_seed(9)
        return attend(*parts, HEADS, padding, p=0.4)

    assert torch.autograd.gradcheck(seeded, parts, fast_mode=True)
    ones = torch.ones(3, 5, WIDTH, dtype=torch.float64)
    expanded = torch.autograd.grad(seeded(*parts).sum(), parts)
    for one, two in zip(expanded, torch.autograd.grad(seeded(*parts), parts, ones), strict=True):
        assert torch.allclose(one, two, atol=1e-12)


@pytest.mark.parametrize("samples", [0, 2])
def test_no_samples_in_the_cache(monkeypatch, samples):
    monkeypatch.setattr(attention, "MOST_WEIGHTS", 1)
    x = torch.zeros(samples, 5, WIDTH)
    assert attend(x, x, x, HEADS, None, p=0.1).shape == x.shape


def test_products_in_the_cache_are_counted_as_torch_s_are(monkeypatch):
    limit(monkeypatch, 50)
    x = torch.randn(4, 16, WIDTH, requires_grad=True)
    counts = [
        count_flops(
            lambda cached=cached: attend(x, x, x, HEADS, None, 0.1, cached=cached).sum().backward(), gradients=True
        )
        for cached in (True, False)
    ]
    assert counts[0] == counts[1] > 0


def test_no_second_derivative_in_the_cache(monkeypatch):
    limit(monkeypatch, 1)
    x = torch.randn(1, 3, WIDTH, requires_grad=True)
    with pytest.raises(InputError, match=r"differentiated twice: .* attend\(cached=False\)"):
        torch.autograd.grad(attend(x, x, x, HEADS, None, 0.1).sum(), x, create_graph=True)
    torch.autograd.grad(attend(x, x, x, HEADS, None, 0.1, cached=False).sum(), x, create_graph=True)


@pytest.mark.parametrize("cached", [True, False])
def test_a_few_queries_at_a_time_with_dropout(monkeypatch, cached):
    """Mean and deviation are those of all at once; the backward pass drops what the forward pass dropped."""
    torch.manual_seed(8)
    q, k, v = torch.randn(3, 1, 6, WIDTH, dtype=torch.float64)
    many = 20_000
    inputs = [x.expand(many, -1, -1) for x in (q, k, v)]
    whole = attend(*inputs, HEADS, None, p=0.25)
    limit(monkeypatch, 2 * many * HEADS * 6)
    pieces = attend(*inputs, HEADS, None, p=0.25, cached=cached)
    error = (whole.std(dim=0) ** 2 + pieces.std(dim=0) ** 2).sqrt() / many**0.5
    assert ((whole.mean(dim=0) - pieces.mean(dim=0)).abs() <= 5 * error).all()
    assert torch.allclose(whole.std(dim=0), pieces.std(dim=0), rtol=0.05)
    # no two pieces drop the same
    same = attend(q[:, :1].expand(many, 6, -1), *inputs[1:], HEADS, None, p=0.25, cached=cached)
    assert (same[:, 0] - same[:, 2]).abs().max() > 0

    def seeded(*parts):
        torch.manual_seed(9)
        return attend(*parts, HEADS, None, p=0.4, cached=cached)

    limit(monkeypatch, 1)
    assert torch.autograd.gradcheck(seeded, [x.clone().requires_grad_() for x in (q, k, v)], fast_mode=True)


def test_short_series_are_computed_at_once_as_ever(monkeypatch):
    """A batch of the papers' affect data: no pieces, the same bits."""
    monkeypatch.setattr("coral_plugin.networks.recompute.checkpoint", None)
    x = torch.randn(3, 64, 50, 40, requires_grad=True)
    torch.manual_seed(10)
    out = attend(*x, 5, None, p=0.1)
    torch.manual_seed(10)
    q, k, v = (part.unflatten(-1, (5, -1)).transpose(1, 2) for part in x)
    weights = dropout((q @ k.transpose(-1, -2) * 8**-0.5).softmax(dim=-1), 0.1, training=True)
    assert torch.equal(out, (weights @ v).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("p", [0.0, 0.1])
def test_memory_does_not_grow_with_the_square_of_the_steps(monkeypatch, p, padded):
    limit(monkeypatch, 2**13)
    found = {}
    for steps in (256, 512, 1024):
        parts, padding = long_case(steps, dtype=torch.float32)
        step = partial(attend, *parts, HEADS, padding if padded else None, p)
        found[steps] = largest_and_kept(step)
        # all weights would be 3 * HEADS * steps**2
        assert found[steps][0] <= max(2**13, 3 * HEADS * steps, 3 * 3 * steps * WIDTH)
    assert found[1024][1] <= 2.2 * found[512][1] <= 2.2**2 * found[256][1]


@pytest.mark.parametrize("queries", [None, 1])
def test_memory_of_a_fusion_block_does_not_either(queries):
    block, found = FusionBlock(WIDTH, HEADS, depth=2), {}
    for steps in (512, 1024, 2048):
        _, padding = long_case(steps, 2)
        x = torch.randn(2, steps, WIDTH)
        found[steps] = largest_and_kept(partial(block, x, padding, queries))
        assert found[steps][0] <= 2 * steps * 4 * WIDTH
    assert found[2048][1] <= 2.2 * found[1024][1] <= 2.2**2 * found[512][1]
