"""Augmentations of sequences and vectors: values ``(B, T, d)`` of which the first ``lengths`` (B,) steps are valid.

They follow the affect and sensor recipes of CoMM (specification 1.8). Vectors come as ``(B, d, 1)``: each
entry is a step. Every function returns a new tensor whose padding is zero, whatever it held before. ``none`` and
``noise`` are for images too, ``(B, C, H, W)`` with lengths None.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.augmentations.base import NOT_NEGATIVE, SHARE, Range, augmentation
from coral_plugin.data.padding import valid_steps


def blank(values: Tensor, hidden: Tensor) -> Tensor:
    """``values`` (B, T, d) with the steps that are True in ``hidden`` (B, T) set to zero."""
    # not a product: what is hidden may be NaN
    return values.masked_fill(hidden.unsqueeze(-1), 0)


def uniform(size: int, bounds: Range, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """``size`` numbers drawn uniformly from ``bounds``, shape ``(size,)``."""
    low, high = bounds
    return low + (high - low) * torch.rand(size, device=device, generator=generator)


@augmentation("sequence", "timeseries", "tabular", "image", probability=1.0, scaled=False)
def none(values: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """The values as they are."""
    return values.clone() if lengths is None else blank(values, ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", "tabular", "image", bounds={"std": NOT_NEGATIVE})
def noise(values: Tensor, lengths: Tensor | None, generator: torch.Generator | None, *, std: float = 0.1) -> Tensor:
    """``x + std * N(0, 1)`` on every element of the valid steps; images are cut to [0, 1]."""
    draw = torch.randn(values.shape, device=values.device, dtype=values.dtype, generator=generator)
    result = values + std * draw
    return result.clamp_(0, 1) if lengths is None else blank(result, ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", "tabular", bounds={"fraction": SHARE})
def drop(values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, fraction: Range = (0.0, 0.8)) -> Tensor:
    """``round(f * L)`` random ones of the L valid steps set to zero; ``f ~ U(fraction)`` for each sample."""
    share, keys = shared_draw(len(values), values.shape[1], values.device, generator, fraction=fraction)
    return drop_lowest(values, lengths, share, keys)


@augmentation("sequence", "timeseries", "tabular", bounds={"fraction": SHARE}, shared=True)
def multi_drop(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, fraction: Range = (0.0, 0.8)
) -> Tensor:
    """The same as drop, with the same steps in all modalities that a specification names together."""
    return drop(values, lengths, generator, fraction=fraction)


def shared_draw(
    size: int, steps: int, device: torch.device, generator: torch.Generator | None, *, fraction: Range = (0.0, 0.8)
) -> tuple[Tensor, Tensor]:
    """What decides on the dropped steps: a share ``(size,)`` for each sample and a key ``(size, steps)`` for each step.

    Modalities that use the same draw lose the same steps, where they are equally long.
    """
    share = uniform(size, fraction, device, generator)
    return share, torch.rand(size, steps, device=device, generator=generator)


def drop_lowest(values: Tensor, lengths: Tensor, share: Tensor, keys: Tensor) -> Tensor:
    """Sets to zero the ``round(share * L)`` valid steps with the lowest keys.

    Args:
        values: ``(B, T, d)``.
        lengths: ``(B,)`` valid steps.
        share: ``(B,)`` in [0, 1].
        keys: ``(B, T')`` with ``T' >= T``; distinct numbers below 1.

    Returns:
        ``(B, T, d)``, padding zero.
    """
    valid = valid_steps(values, lengths)
    rank = keys[:, : values.shape[1]].masked_fill(~valid, 2).argsort(dim=1).argsort(dim=1)  # (B, T)
    return blank(values, (rank < _count(share, lengths).unsqueeze(1)) | ~valid)


@augmentation("sequence", "timeseries", "tabular")
def permute(values: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """The valid steps in random order."""
    order = _shuffle(values, lengths, generator)
    return blank(_rows(values, order), ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", "tabular", bounds={"fraction": SHARE})
def drop_consecutive(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, fraction: Range = (0.0, 0.8)
) -> Tensor:
    """One run of ``round(f * L)`` valid steps set to zero; ``f ~ U(fraction)`` and its start at random."""
    run = _run(values, lengths, generator, fraction, least=0)
    return blank(values, run | ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", "tabular", bounds={"fraction": SHARE})
def crop(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, fraction: Range = (0.08, 1.0)
) -> Tensor:
    """One run of ``round(f * L)`` valid steps, at least one, kept where it is; the rest set to zero."""
    run = _run(values, lengths, generator, fraction, least=1)
    return blank(values, ~run | ~valid_steps(values, lengths))


@augmentation("sequence", "timeseries", "tabular")
def mixup(values: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """Each valid step mixed with another one of its sample: ``w x_t + (1 - w) x_s``.

    The partners s are a random permutation of the steps; ``w ~ Beta(1, 1)``, which is U(0, 1), once per sample.
    """
    weight = uniform(len(values), (0.0, 1.0), values.device, generator).to(values.dtype).view(-1, 1, 1)
    partner = _rows(values, _shuffle(values, lengths, generator))
    return blank(weight * values + (1 - weight) * partner, ~valid_steps(values, lengths))


def _count(share: Tensor, lengths: Tensor) -> Tensor:
    """``round(share * L)``, shape ``(B,)``, never more than L."""
    return torch.minimum((share * lengths).round().long(), lengths)


def _shuffle(values: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """A random order ``(B, T)`` of the steps that leaves padding at the end."""
    keys = torch.rand(values.shape[:2], device=values.device, generator=generator)
    return keys.masked_fill(~valid_steps(values, lengths), 2).argsort(dim=1)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Steps ``index`` (B, T) of ``values`` (B, T, d)."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[2]))


def _run(values: Tensor, lengths: Tensor, generator: torch.Generator | None, fraction: Range, least: int) -> Tensor:
    """True on one run of ``round(f * L)`` valid steps of each sample, every start equally likely. Shape ``(B, T)``."""
    share = uniform(len(values), fraction, values.device, generator)
    count = _count(share, lengths).clamp(min=least)
    room = (lengths - count).clamp(min=0)  # (B,) the last possible start
    place = torch.rand(len(values), device=values.device, generator=generator)
    # the product may round up to room + 1
    start = torch.minimum((place * (room + 1)).long(), room)
    steps = torch.arange(values.shape[1], device=values.device)
    return (steps >= start.unsqueeze(1)) & (steps < (start + count).unsqueeze(1))
