"""Sensor augmentations: what each of them keeps, and how far it goes."""

import math

import pytest
import torch

from coral_plugin.augmentations import inertial as N
from coral_plugin.data.padding import valid_steps
from coral_plugin.errors import InputError

LENGTHS = torch.tensor([20, 11, 1, 2, 20])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def series(padding=0.0, width=6):
    values = torch.randn(5, 20, width, generator=gen(9))
    return values.masked_fill(~valid_steps(values, LENGTHS).unsqueeze(-1), padding)


def ramp(batch=50, steps=30, width=3):
    return torch.arange(float(steps)).view(1, -1, 1).repeat(batch, 1, width), torch.full((batch,), steps)


def test_scale_is_one_factor_for_each_channel():
    values = series()
    ratio = N.scale(values, LENGTHS, gen())[0] / values[0]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    assert ratio[0].unique().numel() == 6
    factors = N.scale(torch.ones(3000, 1, 3), torch.ones(3000, dtype=torch.long), gen())
    assert factors.std().item() == pytest.approx(0.1, rel=0.03)


def test_rotation_keeps_norms_and_angles_within_each_triple():
    values = series().double()
    result = N.rotate(values, LENGTHS, gen())
    for axes in (slice(0, 3), slice(3, 6)):
        old, new = values[..., axes], result[..., axes]
        torch.testing.assert_close(new @ new.mT, old @ old.mT)
    # one rotation for both sensors, and no mirror image
    old = torch.eye(3, dtype=torch.float64).repeat(7, 1, 2)
    new = N.rotate(old, torch.full((7,), 3), gen())
    torch.testing.assert_close(new[..., :3], new[..., 3:])
    torch.testing.assert_close(torch.linalg.det(new[..., :3]), torch.ones(7, dtype=torch.float64))


def test_rotation_is_uniform_or_limited():
    eye, full = torch.eye(3).repeat(4000, 1, 1), torch.full((4000,), 3)
    turned = N.rotate(eye, full, gen())
    # a uniformly random direction has mean 0 and variance 1/3 in each coordinate
    assert turned.mean(dim=0).abs().max() < 0.04
    assert (turned.square().mean(dim=0) - 1 / 3).abs().max() < 0.02
    trace = N.rotate(eye, full, gen(), degrees=30).diagonal(dim1=1, dim2=2).sum(dim=1)
    angle = ((trace - 1) / 2).clamp(-1, 1).acos() * 180 / math.pi
    assert angle.max() <= 30.1
    assert angle.mean().item() == pytest.approx(15, abs=0.6)


def test_rotation_needs_triples():
    with pytest.raises(InputError, match="multiple of 3"):
        N.rotate(torch.ones(2, 5, 4), torch.tensor([5, 5]), gen())


def test_slice_of_a_ramp_is_a_ramp_of_the_right_slope():
    values, lengths = ramp()
    result = N.slice_window(values, lengths, gen())
    slopes = result.diff(dim=1)
    torch.testing.assert_close(slopes, slopes[:, :1].expand_as(slopes), atol=1e-5, rtol=1e-5)
    assert slopes.min() >= 0.6 - 1e-5
    assert slopes.max() <= 1 + 1e-5
    assert result.min() >= 0
    assert result.max() <= 29
    whole = N.slice_window(values, lengths, gen(), fraction=(1, 1))
    torch.testing.assert_close(whole, values)


def test_time_warp_of_a_ramp_is_its_map_of_time():
    values, lengths = ramp(200)
    place = N.time_warp(values, lengths, gen())[..., 0]
    torch.testing.assert_close(place[:, 0], torch.zeros(200))
    torch.testing.assert_close(place[:, -1], torch.full((200,), 29.0))
    speed = place.diff(dim=1)
    assert speed.min() > 0
    # smooth: the speed changes little from step to step, and it does change
    assert speed.diff(dim=1).abs().max() < 0.35
    assert speed.std() > 0.1
    torch.testing.assert_close(N.time_warp(values, lengths, gen(), std=0.0), values)


def test_time_warp_keeps_to_the_valid_steps():
    values = torch.arange(20.0).view(1, 20, 1).repeat(5, 1, 1)
    result = N.time_warp(values, LENGTHS, gen())[..., 0]
    for row, length in zip(result, LENGTHS.tolist(), strict=True):
        assert row[length - 1].item() == pytest.approx(length - 1, abs=1e-5)
        assert row.max() <= length - 1 + 1e-5


def test_time_warp_agrees_with_the_integral_of_its_speed():
    values, lengths = ramp(1, 3001, 1)
    place = N.time_warp(values, lengths, gen(2))[0, :, 0].double() / 3000
    knots = (0.3 * torch.randn(1, 4, generator=gen(2))).exp()[0].double()
    time = torch.linspace(0, 3, 3001, dtype=torch.float64)
    left = time.floor().clamp(max=2).long()
    part = time - left
    speed = knots[left] + (knots[left + 1] - knots[left]) * (1 - torch.cos(math.pi * part)) / 2
    passed = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(speed, time)])
    torch.testing.assert_close(place, passed / passed[-1], atol=1e-5, rtol=0)


def test_magnitude_warp_is_smooth_and_around_one():
    curve = N.magnitude_warp(torch.ones(500, 100, 3), torch.full((500,), 100), gen())
    assert curve.mean().item() == pytest.approx(1, abs=0.02)
    assert curve[:, 0].std().item() == pytest.approx(0.2, rel=0.06)
    assert curve.diff(dim=1).abs().max() < 0.06
    assert not torch.equal(curve[..., 0], curve[..., 1])


def test_negate_and_channel_drop():
    values = series()
    assert torch.equal(N.negate(values, LENGTHS, None), -values)
    result = N.channel_drop(torch.ones(2000, 4, 5), torch.full((2000,), 4), gen(), probability=0.3)
    assert torch.equal(result, result[:, :1].expand_as(result))
    assert (1 - result).mean().item() == pytest.approx(0.3, abs=0.02)
