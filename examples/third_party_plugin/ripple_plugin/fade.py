"""An augmentation: a sensor whose signal grows or shrinks along the series."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.augmentations import augmentation
from coral_plugin.data.padding import valid_steps


@augmentation("timeseries", "sequence", bounds={"slope": (-1.0, 1.0)})
def fade(
    values: Tensor, lengths: Tensor, generator: torch.Generator | None, *, slope: tuple[float, float] = (-0.5, 0.5)
) -> Tensor:
    """Each series times a line from 1 to ``1 + s``; ``s ~ U(slope)`` for each sample."""
    low, high = slope
    end = low + (high - low) * torch.rand(len(values), 1, device=values.device, generator=generator)
    time = torch.arange(values.shape[1], device=values.device) / (lengths - 1).clamp(min=1).unsqueeze(1)
    line = (1 + end * time).to(values.dtype).unsqueeze(-1)
    return (values * line).masked_fill(~valid_steps(values, lengths).unsqueeze(-1), 0)
