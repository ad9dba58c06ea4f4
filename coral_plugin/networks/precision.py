"""Which number format operations run in, and where."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.derivatives import transformed


def autocasting(device: torch.device) -> bool:
    """Whether autocast is on for this device; never on ``meta``, where shapes alone are computed."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def plain_on_cpu(x: Tensor) -> bool:
    """Whether operations on ``x`` run one by one on a CPU in its own format, float32 or float64, and as written."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not autocasting(x.device)
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
        and not transformed()
    )


def untouched(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a call of ``layer`` is that of ``kind`` and nothing else: no subclass, such as an adapter's, and no hook.

    Its weights may then be used in another way than by calling it.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> before = untouched(layer, nn.Linear)
        >>> handle = layer.register_forward_hook(print)
        >>> before, untouched(layer, nn.Linear)
        (True, False)
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return type(layer) is kind and not any(getattr(layer, name) for name in hooks)
