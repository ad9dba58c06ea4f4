"""Which number format operations run in, and where."""

from __future__ import annotations

import torch
from torch import Tensor


def autocasting(device: torch.device) -> bool:
    """Whether autocast is on for this device; never on ``meta``, where shapes alone are computed."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def plain_on_cpu(x: Tensor) -> bool:
    """Whether operations on ``x`` run one by one on a CPU in its own format, float32 or float64."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not autocasting(x.device)
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
    )
