"""The ten shapes of Trifeature (Hermann & Lampinen 2020, arXiv:2006.12433), from their formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHAPES = (
    "triangle",
    "square",
    "plus",
    "circle",
    "tee",
    "rhombus",
    "pentagon",
    "star",
    "fivesquare",
    "trapezoid",
)
SHAPE_GRID = 128
ONE = 256  # coverage of a pixel that lies wholly inside
_CENTRE = 64


def masks() -> NDArray[np.bool_]:
    """All shapes on the grid on which they are defined, (10, 128, 128), in the order of ``SHAPES``."""
    i, j = np.mgrid[:SHAPE_GRID, :SHAPE_GRID]
    away = np.abs(j - _CENTRE)
    middle_rows, middle_columns = (i >= 43) & (i <= 85), (j >= 43) & (j <= 85)
    slant = j - _CENTRE + i // 2
    shape = {
        "triangle": away < 1 + i // 2,
        "square": np.ones_like(i, dtype=bool),
        "plus": middle_columns | middle_rows,
        # (i + 1/2 - c)^2 + (j + 1/2 - c)^2 < c^2, times four to stay with whole numbers
        "circle": (2 * i + 1 - SHAPE_GRID) ** 2 + (2 * j + 1 - SHAPE_GRID) ** 2 < SHAPE_GRID**2,
        "tee": middle_columns | (i < 42),
        "rhombus": (slant > 0) & (slant < 64),
        # 1 + 1.25 i and the walls below it, times four
        "pentagon": np.where(i < 51, 4 * away < 4 + 5 * i, _between_walls(i - 51, j)),
        "star": _star(i, j),
        "fivesquare": middle_rows == middle_columns,
        "trapezoid": _between_walls(i, j),
    }
    return np.stack([shape[name] for name in SHAPES])


def coverage(side: int) -> NDArray[np.int32]:
    """All shapes at ``side`` x ``side`` pixels: the share of each pixel that a shape covers, from 0 to ``ONE``.

    The masks of 128 x 128 are resampled by area, exactly (whole numbers only), so that small shapes keep their edges.

    Returns:
        (10, side, side)
    """
    edges = np.arange(max(side, SHAPE_GRID) + 1)
    # pixel a of the result spans [128 a, 128 (a + 1)), pixel b of the mask [side b, side (b + 1))
    ours, theirs = SHAPE_GRID * edges[: side + 1], side * edges[: SHAPE_GRID + 1]
    overlap = np.minimum(ours[1:, None], theirs[None, 1:]) - np.maximum(ours[:-1, None], theirs[None, :-1])
    overlap = np.maximum(overlap, 0)  # (side, 128), rows sum to 128
    area = overlap @ masks().astype(np.int64) @ overlap.T  # (10, side, side), up to 128^2
    rounded: NDArray[np.int32] = ((ONE * area + SHAPE_GRID**2 // 2) // SHAPE_GRID**2).astype(np.int32)
    return rounded


def _between_walls(row: NDArray[np.int_], j: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Walls that close in with the row: w < j < 128 - w, w = floor(row / 3.1)."""
    wall = 10 * row // 31
    return (wall < j) & (j < SHAPE_GRID - wall)


def _star(i: NDArray[np.int_], j: NDArray[np.int_]) -> NDArray[np.bool_]:
    """One spike up, two arms, two legs; every bound in hundredths of a pixel."""
    spike = (i < 51) & (np.abs(j - _CENTRE) < 1 + i // 4)
    inset = 240 * (i - 51)
    arms = (i >= 51) & (i < 76) & (inset < 100 * j) & (100 * j < 100 * SHAPE_GRID - inset)
    outer, inner = 4224 - 43 * (i - 70), 7936 - 105 * (i - 70)
    left = (outer < 100 * j) & (100 * j < inner)
    right = (outer < 100 * (SHAPE_GRID - j)) & (100 * (SHAPE_GRID - j) < inner)
    return spike | arms | ((i >= 70) & (left | right))
