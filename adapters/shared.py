"""Shared by several data sets: checks of folders, a progress bar, smaller pictures."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from coral_plugin.errors import InputError
from coral_plugin.io.sniff import FILE_KINDS, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

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


def refuse_fractions(values: np.ndarray | Tensor, source: str) -> None:
    """Refuse pictures of 0 to 1 where 0 to 255 are expected: they would come out black.

    Args:
        values: Pixels of any shape, type and byte order.
        source: Name of the array, for the message.

    Raises:
        InputError: the values are fractions of one.
    """
    pixels = np.asarray(values)
    if pixels.dtype.kind == "f" and 0 < pixels.max() <= 1 and (pixels != np.round(pixels)).any():
        raise InputError(
            f"{source} holds fractions up to {float(pixels.max()):.4g}; pixels are 0 to 255: multiply by 255."
        )


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


def open_picture(path: Path, expected: str) -> Image:
    """A JPEG or PNG, whole, in colours.

    Args:
        path: File.
        expected: Description of the expected picture, for the message.

    Raises:
        InputError: the file is missing, no JPEG or PNG, damaged, or claims more pixels than any screen has.
    """
    from PIL import Image

    if (kind := sniff(path)) not in ("jpeg", "png", "unknown"):
        raise InputError(f"{path} is {FILE_KINDS[kind]}. Expected {expected}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG")) as opened:
                if opened.mode.startswith(("I", "F")):
                    raise InputError(
                        f"{path} has more than 8 bits per value, which would be cut off; convert it to 8 bits."
                    )
                return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Warning) as error:
        reason = " ".join(str(error).replace(str(path), "it").split())[:120]
        raise InputError(f"{path} is no picture that can be read ({reason}); fetch it again.") from error


def pixels_of(picture: Image, size: tuple[int, int]) -> np.ndarray:
    """``(3, *size)`` of bytes, resized bilinearly."""
    from PIL import Image

    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR)).transpose(2, 0, 1)
