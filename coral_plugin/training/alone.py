"""One process on a CPU in float32: what a training asks of Lightning's Fabric, which takes seconds to import."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Alone:
    """What :class:`coral_plugin.training.engine.Engine` calls of Fabric, to the same bits.

    >>> layer = nn.Linear(2, 1)
    >>> module, optimiser = Alone().setup(layer, torch.optim.SGD(layer.parameters(), lr=0.1))
    >>> Alone().backward(module(torch.ones(1, 2)).sum())
    >>> Alone().clip_gradients(module, optimiser, max_norm=1.0)
    tensor(1.7321)
    >>> layer.weight.grad.norm() < 1
    tensor(True)
    """

    device = torch.device("cpu")
    scaler = None

    def setup(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Both as they are: a single process has nothing to keep in step, and float32 nothing to convert."""
        return module, optimiser

    def backward(self, total: Tensor) -> None:
        """Add the gradient of ``total`` to that of each parameter."""
        total.backward()

    def clip_gradients(
        self, module: Any, optimiser: torch.optim.Optimizer, *, max_norm: float, error_if_nonfinite: bool = False
    ) -> Tensor:
        """Norm of the gradient of all parameters of ``optimiser``, which is scaled down to ``max_norm`` at most."""
        del module
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        total_norm = getattr(torch.nn.utils, "get_total_norm", None)  # torch 2.6
        if max_norm == float("inf") and total_norm is not None:  # nothing to scale
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            norm: Tensor = total_norm(gradients, error_if_nonfinite=error_if_nonfinite)
            return norm
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm, error_if_nonfinite=error_if_nonfinite)
