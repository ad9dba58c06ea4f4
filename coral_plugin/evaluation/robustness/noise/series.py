"""Noise on series ``(B, T, d)`` of which the first ``lengths`` (B,) steps are valid: time series, words, sound.

MultiBench's definitions (its ``robustness`` package), for whole batches and from a passed generator. Where its
code differs from its documentation, the documented behaviour is computed here, and the docstring names the difference.
Padding keeps its values; a dropped step is set to 0, in the units of the values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.augmentations.sequences import blank
from coral_plugin.data.padding import valid_steps

RUN = 10  # steps that a structured dropout of sound takes away at once


def white_noise(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """``x_t + level * N(0, 1)``: one number per step, added to all of its features.

    MultiBench's affect and MIMIC loaders hand over samples where it expects steps, so that a whole sample gets one
    offset; its definition says every time step.
    """
    draw = torch.randn(values.shape[:2], device=values.device, dtype=values.dtype, generator=generator)
    return values + level * draw.masked_fill(~valid_steps(values, lengths), 0.0).unsqueeze(-1)


def random_drop(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each feature of each step set to 0 with probability ``level``."""
    hit = torch.rand(values.shape, device=values.device, generator=generator) < level
    return values.masked_fill(hit & valid_steps(values, lengths).unsqueeze(-1), 0.0)


def structured_drop(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each step set to 0 as a whole with probability ``level``."""
    hit = torch.rand(values.shape[:2], device=values.device, generator=generator) < level
    return blank(values, hit & valid_steps(values, lengths))


def timeseries(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """:func:`white_noise`, then :func:`random_drop`, then :func:`structured_drop`; at level 1 nothing is left.

    Of the entries ``1 - (1 - level)^2`` are dropped.
    """
    for noise in (white_noise, random_drop, structured_drop):
        values = noise(values, lengths, level, generator)
    return values


def words(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each word's vector set to 0 with probability ``level``.

    MultiBench misspells words, each with probability ``level``, and looks the results up in GloVe, which has zeros for
    what it does not know. Vectors do not hold the letters, so words of up to four letters, which MultiBench spares, are
    hit here too.
    """
    return structured_drop(values, lengths, level, generator)


def sound(values: Tensor, lengths: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Each sample with probability ``level`` gets one of three: white noise, single steps dropped, runs dropped.

    The noise is ``level * N(0, 1)`` on every entry. MultiBench returns zeros for samples that are not hit and cannot
    drop single steps (its arguments are exchanged); here the former stay what they are.
    """
    batch, device = len(values), values.device
    hit = torch.rand(batch, device=device, generator=generator) < level
    mode = torch.randint(3, (batch,), device=device, generator=generator).masked_fill(~hit, 3)
    draw = level * torch.randn(values.shape, device=device, dtype=values.dtype, generator=generator)
    valid = valid_steps(values, lengths)
    noised = values + draw.masked_fill(~valid.unsqueeze(-1), 0.0)
    result = torch.where((mode == 0).view(-1, 1, 1), noised, values)
    for number, run in ((1, 1), (2, RUN)):
        dropped = runs(lengths, values.shape[1], level, run, generator) & (mode == number).unsqueeze(1)
        result = blank(result, dropped)
    return result


def runs(lengths: Tensor, steps: int, level: float, run: int, generator: torch.Generator) -> Tensor:
    """Boolean mask ``(B, T)`` of the steps that are lost to runs of ``run`` steps.

    From left to right each step begins a run with probability ``level``, unless it lies in one already or fewer than
    ``run`` valid steps are left. The steps between two runs are geometrically distributed, so the starts are drawn
    without going through the steps.
    """
    most = steps // run + 1
    draw = torch.rand(len(lengths), most, device=lengths.device, dtype=torch.float64, generator=generator)
    # 1 - draw is never 0; at level 1 the divisor is infinite and every gap 0, at level 0 it is 0 and no gap ends
    chance = torch.tensor(1.0 - level, dtype=torch.float64, device=lengths.device)
    gaps = torch.nan_to_num((1.0 - draw).log() / chance.log(), nan=steps, neginf=steps).floor().clamp(0, steps)
    starts = gaps.cumsum(dim=1) + run * torch.arange(most, device=lengths.device)
    begun = starts <= (lengths - run).unsqueeze(1)  # (B, K)
    places = starts.clamp(max=steps).long()
    edges = torch.zeros(len(lengths), steps + run + 1, dtype=torch.int64, device=lengths.device)
    edges.scatter_add_(1, places, begun.long())
    edges.scatter_add_(1, (places + run).clamp(max=steps + run), -begun.long())
    return edges.cumsum(dim=1)[:, :steps] > 0
