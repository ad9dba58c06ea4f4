"""Oracle: the formulas of specification 5.1, pixel by pixel, with exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from coral_plugin.adapters.trifeature.shapes import ONE, SHAPES, coverage, masks

C = 64


def between_walls(row, j):
    wall = floor(Fraction(row) / Fraction("3.1"))
    return wall < j < 128 - wall


def star(i, j):
    if i < 51 and abs(j - C) < 1 + i // 4:
        return True
    inset = Fraction("2.4") * (i - 51)
    if 51 <= i < 76 and inset < j < 128 - inset:
        return True
    a, b = Fraction("42.24") - Fraction("0.43") * (i - 70), Fraction("79.36") - Fraction("1.05") * (i - 70)
    return i >= 70 and (a < j < b or a < 128 - j < b)


DEFINITIONS = {
    "triangle": lambda i, j: abs(j - C) < 1 + i // 2,
    "square": lambda i, j: True,
    "plus": lambda i, j: 43 <= i <= 85 or 43 <= j <= 85,
    "circle": lambda i, j: (i + 0.5 - C) ** 2 + (j + 0.5 - C) ** 2 < C**2,
    "tee": lambda i, j: 43 <= j <= 85 or i < 42,
    "rhombus": lambda i, j: 0 < j - C + i // 2 < 64,
    "pentagon": lambda i, j: abs(j - C) < 1 + 1.25 * i if i < 51 else between_walls(i - 51, j),
    "star": star,
    # cells of 43, 43 and 42 pixels
    "fivesquare": lambda i, j: (min(i // 43, 2) + min(j // 43, 2)) % 2 == 0,
    "trapezoid": lambda i, j: between_walls(i, j),
}


@pytest.mark.parametrize("name", SHAPES)
def test_mask_is_its_formula(name):
    naive = np.array([[bool(DEFINITIONS[name](i, j)) for j in range(128)] for i in range(128)])
    np.testing.assert_array_equal(masks()[SHAPES.index(name)], naive)


def test_order_of_the_classes():
    assert SHAPES == (
        "triangle", "square", "plus", "circle", "tee", "rhombus", "pentagon", "star", "fivesquare", "trapezoid",
    )  # fmt: skip


def test_coverage_at_the_defining_size_is_the_mask():
    np.testing.assert_array_equal(coverage(128), ONE * masks())


@pytest.mark.parametrize("side", [16, 32, 64])
def test_coverage_of_whole_blocks_is_their_mean(side):
    block = 128 // side
    means = masks().reshape(10, side, block, side, block).mean(axis=(2, 4))
    np.testing.assert_array_equal(coverage(side), np.floor(ONE * means + 0.5))


@pytest.mark.parametrize("side", [9, 27, 37, 100, 150])
def test_coverage_keeps_the_area(side):
    share = coverage(side).mean(axis=(1, 2)) / ONE
    np.testing.assert_allclose(share, masks().mean(axis=(1, 2)), atol=0.5 / ONE)
    assert coverage(side)[SHAPES.index("square")].min() == ONE
