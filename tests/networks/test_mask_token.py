"""Tokens replaced by a learned one: how many, which, and what stays."""

import pytest
import torch

from coral_plugin.networks.mask_token import MaskToken, kept_tokens


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def a_mask(width=8):
    torch.manual_seed(0)
    return MaskToken(width)


def replaced(mask, masked, copies):
    """``(K, B, T)``, True where the token is the learned one."""
    return (masked == mask.token).all(-1).unflatten(0, (copies, -1))


@pytest.mark.parametrize(
    ("length", "ratio", "kept"),
    [
        (50, 0.8, 9),  # 50 * (1 - 0.8) is 9.999...
        (36, 0.7, 10),
        (10, 0.8, 1),
        (24, 0.8, 4),
        (10, 0.5, 5),
        (7, 0.0, 7),
        (1, 0.8, 1),  # a departure: the released code hides it always
        (3, 0.8, 1),  # and these three
    ],
)
def test_number_of_kept_tokens(length, ratio, kept):
    assert kept_tokens(torch.tensor([length]), ratio).tolist() == [kept]
    mask = a_mask()
    masked, padding = mask(torch.randn(5, length, 8), None, ratio, 3, generator())
    assert masked.shape == (15, length, 8)
    assert padding is None
    assert (replaced(mask, masked, 3).sum(-1) == length - kept).all()


def test_kept_tokens_stay_where_and_what_they_are():
    mask, tokens = a_mask(), torch.randn(4, 6, 8)
    masked, _ = mask(tokens, None, 0.5, 3, generator())
    hidden = replaced(mask, masked, 3)
    assert torch.equal(masked.unflatten(0, (3, 4))[~hidden], tokens.expand(3, -1, -1, -1)[~hidden])


def test_lengths_count_the_samples_own_tokens_and_padding_stays_padding():
    mask, tokens, ratio = a_mask(), torch.randn(4, 10, 8), 0.7
    lengths = torch.tensor([10, 7, 1, 0])  # the last sample lacks the modality
    padding = torch.arange(10) >= lengths[:, None]
    masked, left = mask(tokens, padding, ratio, 5, generator())
    assert torch.equal(left.unflatten(0, (5, 4)), padding.expand(5, -1, -1))
    kept = (~replaced(mask, masked, 5) & ~padding).sum(-1)
    assert torch.equal(kept, torch.tensor([3, 2, 1, 0]).expand(5, -1))


def test_each_sample_and_copy_is_masked_by_itself_and_every_token_equally_often():
    mask, tokens = a_mask(), torch.randn(400, 4, 8)
    masked, _ = mask(tokens, None, 0.5, 5, generator())
    hidden = replaced(mask, masked, 5)
    assert len({tuple(row) for row in hidden[:, 0].tolist()}) > 1
    assert len({tuple(row) for row in hidden[0].tolist()}) == 6  # two of four
    shares = hidden.double().mean(dim=(0, 1))
    assert torch.allclose(shares, torch.full((4,), 0.5, dtype=torch.float64), atol=5 * (0.25 / 2000) ** 0.5)


def test_the_generator_decides():
    mask, tokens = a_mask(), torch.randn(4, 6, 8)
    state = torch.get_rng_state()
    one, again, other = (mask(tokens, None, 0.5, 2, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_token_is_small_cut_and_learned():
    mask = a_mask(4096)
    assert mask.token.shape == (1, 1, 4096)
    assert mask.token.abs().max() <= 0.02
    # a normal distribution cut at one deviation has 0.54 of it
    assert mask.token.std().item() == pytest.approx(0.0108, abs=0.0005)
    tokens = torch.randn(2, 6, 4096, requires_grad=True)
    masked, _ = mask(tokens, None, 0.5, 3, generator())
    masked.sum().backward()
    assert (mask.token.grad == 2 * 3 * 3).all()
    assert tokens.grad.sum() == 2 * 3 * 3 * 4096
