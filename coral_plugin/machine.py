"""What this machine has."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from coral_plugin.errors import MachineError


def memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_memory(need: int, what: str, instead: str = "") -> None:
    """Refuse what this machine cannot hold, before any of it is taken.

    Args:
        need: Bytes.
        what: That needs them, for the message.
        instead: What to do, a sentence.

    Raises:
        MachineError: the machine has less memory than that.
    """
    there = memory()
    if there is not None and need > there:
        told = f"this takes {need / 2**30:.1f} GiB of memory, and this machine has {there / 2**30:.1f}"
        raise MachineError(f"{what}: {told}. {instead}".rstrip())


class Peak:
    """The greatest memory of this process over some time.

    Attributes:
        bytes: Known once it is over.
    """

    bytes = 0


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the greatest resident memory of this process inside the block (:func:`forget_high_water`)."""
    forget_high_water()
    peak = Peak()
    try:
        yield peak
    finally:
        peak.bytes = high_water()


def resident() -> int:
    """Resident memory of this process in bytes; the greatest so far where the system does not tell the present one."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return high_water()


def forget_high_water() -> None:
    """Have Linux forget the greatest memory so far; elsewhere, and where that is not allowed, it counts on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def high_water() -> int:
    """Greatest resident memory of this process so far, in bytes; 0 where the system does not tell (Windows)."""
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
