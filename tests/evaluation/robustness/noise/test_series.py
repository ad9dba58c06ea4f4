"""Noise on series, against its definitions."""

import pytest
import torch

from coral_plugin.evaluation.robustness.noise import series

LENGTHS = torch.tensor([3, 40, 25, 40])
FUNCTIONS = [
    series.white_noise, series.random_drop, series.structured_drop, series.timeseries, series.words, series.sound,
]  # fmt: skip


@pytest.fixture
def values():
    return torch.randn(4, 40, 6, generator=torch.Generator().manual_seed(1)) + 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_same_generator_same_noise_and_padding_stays(function, values):
    before = values.clone()
    noised = function(values, LENGTHS, 0.6, seeded())
    assert torch.equal(values, before)
    assert noised.shape == values.shape
    assert torch.equal(noised, function(values, LENGTHS, 0.6, seeded()))
    assert not torch.equal(noised, function(values, LENGTHS, 0.6, seeded(1)))
    for row, length in enumerate(LENGTHS):
        assert torch.equal(noised[row, length:], values[row, length:])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_level_zero_is_clean(function, values):
    assert torch.equal(function(values, LENGTHS, 0.0, seeded()), values)


@pytest.mark.parametrize("function", [series.random_drop, series.structured_drop, series.timeseries, series.words])
def test_level_one_leaves_nothing(function, values):
    noised = function(values, LENGTHS, 1.0, seeded())
    assert all(not noised[row, :length].any() for row, length in enumerate(LENGTHS))


def test_white_noise_is_one_number_a_step_of_the_deviation_asked_for():
    zeros, lengths = torch.zeros(20, 500, 3), torch.full((20,), 500)
    noised = series.white_noise(zeros, lengths, 0.3, seeded())
    assert torch.equal(noised, noised[..., :1].expand_as(noised))
    steps = noised[..., 0]
    assert steps.std().item() == pytest.approx(0.3, rel=0.03)
    assert steps.mean().item() == pytest.approx(0.0, abs=0.01)


def test_shares_of_what_is_dropped():
    ones, lengths = torch.ones(20, 500, 4), torch.full((20,), 500)
    entries = series.random_drop(ones, lengths, 0.3, seeded()) == 0
    assert entries.float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert 0 < entries.all(dim=2).float().mean() < 0.05
    steps = series.structured_drop(ones, lengths, 0.3, seeded()) == 0
    assert torch.equal(steps.any(dim=2), steps.all(dim=2))
    assert steps.float().mean().item() == pytest.approx(0.3, abs=0.02)
    both = (series.timeseries(ones * 9, lengths, 0.2, seeded()) == 0).float().mean().item()
    assert both == pytest.approx(1 - 0.8**2, abs=0.02)


def starts_by_walking(draws, steps, run):
    """Which steps are dropped if each step begins a run where its draw says so, going from left to right."""
    dropped, at = [False] * steps, 0
    while at <= steps - run:
        if draws[at]:
            dropped[at : at + run] = [True] * run
            at += run
        else:
            at += 1
    return dropped


@pytest.mark.parametrize("run", [1, 4])
def test_runs_have_the_distribution_of_going_through_the_steps(run):
    steps, level, count = 23, 0.15, 20000
    drawn = series.runs(torch.full((count,), steps), steps, level, run, seeded()).double()
    walked = torch.tensor(
        [starts_by_walking(row, steps, run) for row in (torch.rand(count, steps, generator=seeded(1)) < level).tolist()]
    ).double()
    assert (drawn.mean(dim=0) - walked.mean(dim=0)).abs().max() < 0.02
    assert drawn.sum(dim=1).var().item() == pytest.approx(walked.sum(dim=1).var().item(), rel=0.05)


def test_runs_at_the_ends():
    lengths = torch.tensor([9, 10, 25, 30])
    assert not series.runs(lengths, 30, 0.0, 10, seeded()).any()
    everything = series.runs(lengths, 30, 1.0, 10, seeded())
    assert everything.sum(dim=1).tolist() == [0, 10, 20, 30]
    assert series.runs(lengths, 30, 1.0, 1, seeded()).sum(dim=1).tolist() == lengths.tolist()


def test_sound_hits_as_many_samples_as_the_level_says_and_leaves_the_others():
    ones, lengths = torch.ones(3000, 20, 1), torch.full((3000,), 20)
    noised = series.sound(ones, lengths, 0.5, seeded())
    changed = (noised != ones).flatten(1).any(dim=1)
    # of those that are hit a third has no run of ten steps with some probability
    assert 0.4 < changed.float().mean() <= 0.52
    modes = {"noise": 0, "single": 0, "run": 0}
    for row in noised[changed].squeeze(2):
        zeros = (row == 0).tolist()
        whole = sum(zeros) in (10, 20) and all(a == b for a, b in zip(zeros[:10], zeros[:10][::-1], strict=True))
        modes["noise" if not any(zeros) else "run" if whole else "single"] += 1
    assert min(modes.values()) > 50
    assert (series.sound(ones, lengths, 1.0, seeded()) != ones).flatten(1).any(dim=1).all()
