"""The fusion block against the definition with loops (METHODS 1.5)."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.networks.attention import FusionBlock, QuickGELU, attend

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
