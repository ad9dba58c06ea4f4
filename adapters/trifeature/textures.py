"""The ten textures of Trifeature (Hermann & Lampinen 2020, arXiv:2006.12433), from their formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .streams import Stream

TEXTURES = (
    "solid",
    "stripes",
    "grid",
    "hexgrid",
    "dots",
    "noise",
    "triangles",
    "zigzags",
    "rain",
    "pluses",
)
PERIOD = 10
RANDOM: dict[str, Stream] = {"noise": "noise", "rain": "rain"}  # and the stream that each is drawn from
_STREAK = 7


def pattern(name: str, side: int, period: int = PERIOD) -> NDArray[np.bool_]:
    """A texture without chance in it, over pixels 0 to ``side - 1`` both ways; a phase is a shift of the window.

    Another period than 10 stretches the pattern: pixel y stands for line ``floor(10 y / period)`` of the original.

    Args:
        name: One of ``TEXTURES`` that is not in ``RANDOM``.
        side: Pixels each way.
        period: Pixels after which the pattern repeats.

    Returns:
        (side, side), rows first.
    """
    line = PERIOD * np.arange(side) // period
    y, x = line[:, None], line[None, :]
    y10, x10 = y % PERIOD, x % PERIOD
    dy, dx = np.abs(y10 - 5), np.abs(x10 - 5)
    odd = y // PERIOD % 2 == 1  # of two neighbouring bands
    lean = 173 * y // 100
    flipped = np.where(odd, 9 - x10, x10)
    formulas = {
        "solid": y10 >= 0,
        "stripes": y10 < 3,
        "grid": (y10 < 3) | (x10 < 3),
        "hexgrid": ((x + lean) % PERIOD < 2) | ((x - lean) % PERIOD < 2) | (y10 < 2),
        "dots": dx**2 + dy**2 < 16,
        "triangles": y10 // 2 > dx,
        "zigzags": (y10 // 2 < flipped) & (flipped < 5 + y10 // 2),
        # whole numbers: below 1.5 is at most 1
        "pluses": np.where(odd, (x10 <= 1) | (x10 >= 9) | ((dy <= 1) & (dx > 1)), (dx <= 1) | (dy <= 1)),
    }
    mask: NDArray[np.bool_] = np.array(np.broadcast_to(formulas[name], (side, side)))
    return mask


def random_pattern(name: str, count: int, side: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """``count`` canvases of noise (every pixel on or off) or rain (streaks of 1 x 7 pixels that start anywhere).

    Neither has a period; both are in pixels at every image size.

    Args:
        name: One of ``RANDOM``.
        count: Canvases n.
        side: Pixels each way.
        random: Drawn from, canvas after canvas.

    Returns:
        (n, side, side)
    """
    drawn = random.random((count, side, side), dtype=np.float32)
    if name == "noise":
        return drawn < 0.5
    starts = drawn < 0.05
    wet = starts.copy()
    for step in range(1, _STREAK):
        wet[:, step:] |= starts[:, :-step]
    return wet
