"""A bar on a terminal while many files are read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def shown(items: Sequence[Item], label: str) -> Iterator[Item]:
    """``items`` one by one; a terminal shows on standard error how many are done, anything else sees nothing."""
    yield from _bar(items, label) if len(items) > 1 and sys.stderr.isatty() else items


def _bar(items: Sequence[Item], label: str) -> Iterable[Item]:
    from rich.console import Console
    from rich.progress import track

    return track(items, description=label, console=Console(stderr=True), transient=True)
