"""Unique pathways against specification 2.1 with loops."""

import math

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.networks import UniquePathway
from coral_plugin.networks.unique import AttentionPooling

WIDTH = 8


def naive_pool(rows, query):
    weights = [torch.exp(row @ query) for row in rows]
    return sum(w * row for w, row in zip(weights, rows, strict=True)) / sum(weights)


def naive_mlp(pathway, token):
    first, norm, _, second = pathway.tokens
    hidden = first.weight @ token + first.bias
    hidden = (hidden - hidden.mean()) / torch.sqrt(((hidden - hidden.mean()) ** 2).mean() + 1e-5)
    hidden = hidden * norm.weight + norm.bias
    gelu = torch.stack([h * 0.5 * (1 + torch.erf(h / math.sqrt(2))) for h in hidden])
    return second.weight @ gelu + second.bias


def a_case():
    torch.manual_seed(0)
    padding = torch.zeros(3, 5, dtype=torch.bool)
    padding[0, 1:] = padding[2, 3:] = True
    return torch.randn(3, 5, WIDTH, dtype=torch.float64), padding


def a_pathway(design, width=WIDTH):
    pathway = UniquePathway(width, design).double()
    for name, parameter in pathway.named_parameters():
        if name.endswith("bias") or "norm" in name or name.startswith("tokens.1"):
            torch.nn.init.normal_(parameter)
    return pathway


def test_attention_pooling():
    tokens, padding = a_case()
    pool = AttentionPooling(WIDTH).double()
    for mask in (padding, None):
        out = pool(tokens, mask)
        for sample in range(3):
            there = tokens[sample] if mask is None else tokens[sample][~mask[sample]]
            assert torch.allclose(out[sample], naive_pool(there, pool.query), atol=1e-12)


def test_query_starts_from_the_normal_distribution():
    torch.manual_seed(0)
    query = AttentionPooling(20_000).query
    assert query.mean().item() == pytest.approx(0, abs=0.04)
    assert query.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("design", ["mlp_half", "mlp_full"])
def test_mlp_designs_match_the_definition(design):
    (tokens, padding), pathway = a_case(), a_pathway(design)
    out = pathway(tokens, padding)
    for sample in range(3):
        rows = [naive_mlp(pathway, token) for token in tokens[sample][~padding[sample]]]
        assert torch.allclose(out[sample], naive_pool(rows, pathway.pool.query), atol=1e-10)


def test_transformer_design_is_a_linear_map_a_block_and_the_pooling():
    (tokens, padding), pathway = a_case(), a_pathway("transformer_half")
    out = pathway(tokens, padding)
    for sample in range(3):
        there = tokens[sample][~padding[sample]]
        rows = pathway.block((there @ pathway.tokens.weight.T + pathway.tokens.bias)[None])[0]
        assert torch.allclose(out[sample], naive_pool(rows, pathway.pool.query), atol=1e-10)


@pytest.mark.parametrize("design", ["mlp_half", "mlp_full", "transformer_half"])
def test_padding_neither_by_content_nor_by_amount(design):
    (tokens, padding), pathway = a_case(), a_pathway(design)
    out = pathway(tokens, padding)
    longer = torch.cat([torch.where(padding[..., None], 20.0, tokens), torch.randn(3, 4, WIDTH).double()], 1)
    more = torch.cat([padding, torch.ones(3, 4, dtype=torch.bool)], 1)
    assert torch.allclose(pathway(longer, more), out, atol=1e-12)


@pytest.mark.parametrize("width", [8, 40, 512])
@pytest.mark.parametrize(("design", "share"), [("mlp_half", 0.5), ("mlp_full", 1), ("transformer_half", 0.5)])
def test_output_width(design, share, width):
    pathway = UniquePathway(width, design)
    assert pathway.output_width == width * share
    assert pathway(torch.randn(2, 3, width)).shape == (2, width * share)


@pytest.mark.parametrize(("width", "heads"), [(12, 3), (26, 1), (40, 4), (512, 4)])
def test_half_the_width_gets_the_most_heads_up_to_four_that_divide_it(width, heads):
    """Table 5 has 4. Half of 12 is 6, half of 26 is 13, half of 40 is 20."""
    assert UniquePathway(width, "transformer_half").block.heads == heads


@pytest.mark.parametrize("design", ["mlp_half", "transformer_half"])
def test_odd_width(design):
    with pytest.raises(InputError, match=r"width of 9 cannot be halved.*network\.width even"):
        UniquePathway(9, design)
    assert UniquePathway(9, "mlp_full")(torch.randn(2, 3, 9)).shape == (2, 9)


def test_unknown_design():
    with pytest.raises(InputError, match="'mlp'; known: mlp_half, mlp_full, transformer_half"):
        UniquePathway(8, "mlp")


@pytest.mark.parametrize("design", ["mlp_half", "transformer_half"])
def test_a_sample_of_padding_alone_is_zero_and_harms_no_other(design):
    tokens, padding = a_case()
    pathway = a_pathway(design)
    without = pathway(tokens, padding)
    padding = padding.clone()
    padding[1] = True
    tokens.requires_grad_()
    out = pathway(tokens, padding)
    assert torch.equal(out[1], torch.zeros_like(out[1]))
    torch.testing.assert_close(out[[0, 2]], without[[0, 2]])
    out.square().sum().backward()
    assert all(x.grad.isfinite().all() for x in (tokens, *pathway.parameters()))
