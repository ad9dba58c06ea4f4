"""Memory: how much this machine has, how much this process takes and has taken at most, how much is to be kept."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from coral_plugin.errors import MachineError

_share = 1.0


@contextlib.contextmanager
def as_if_whole(share: float) -> Iterator[None]:
    """Inside, a batch counts as ``share`` of one: of a few samples is kept what is kept of them in a whole batch."""
    global _share
    before, _share = _share, share
    try:
        yield
    finally:
        _share = before


def batch_share() -> float:
    """The share of a batch that the samples at hand stand for; 1 outside of :func:`as_if_whole`."""
    return _share


def memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not report it."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_memory(need: int, what: str, instead: str = "") -> None:
    """Refuse what this machine cannot hold, before any of it is taken.

    Args:
        need: Number of bytes.
        what: Name of what needs them, for the message.
        instead: Sentence that says what to do.

    Raises:
        MachineError: the machine has less memory than that.
    """
    available = memory()
    if available is not None and need > available:
        sizes = f"this takes {need / 2**30:.1f} GiB of memory, and this machine has {available / 2**30:.1f}"
        raise MachineError(f"{what}: {sizes}. {instead}".rstrip())


def resident() -> int:
    """Resident memory of this process in bytes; the greatest so far where the system reports no other."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_memory()


def peak_memory(device: str = "cpu") -> int:
    """Greatest memory since :func:`forget_peak` or the start, in bytes.

    Args:
        device: ``cpu`` for the resident memory of this process (0 on Windows, which does not report it), ``cuda`` or
            ``cuda:1`` for what torch's allocator has handed out on that GPU.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak(device: str = "cpu") -> None:
    """Measure :func:`peak_memory` from now on; where the system does not allow that, it keeps counting.

    Args:
        device: Device, as in :func:`peak_memory`.
    """
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
