"""Oracle: the formulas of specification 5.1, pixel by pixel."""

from math import floor

import numpy as np
import pytest

from coral_plugin.adapters.trifeature.streams import stream_generator
from coral_plugin.adapters.trifeature.textures import RANDOM, TEXTURES, pattern, random_pattern


def pluses(y, x):
    dy, dx = abs(y % 10 - 5), abs(x % 10 - 5)
    if y // 10 % 2 == 0:
        return dx < 1.5 or dy < 1.5
    return x % 10 < 1.5 or 10 - x % 10 < 1.5 or (dy < 1.5 and dx > 1.5)


def zigzags(y, x):
    step = 9 - x % 10 if floor(y / 10) % 2 else x % 10
    return y % 10 // 2 < step < 5 + y % 10 // 2


DEFINITIONS = {
    "solid": lambda y, x: True,
    "stripes": lambda y, x: y % 10 < 3,
    "grid": lambda y, x: y % 10 < 3 or x % 10 < 3,
    "hexgrid": lambda y, x: (x + floor(1.73 * y)) % 10 < 2 or (x - floor(1.73 * y)) % 10 < 2 or y % 10 < 2,
    "dots": lambda y, x: (x % 10 - 5) ** 2 + (y % 10 - 5) ** 2 < 16,
    "triangles": lambda y, x: y % 10 // 2 > abs(x % 10 - 5),
    "zigzags": zigzags,
    "pluses": pluses,
}


def test_every_texture_is_defined_once():
    assert TEXTURES == (
        "solid", "stripes", "grid", "hexgrid", "dots", "noise", "triangles", "zigzags", "rain", "pluses",
    )  # fmt: skip
    assert set(DEFINITIONS) | set(RANDOM) == set(TEXTURES)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_pattern_is_its_formula(name):
    side = 448 + 9 if name == "hexgrid" else 64  # hexgrid alone has no short period, and the only fraction
    naive = np.array([[bool(DEFINITIONS[name](y, x)) for x in range(side)] for y in range(side)])
    np.testing.assert_array_equal(pattern(name, side), naive)


@pytest.mark.parametrize("name", sorted(set(DEFINITIONS) - {"solid", "hexgrid"}))
@pytest.mark.parametrize("period", [4, 7, 10, 20])
def test_pattern_repeats_with_its_period(name, period):
    mask = pattern(name, 6 * period, period)
    np.testing.assert_array_equal(mask[:, period:], mask[:, :-period])
    np.testing.assert_array_equal(mask[2 * period :], mask[: -2 * period])  # two bands
    assert 0 < mask.mean() < 1


def test_double_period_is_the_pattern_at_twice_the_size():
    for name in DEFINITIONS:
        np.testing.assert_array_equal(pattern(name, 80, 20), np.kron(pattern(name, 40), np.ones((2, 2), dtype=bool)))


def test_noise_is_a_fair_coin():
    noise = random_pattern("noise", 4, 100, stream_generator(0, "noise"))
    assert noise.shape == (4, 100, 100)
    assert abs(noise.mean() - 0.5) < 5 * 0.5 / 200  # five standard errors of 40,000 throws


def test_rain_is_streaks_of_seven_pixels():
    starts = stream_generator(3, "rain").random((2, 60, 60), dtype=np.float32) < 0.05
    naive = np.zeros_like(starts)
    for n, i, j in np.argwhere(starts):
        naive[n, i : i + 7, j] = True
    np.testing.assert_array_equal(random_pattern("rain", 2, 60, stream_generator(3, "rain")), naive)
    rain = random_pattern("rain", 1, 200, stream_generator(3, "rain"))[0, 7:]
    assert abs(rain.mean() - (1 - 0.95**7)) < 0.02


def test_canvases_do_not_depend_on_how_many_are_drawn_at_a_time():
    random = stream_generator(1, "noise")
    parts = [random_pattern("noise", n, 31, random) for n in (1, 3, 2)]
    np.testing.assert_array_equal(np.concatenate(parts), random_pattern("noise", 6, 31, stream_generator(1, "noise")))
