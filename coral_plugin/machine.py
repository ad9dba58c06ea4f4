"""What this machine has."""

from __future__ import annotations

import os

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
