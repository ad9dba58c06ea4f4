"""Batch normalisation over the batch of all processes.

``torch.nn.SyncBatchNorm`` knows GPUs only, so this one serves every device: two sums, each with its gradient.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coral_plugin.distributed import world_size


def synchronise(module: nn.Module) -> nn.Module:
    """``module`` with every batch normalisation in it replaced by :class:`SynchronisedBatchNorm`, in place.

    Parameters, buffers and their names stay, so weights fit both ways.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, _BatchNorm) and not isinstance(child, nn.SyncBatchNorm | SynchronisedBatchNorm):
            setattr(module, name, SynchronisedBatchNorm.of(child))
        else:
            synchronise(child)
    return module


def synchronises(module: nn.Module) -> bool:
    """Whether a call of ``module`` waits for the other processes."""
    return world_size() > 1 and any(isinstance(m, SynchronisedBatchNorm) and m.waits for m in module.modules())


class SynchronisedBatchNorm(_BatchNorm):
    """Batch normalisation ``(B, C, ...)`` whose statistics in training are those of the samples of all processes."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> SynchronisedBatchNorm:
        """The same normalisation with the same parameters and buffers."""
        new = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        new._parameters, new._buffers = norm._parameters, norm._buffers
        return new.train(norm.training)

    @property
    def waits(self) -> bool:
        """Whether it normalises by the batch, hence that of all processes."""
        return self.training or self.running_mean is None

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        if input.ndim < 2:
            raise ValueError(f"expected at least 2 dimensions, got {tuple(input.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, ...)`` to the same shape."""
        if world_size() == 1 or not self.waits:
            normalised: Tensor = super().forward(x)
            return normalised
        self._check_input_dim(x)
        axes = [0, *range(2, x.ndim)]
        shape = (1, -1, *[1] * (x.ndim - 2))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        count = torch.full((1,), x.numel() // x.shape[1], dtype=wide.dtype, device=x.device)  # 0 where no row counts
        sums: Tensor = _Sum.apply(torch.cat([wide.sum(axes), count]))
        total = sums[-1].detach()
        count = total.clamp(min=1)
        mean = sums[:-1] / count
        centred = wide - mean.view(shape)
        squares: Tensor = _Sum.apply(centred.square().sum(axes))
        variance = squares / count
        self._track(mean.detach(), variance.detach(), total)
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """The running statistics, with the unbiased variance, as torch keeps them; the old ones where no row counts."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        share = self.momentum
        seen = count > 0
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(seen)
            if share is None:
                share = 1.0 / max(1.0, float(self.num_batches_tracked))
        weight = seen.to(self.running_mean.dtype) * (share or 0.0)  # no branch: it would wait for the device
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), weight)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), weight)


class _Sum(torch.autograd.Function):
    """The sum over processes; each of them has a loss of its own on it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        x = x.contiguous().clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient
