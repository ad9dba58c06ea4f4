"""Latent converters against specification 1.4."""

import math

import pytest
import torch

from coral_plugin.networks.tokenizers import (
    FeatureTokenizer,
    PatchTokenizer,
    SequenceTokenizer,
    VectorTokenizer,
    sine_cosine_position,
    step_position,
    tokenizer_for,
)


def naive_position(row, column, width):
    p = width // 4
    omega = [10_000 ** (-k / p) for k in range(p)]
    return (
        [math.sin(row * w) for w in omega]
        + [math.cos(row * w) for w in omega]
        + [math.sin(column * w) for w in omega]
        + [math.cos(column * w) for w in omega]
    )


def test_feature_tokens():
    tokenizer = FeatureTokenizer(3, 4).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    out = tokenizer(x)
    assert out.shape == (2, 3, 4)
    for i in range(2):
        for j in range(3):
            assert torch.allclose(out[i, j], x[i, j] * tokenizer.weight[j] + tokenizer.bias[j])


def test_feature_tokenizer_starts_from_the_normal_distribution():
    torch.manual_seed(0)
    tokenizer = FeatureTokenizer(64, 512)
    for parameter in (tokenizer.weight, tokenizer.bias):
        assert parameter.requires_grad
        assert parameter.mean().item() == pytest.approx(0, abs=0.03)
        assert parameter.std().item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(tokenizer.weight, tokenizer.bias)


@pytest.mark.parametrize(("grid", "width"), [((2, 3), 8), ((5, 1), 12), ((6, 6), 512)])
def test_position_code(grid, width):
    code = sine_cosine_position(grid, width)
    expected = [naive_position(r, c, width) for r in range(grid[0]) for c in range(grid[1])]
    assert code.dtype == torch.float32
    assert torch.allclose(code.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("width", [10, 1, 7])
def test_position_code_of_other_widths_is_cut_from_the_next_multiple_of_four(width):
    code = sine_cosine_position((3, 2), width)
    assert torch.equal(code, sine_cosine_position((3, 2), -(-width // 4) * 4)[:, :width])


def test_patch_tokens_of_a_rectangular_grid():
    tokenizer = PatchTokenizer(5, (2, 3), 8).double()
    x = torch.randn(2, 5, 2, 3, dtype=torch.float64)
    out = tokenizer(x)
    assert out.shape == (2, 6, 8)
    weight, bias = tokenizer.project.weight[:, :, 0, 0], tokenizer.project.bias
    for r in range(2):
        for c in range(3):
            expected = x[1, :, r, c] @ weight.T + bias + torch.tensor(naive_position(r, c, 8), dtype=torch.float64)
            assert torch.allclose(out[1, r * 3 + c], expected, atol=1e-6)


def test_position_code_is_neither_trained_nor_saved():
    tokenizer = PatchTokenizer(5, (2, 3), 8)
    assert {name for name, _ in tokenizer.named_parameters()} == {"project.weight", "project.bias"}
    assert set(tokenizer.state_dict()) == {"project.weight", "project.bias"}


def test_vector_and_sequence_of_the_width_pass_unchanged_without_parameters():
    for tokenizer, x in ((VectorTokenizer(8, 8), torch.randn(3, 8)), (SequenceTokenizer(8, 8), torch.randn(3, 5, 8))):
        assert not list(tokenizer.parameters())
        assert torch.equal(tokenizer(x), x.reshape(3, -1, 8))


def test_vector_and_sequence_of_another_width_are_mapped():
    vector, sequence = VectorTokenizer(5, 8), SequenceTokenizer(5, 8)
    x = torch.randn(3, 4, 5)
    expected = x @ sequence.project.weight.T + sequence.project.bias
    assert torch.allclose(sequence(x), expected, atol=1e-6)
    expected = x[:, 0] @ vector.project.weight.T + vector.project.bias
    assert torch.allclose(vector(x[:, 0]), expected[:, None], atol=1e-6)


@pytest.mark.parametrize(
    ("output", "width", "kind", "tokens"),
    [
        ((10,), 512, FeatureTokenizer, 10),
        ((64,), 40, FeatureTokenizer, 64),
        ((65,), 40, VectorTokenizer, 1),
        ((512,), 40, VectorTokenizer, 1),
        ((40,), 40, VectorTokenizer, 1),
        ((1,), 40, FeatureTokenizer, 1),
        ((24, 512), 512, SequenceTokenizer, 24),
        ((24, 30), 512, SequenceTokenizer, 24),
        ((256, 6, 6), 512, PatchTokenizer, 36),
        ((3, 1, 4), 8, PatchTokenizer, 4),
    ],
)
def test_the_tokenizer_that_fits(output, width, kind, tokens):
    tokenizer = tokenizer_for(output, width)
    assert type(tokenizer) is kind
    assert tokenizer(torch.randn(2, *output)).shape == (2, tokens, width)


@pytest.mark.parametrize("output", [(), (2, 3, 4, 5)])
def test_no_tokenizer(output):
    with pytest.raises(ValueError, match="no tokenizer"):
        tokenizer_for(output, 8)


@pytest.mark.parametrize("width", [8, 7])
def test_position_code_of_steps(width):
    code, half = step_position(5, width), 4
    assert code.shape == (5, width)
    for t in range(5):
        for k in range(half):
            angle = t * 10_000 ** (-k / half)
            assert code[t, k].item() == pytest.approx(math.sin(angle), abs=1e-6)
            if half + k < width:
                assert code[t, half + k].item() == pytest.approx(math.cos(angle), abs=1e-6)
