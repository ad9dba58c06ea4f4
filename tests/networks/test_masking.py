"""Masks: shares, partition and schedule; randomness from the passed generator alone."""

from itertools import combinations

import pytest
import torch

from coral_plugin.networks.masking import mask_ratio, mask_tokens, partition

STAGES = (0.05, 0.35, 0.55, 0.75)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("ratio", [0.05, 0.35, 0.75])
def test_each_token_is_kept_whole_or_zeroed_whole(ratio):
    tokens = torch.randn(400, 50, 3) + 10
    out = mask_tokens(tokens, ratio, seeded(0))
    kept = (out == tokens).all(-1)
    assert torch.equal(kept, ~(out == 0).all(-1))  # nothing between, nothing rescaled
    tolerance = 5 * (ratio * (1 - ratio) / kept.numel()) ** 0.5
    assert 1 - kept.double().mean().item() == pytest.approx(ratio, abs=tolerance)


def test_samples_and_tokens_are_masked_independently():
    masked = (mask_tokens(torch.ones(20_000, 4, 1), 0.5, seeded(1))[..., 0] == 0).double()
    correlation = torch.corrcoef(masked.T) - torch.eye(4)
    assert correlation.abs().max() < 5 / 20_000**0.5
    assert len(masked.unique(dim=0)) == 16


def test_ratio_zero_and_one():
    tokens = torch.randn(5, 7, 3)
    assert torch.equal(mask_tokens(tokens, 0.0), tokens)
    assert torch.equal(mask_tokens(tokens, 1.0), torch.zeros_like(tokens))


def test_mask_blocks_the_gradient_and_leaves_its_input_alone():
    tokens = torch.ones(6, 9, 2, requires_grad=True)
    out = mask_tokens(tokens, 0.5, seeded(2))
    out.sum().backward()
    assert torch.equal(tokens.grad, out.detach())
    assert (tokens == 1).all()


def test_the_generator_decides_whatever_ran_before():
    tokens, names = torch.ones(20, 30, 1), list("abcde")

    def draw(noise):
        torch.manual_seed(noise)
        torch.rand(noise)
        generator = seeded(3)
        return mask_tokens(tokens, 0.5, generator), partition(names, generator)

    (first, one), (second, two) = draw(1), draw(100)
    assert torch.equal(first, second)
    assert one == two


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_partition(n):
    """Disjoint, complete, halves; every split occurs, and every modality is as often in one half as in the other."""
    names, generator, draws = [f"m{i}" for i in range(n)], seeded(n), 3000
    first_half, splits = dict.fromkeys(names, 0), set()
    for _ in range(draws):
        first, second = partition(names, generator)
        assert sorted(first + second) == names
        assert abs(len(first) - len(second)) == n % 2
        for name in first:
            first_half[name] += 1
        splits.add(frozenset(first))
    assert all(abs(count / draws - 0.5) < 5 * (0.25 / draws) ** 0.5 for count in first_half.values())
    assert splits == {frozenset(c) for size in {n // 2, n - n // 2} for c in combinations(names, size)}


def test_partition_without_a_generator_uses_the_global_one():
    torch.manual_seed(4)
    first = [partition("abcdef") for _ in range(5)]
    torch.manual_seed(4)
    assert first == [partition("abcdef") for _ in range(5)]


@pytest.mark.parametrize("epochs", [100, 60, 4])
def test_schedule_changes_at_the_quarters(epochs):
    ratios = [mask_ratio(epoch / epochs, STAGES) for epoch in range(epochs)]
    assert ratios == [ratio for ratio in STAGES for _ in range(epochs // 4)]


def test_schedule_at_the_end_and_with_other_numbers_of_stages():
    assert mask_ratio(1.0, STAGES) == 0.75
    assert [mask_ratio(p, (0.1, 0.9)) for p in (0, 0.49, 0.5, 1)] == [0.1, 0.1, 0.9, 0.9]
    assert [mask_ratio(p, (0.3,)) for p in (0, 1)] == [0.3, 0.3]
