"""Shared by several data sets: checks of folders, a progress bar, smaller pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from coral_plugin.errors import InputError

Item = TypeVar("Item")


def require_folder(path: Path | str, expects: str) -> Path:
    """The folder at ``path``.

    Raises:
        InputError: there is none; the message says what was expected.
    """
    if not Path(path).is_dir():
        raise InputError(f"{path} is no folder. Expected {expects}.")
    return Path(path)


def content_of(folder: Path) -> str:
    """The first names in a folder, for messages."""
    return ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"


def with_progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """``items`` one by one; a terminal shows on standard error how many are done, anything else sees nothing."""
    yield from _bar(items, label) if len(items) > 1 and sys.stderr.isatty() else items


def _bar(items: Sequence[Item], label: str) -> Iterable[Item]:
    from rich.console import Console
    from rich.progress import track

    return track(items, description=label, console=Console(stderr=True), transient=True)


def resize_pixels(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures of another size.

    Args:
        pixels: ``(N, C, H, W)`` in 0 ... 255, of any type.
        size: Height and width.

    Returns:
        ``(N, C, *size)`` of bytes, each pixel the weighted mean of those it covers (bilinear, antialiased).
    """
    whole = pixels.float()
    if tuple(pixels.shape[-2:]) != tuple(size):
        whole = nn.functional.interpolate(whole, size=list(size), mode="bilinear", antialias=True)
    return whole.round_().clamp_(0, 255).to(torch.uint8)
