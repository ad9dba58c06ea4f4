"""Augmentations of sensor series ``(B, T, d)`` (Um et al. 2017, arXiv:1706.00527), whole batches at a time.

The first ``lengths`` (B,) steps of a sample are valid. Every function returns a new tensor whose padding is zero, and
what the padding held before changes nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from coral_plugin.augmentations.base import NOT_NEGATIVE, SHARE, Range, augmentation
from coral_plugin.augmentations.sequences import blank, noise, uniform
from coral_plugin.data import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.errors import InputError


@augmentation("sequence", "timeseries", bounds={"std": NOT_NEGATIVE})
def jitter(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, std: float = 0.05) -> Tensor:
    """``x + std * N(0, 1)`` on every element of the valid steps."""
    return noise(values, lengths, generator, std=std)


@augmentation("sequence", "timeseries", bounds={"std": NOT_NEGATIVE})
def scale(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, std: float = 0.1) -> Tensor:
    """Each channel of each sample times its own factor from ``N(1, std)``."""
    batch, _, channels = values.shape
    draw = torch.randn(batch, 1, channels, device=values.device, dtype=values.dtype, generator=generator)
    return blank(values * (1 + std * draw), ~valid_steps(values, lengths))


def _in_triples(modality: Modality) -> bool:
    return modality.features % 3 == 0


# a rotation of axes that were scaled one by one would not be one
@augmentation("sequence", "timeseries", bounds={"degrees": NOT_NEGATIVE}, fits=_in_triples, scaled=False)
def rotate(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, degrees: float = 180.0) -> Tensor:
    """One random rotation of space per sample, applied to each consecutive triple of channels (x, y, z).

    At 180 degrees every orientation is equally likely; below, the axis is uniform on the sphere and the angle is drawn
    from ``U(0, degrees)``.

    Raises:
        InputError: d is not a multiple of 3.
    """
    batch, steps, channels = values.shape
    if channels % 3:
        raise InputError(f"rotate needs triples of axes (d a multiple of 3), got d = {channels}.")
    turn = _rotations(batch, degrees, values.device, generator).to(values.dtype)  # (B, 3, 3)
    axes = values.reshape(batch, steps * (channels // 3), 3) @ turn.mT
    return blank(axes.reshape(values.shape), ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", bounds={"std": NOT_NEGATIVE})
def time_warp(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, std: float = 0.3) -> Tensor:
    """Time runs faster here and slower there: a smooth, strictly increasing map of [0, L - 1] onto itself.

    The speed is a smooth curve through four draws of ``exp(N(0, std))``; values between two steps are interpolated
    linearly.
    """
    speed = (std * torch.randn(len(values), _KNOTS, device=values.device, generator=generator)).exp()  # (B, K)
    left, part = _segments(lengths, values.shape[1])
    before, after = speed.gather(1, left), speed.gather(1, left + 1)  # (B, T)
    # the curve's integral in closed form: a cumulative sum over T is not reproducible on a GPU
    within = before * part + (after - before) * (part - torch.sin(math.pi * part) / math.pi) / 2
    whole = (speed[:, 1:] + speed[:, :-1]) / 2  # (B, K - 1), integral over each segment
    passed = whole @ torch.ones(_KNOTS - 1, _KNOTS, device=values.device).triu(1)  # (B, K), integral up to each knot
    place = (passed.gather(1, left) + within) / passed[:, -1:]  # (B, T) in [0, 1]
    return _resample(values, lengths, place * (lengths.unsqueeze(1) - 1))


@augmentation("sequence", "timeseries", bounds={"fraction": SHARE})
def slice_window(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, fraction: Range = (0.6, 1.0)
) -> Tensor:
    """A random window of ``U(fraction)`` of the valid steps, stretched back to all of them by linear interpolation."""
    share = uniform(len(values), fraction, values.device, generator)
    place = torch.rand(len(values), device=values.device, generator=generator)
    last = (lengths - 1).clamp(min=0)
    step = torch.arange(values.shape[1], device=values.device)
    start = place * (1 - share) * last  # (B,)
    return _resample(values, lengths, start.unsqueeze(1) + step * share.unsqueeze(1))


@augmentation("sequence", "timeseries", bounds={"std": NOT_NEGATIVE})
def magnitude_warp(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, std: float = 0.2) -> Tensor:
    """Each channel of each sample times its own smooth curve through four draws of ``N(1, std)``."""
    batch, steps, channels = values.shape
    draw = torch.randn(batch, _KNOTS, channels, device=values.device, generator=generator)
    curve = 1 + std * _curve(draw, lengths, steps)
    return blank(values * curve.to(values.dtype), ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries")
def negate(values: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """The sign of all channels turned (a sensor worn the other way round); nothing is drawn."""
    return blank(-values, ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", bounds={"probability": SHARE})
def channel_drop(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, probability: float = 0.1
) -> Tensor:
    """Each channel of each sample set to zero with ``probability``."""
    batch, _, channels = values.shape
    lost = torch.rand(batch, 1, channels, device=values.device, generator=generator) < probability
    return blank(values.masked_fill(lost, 0), ~valid_steps(values, lengths))


_KNOTS = 4


def _segments(lengths: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Between which knots each step lies, knots spread evenly over the valid steps.

    Returns:
        The knot to the left ``(B, T)``, and the part of the way to the next one ``(B, T)`` in [0, 1].
    """
    last = (lengths - 1).clamp(min=1).unsqueeze(1)
    place = torch.arange(steps, device=lengths.device) / last * (_KNOTS - 1)
    left = place.floor().clamp(max=_KNOTS - 2)
    return left.long(), (place - left).clamp(max=1)


def _curve(knots: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """A smooth curve ``(B, T, c)`` through ``knots`` (B, K, c).

    Between two knots it follows half a cosine, so it never leaves the range of its knots.
    """
    left, part = _segments(lengths, steps)
    index = left.unsqueeze(-1).expand(-1, -1, knots.shape[2])
    weight = (1 - torch.cos(math.pi * part)) / 2
    return torch.lerp(knots.gather(1, index), knots.gather(1, index + 1), weight.unsqueeze(-1))


def _resample(values: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
    """``values`` (B, T, d) at fractional steps ``positions`` (B, T), linear between neighbours, padding zero."""
    last = (lengths - 1).clamp(min=0).unsqueeze(1)
    positions = torch.minimum(positions.clamp(min=0), last.to(positions.dtype))
    low = positions.floor().long()
    high = torch.minimum(low + 1, last)
    weight = (positions - low).unsqueeze(-1).to(values.dtype)
    width = values.shape[2]
    before = values.gather(1, low.unsqueeze(-1).expand(-1, -1, width))
    after = values.gather(1, high.unsqueeze(-1).expand(-1, -1, width))
    return blank(torch.lerp(before, after, weight), ~valid_steps(values, lengths))


def _rotations(size: int, degrees: float, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """``size`` random rotation matrices ``(size, 3, 3)`` from unit quaternions ``(cos a/2, sin a/2 * axis)``."""
    # four normal numbers point to a uniformly random place on the sphere of quaternions
    draw = torch.randn(size, 4, device=device, generator=generator).double()
    if degrees < 180:
        half = torch.rand(size, 1, device=device, generator=generator).double() * math.radians(degrees) / 2
        axis = draw[:, 1:] / draw[:, 1:].norm(dim=1, keepdim=True)
        draw = torch.cat([half.cos(), half.sin() * axis], dim=1)
    w, x, y, z = (draw / draw.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
