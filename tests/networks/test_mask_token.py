"""Tokens replaced by a learned one: how many, which, and what stays."""

import pytest
import torch

from coral_plugin.networks.mask_token import MaskToken, kept_tokens


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def a_mask(width=8):
    torch.manual_seed(0)
    return MaskToken(width)


def masks(mask, tokens, padding, *arguments):
    """One modality alone."""
    masked, left = mask({"one": tokens}, {"one": padding}, *arguments)
    return masked["one"], left["one"]


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
        (1, 0.8, 1),  # alone it is all that the sample has; the released code hides it always
        (3, 0.8, 1),  # and these three
    ],
)
def test_number_of_kept_tokens(length, ratio, kept):
    assert kept_tokens(torch.tensor([length]), ratio).tolist() == [kept]
    mask = a_mask()
    masked, padding = masks(mask, torch.randn(5, length, 8), None, ratio, 3, generator())
    assert masked.shape == (15, length, 8)
    assert padding is None
    assert (replaced(mask, masked, 3).sum(-1) == length - kept).all()


def test_kept_tokens_stay_where_and_what_they_are():
    mask, tokens = a_mask(), torch.randn(4, 6, 8)
    masked, _ = masks(mask, tokens, None, 0.5, 3, generator())
    hidden = replaced(mask, masked, 3)
    assert torch.equal(masked.unflatten(0, (3, 4))[~hidden], tokens.expand(3, -1, -1, -1)[~hidden])


def test_lengths_count_the_samples_own_tokens_and_padding_stays_padding():
    mask, tokens, ratio = a_mask(), torch.randn(4, 10, 8), 0.7
    lengths = torch.tensor([10, 7, 1, 0])  # the last sample lacks the modality
    padding = torch.arange(10) >= lengths[:, None]
    masked, left = masks(mask, tokens, padding, ratio, 5, generator())
    assert torch.equal(left.unflatten(0, (5, 4)), padding.expand(5, -1, -1))
    kept = (~replaced(mask, masked, 5) & ~padding).sum(-1)
    assert torch.equal(kept, torch.tensor([3, 2, 1, 0]).expand(5, -1))


def test_each_sample_and_copy_is_masked_by_itself_and_every_token_equally_often():
    mask, tokens = a_mask(), torch.randn(400, 4, 8)
    masked, _ = masks(mask, tokens, None, 0.5, 5, generator())
    hidden = replaced(mask, masked, 5)
    assert len({tuple(row) for row in hidden[:, 0].tolist()}) > 1
    assert len({tuple(row) for row in hidden[0].tolist()}) == 6  # two of four
    shares = hidden.double().mean(dim=(0, 1))
    assert torch.allclose(shares, torch.full((4,), 0.5, dtype=torch.float64), atol=5 * (0.25 / 2000) ** 0.5)


def test_the_generator_decides():
    mask, tokens = a_mask(), torch.randn(4, 6, 8)
    state = torch.get_rng_state()
    one, again, other = (masks(mask, tokens, None, 0.5, 2, generator(seed))[0] for seed in (1, 1, 2))
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
    masked, _ = masks(mask, tokens, None, 0.5, 3, generator())
    masked.sum().backward()
    assert (mask.token.grad == 2 * 3 * 3).all()
    assert tokens.grad.sum() == 2 * 3 * 3 * 4096


def hidden_modalities(names, ratio, copies, size, padding=None):
    """``{name: (K, B)}``, True where all valid tokens of a modality are the learned one, and the masked tokens."""
    mask = a_mask()
    tokens = {name: torch.randn(size, length, 8) for name, length in names.items()}
    padding = {name: (padding or {}).get(name) for name in names}
    masked, left = mask(tokens, padding, ratio, copies, generator())
    found = {}
    for name in names:
        is_token = replaced(mask, masked[name], copies)
        if left[name] is not None:
            is_token = is_token | left[name].unflatten(0, (copies, -1))
        found[name] = is_token.all(-1)
    return found


def test_a_modality_of_one_token_is_hidden_with_the_probability_of_the_ratio():
    hidden = hidden_modalities({"one": 1, "many": 4}, 0.7, 10, 1000)
    assert not hidden["many"].any()
    assert hidden["one"].double().mean().item() == pytest.approx(0.7, abs=5 * (0.21 / 10_000) ** 0.5)
    # each sample and copy by itself
    assert 0 < hidden["one"][:, 0].sum() < 10
    assert 0 < hidden["one"][0].sum() < 1000


@pytest.mark.parametrize("n", [2, 3])
def test_of_modalities_of_one_token_one_is_left_and_each_equally_often(n):
    """All n fall with ratio^n; then one of them is spared."""
    ratio = 0.7
    names = {f"m{i}": 1 for i in range(n)}
    hidden = hidden_modalities(names, ratio, 10, 2000)
    assert not torch.stack(list(hidden.values())).all(dim=0).any()
    expected = ratio - ratio**n / n
    for name in names:
        share = hidden[name].double().mean().item()
        assert share == pytest.approx(expected, abs=5 * (0.25 / 20_000) ** 0.5)
    spared = torch.stack(list(hidden.values())).sum(dim=0) == n - 1
    assert spared.double().mean().item() == pytest.approx(
        ratio**n + n * ratio ** (n - 1) * (1 - ratio), abs=5 * (0.25 / 20_000) ** 0.5
    )


def test_a_modality_that_is_spared_is_one_that_the_sample_has():
    absent = {"gone": torch.ones(50, 1, dtype=torch.bool)}
    hidden = hidden_modalities({"gone": 1, "one": 1, "another": 1}, 0.95, 20, 50, absent)
    assert not (hidden["one"] & hidden["another"]).any()
    both_absent = absent | {"another": torch.ones(50, 1, dtype=torch.bool)}
    hidden = hidden_modalities({"gone": 1, "one": 1, "another": 1}, 0.95, 20, 50, both_absent)
    assert not hidden["one"].any()


def test_a_series_of_one_valid_step_counts_as_one_token():
    padding = {"series": torch.arange(5).expand(400, 5) >= torch.tensor([1, 5] * 200)[:, None]}
    hidden = hidden_modalities({"series": 5, "table": 3}, 0.7, 10, 400, padding)
    assert not hidden["series"][:, 1::2].any()
    short = hidden["series"][:, ::2].double().mean().item()
    assert short == pytest.approx(0.7, abs=5 * (0.21 / 2000) ** 0.5)


def test_nothing_is_hidden_at_a_ratio_of_zero():
    assert not any(hidden.any() for hidden in hidden_modalities({"one": 1, "another": 1}, 0.0, 5, 50).values())
