"""Whether operations run in half precision."""

from __future__ import annotations

import torch


def autocasting(device: torch.device) -> bool:
    """Whether autocast is on for this device; never on ``meta``, where shapes alone are computed."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)
