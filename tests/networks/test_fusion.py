"""The fusion transformer: concatenation, CLS, depth and padding."""

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.networks.fusion import FusionTransformer, join_padding

WIDTH = 16
NONE = {"a": None, "b": None}


def a_case():
    torch.manual_seed(0)
    tokens = {"a": torch.randn(3, 5, WIDTH).double(), "b": torch.randn(3, 2, WIDTH).double()}
    padding = torch.zeros(3, 5, dtype=torch.bool)
    padding[0, 2:] = padding[2, 4:] = True
    return tokens, {"a": padding, "b": None}


def fusion(depth):
    torch.manual_seed(1)
    module = FusionTransformer(WIDTH, depth, heads=4).double()
    torch.nn.init.normal_(module.norm.weight)
    torch.nn.init.normal_(module.norm.bias)
    return module


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_cls_first_then_the_tokens_in_full_blocks_then_the_norm_of_cls(depth):
    """Only [CLS] is read, so nothing else of the last block is computed; the answer is that of the full stack."""
    (tokens, padding), module = a_case(), fusion(depth)
    assert len(module.blocks) == depth
    for sample in range(3):
        there = ~padding["a"][sample]  # the definition of padding: the steps are not there
        x = torch.cat([module.cls[0], tokens["a"][sample][there], tokens["b"][sample]])[None]
        for block in module.blocks:
            x = block(x)
        expected = F.layer_norm(x[0, 0], (WIDTH,), module.norm.weight, module.norm.bias)
        assert torch.allclose(module(tokens, padding)[sample], expected, atol=1e-10)


@pytest.mark.parametrize("depth", [1, 2])
def test_padding_neither_by_content_nor_by_amount(depth):
    (tokens, padding), module = a_case(), fusion(depth)
    out = module(tokens, padding)
    content = {**tokens, "a": torch.where(padding["a"][..., None], 30.0, tokens["a"])}
    assert torch.allclose(module(content, padding), out, atol=1e-12)
    longer = {**content, "a": torch.cat([content["a"], torch.randn(3, 6, WIDTH).double()], 1)}
    more = {**padding, "a": torch.cat([padding["a"], torch.ones(3, 6, dtype=torch.bool)], 1)}
    assert torch.allclose(module(longer, more), out, atol=1e-12)


def test_without_position_code_neither_order_of_modalities_nor_of_steps_matters():
    (tokens, _), module = a_case(), fusion(2)
    out = module(tokens, NONE)
    assert torch.allclose(module({"b": tokens["b"], "a": tokens["a"].flip(1)}, NONE), out, atol=1e-12)


def test_every_modality_and_a_subset_count():
    (tokens, padding), module = a_case(), fusion(1)
    both = module(tokens, padding)
    for name in ("a", "b"):
        alone = module({name: tokens[name]}, padding)
        assert alone.shape == both.shape
        assert (alone - both).abs().max() > 1e-3


def test_a_sample_of_padding_alone_still_has_cls():
    tokens = {"a": torch.randn(2, 3, WIDTH).double()}
    assert fusion(2)(tokens, {"a": torch.ones(2, 3, dtype=torch.bool)}).isfinite().all()


def test_samples_do_not_see_each_other():
    (tokens, padding), module = a_case(), fusion(2)
    alone = module({k: v[1:2] for k, v in tokens.items()}, {"a": padding["a"][1:2], "b": None})
    assert torch.allclose(alone[0], module(tokens, padding)[1], atol=1e-12)


def test_join_padding():
    a, b = torch.zeros(2, 2, 4), torch.zeros(2, 3, 4)
    mask = torch.tensor([[False, True, True], [False, False, True]])
    assert join_padding([a, b], [None, None]) is None
    joined = join_padding([a, b], [None, mask])
    assert joined.tolist() == [[False, False, False, True, True], [False, False, False, False, True]]


@pytest.mark.parametrize("depth", [1, 2])
def test_all_tokens_are_the_full_stack_with_cls_first(depth):
    (tokens, padding), module = a_case(), fusion(depth)
    out, mask = module.all_tokens(tokens, padding)
    assert out.shape == (3, 1 + 5 + 2, WIDTH)
    assert mask.tolist() == join_padding([out[:, :1], *tokens.values()], [None, *padding.values()]).tolist()
    assert torch.allclose(out[:, 0], module(tokens, padding), atol=1e-12)
    for sample in range(3):
        there = ~padding["a"][sample]
        x = torch.cat([module.cls[0], tokens["a"][sample][there], tokens["b"][sample]])[None]
        for block in module.blocks:
            x = block(x)
        expected = F.layer_norm(x[0], (WIDTH,), module.norm.weight, module.norm.bias)
        assert torch.allclose(out[sample][~mask[sample]], expected, atol=1e-10)
