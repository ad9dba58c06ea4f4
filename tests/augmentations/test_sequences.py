"""Sequence augmentations against their definitions, sample by sample."""

import pytest
import torch

from coral_plugin.augmentations import sequences as S

LENGTHS = torch.tensor([12, 7, 1, 3, 12, 5])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def series(lengths=LENGTHS, steps=12, width=4, padding=0.0):
    values = torch.rand(len(lengths), steps, width, generator=gen(5)) + 1
    return values.masked_fill(~S.valid_steps(values, lengths).unsqueeze(-1), padding)


def test_noise_has_the_right_spread():
    values = torch.zeros(200, 50, 4)
    draw = S.noise(values, torch.full((200,), 50), gen())
    assert draw.std().item() == pytest.approx(0.1, rel=0.02)
    assert draw.mean().abs() < 0.002


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.79])
def test_drop_zeroes_exactly_the_rounded_share(share):
    result = S.drop(series(), LENGTHS, gen(), fraction=(share, share))
    for row, source, length in zip(result, series(), LENGTHS.tolist(), strict=True):
        gone = (row[:length] == 0).all(dim=1)
        assert gone.sum() == round(share * length)
        assert torch.equal(row[:length][~gone], source[:length][~gone])


def test_drop_share_is_uniform_and_steps_are_alike():
    lengths = torch.full((4000,), 40)
    gone = (S.drop(torch.ones(4000, 40, 1), lengths, gen()) == 0).squeeze(-1).float()
    shares = gone.mean(dim=1)
    assert shares.mean().item() == pytest.approx(0.4, abs=0.01)
    assert shares.var().item() == pytest.approx(0.8**2 / 12, rel=0.05)
    assert shares.max() <= 0.8
    assert (gone.mean(dim=0) - 0.4).abs().max() < 0.04


def test_same_draw_drops_the_same_steps_of_another_modality():
    share, keys = S.shared_draw(6, 12, torch.device("cpu"), gen())
    one = S.drop_lowest(series(), LENGTHS, share, keys)
    two = S.drop_lowest(series(width=9), LENGTHS, share, keys)
    assert torch.equal((one == 0).all(dim=2), (two == 0).all(dim=2))


def test_permute_keeps_the_rows():
    values = series()
    result = S.permute(values, LENGTHS, gen())
    for row, source, length in zip(result, values, LENGTHS.tolist(), strict=True):
        assert sorted(row[:length].tolist()) == sorted(source[:length].tolist())
    assert not torch.equal(result, values)


def runs(mask):
    """Lengths of the runs of True."""
    text = "".join("x" if m else " " for m in mask.tolist())
    return [len(part) for part in text.split()]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_consecutive_drop_and_crop_are_one_run(share):
    for seed in range(20):
        dropped = S.drop_consecutive(series(), LENGTHS, gen(seed), fraction=(share, share))
        kept = S.crop(series(), LENGTHS, gen(seed), fraction=(share, share))
        for i, length in enumerate(LENGTHS.tolist()):
            count = round(share * length)
            assert runs((dropped[i, :length] == 0).all(dim=1)) == [count] * (count > 0)
            inside = (kept[i, :length] != 0).all(dim=1)
            assert runs(inside) == [max(1, count)]
            assert torch.equal(kept[i, :length][inside], series()[i, :length][inside])


def test_every_start_of_a_run_occurs_equally_often():
    lengths = torch.full((6000,), 6)
    kept = S.crop(torch.ones(6000, 6, 1), lengths, gen(), fraction=(0.5, 0.5)).squeeze(-1)
    share = torch.bincount(kept.argmax(dim=1), minlength=4) / 6000
    assert (share - 0.25).abs().max() < 0.03


def test_mixup_stays_between_the_rows_of_the_sample():
    values = torch.arange(5.0).view(1, 5, 1).repeat(3000, 1, 1)
    result = S.mixup(values, torch.full((3000,), 5), gen())
    assert result.min() >= 0
    assert result.max() <= 4
    # partners are a permutation: the mean of a sample stays
    torch.testing.assert_close(result.mean(dim=1), torch.full((3000, 1), 2.0))
    # E[w x + (1 - w) m] with w ~ U(0, 1): half way to the mean
    assert result[:, 4].mean().item() == pytest.approx(3.0, abs=0.08)
