"""A bank of Trifeature images: which combinations there are, and their pixels.

Whole numbers throughout (angles, coordinates and weights in fixed point), so that a seed gives the same bytes on every
machine, whatever its processor and libraries make of the last bit of a float.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .shapes import ONE, coverage
from .streams import stream_generator
from .textures import PERIOD, RANDOM, TEXTURES, pattern, random_pattern

VERSION = 1  # of the pixels: count up whenever a seed would give other ones
# red, green, blue in tenths
COLOURS = {
    "red": (10, 0, 0),
    "green": (0, 10, 0),
    "blue": (0, 0, 10),
    "yellow": (10, 10, 0),
    "pink": (10, 4, 10),
    "cyan": (0, 10, 10),
    "purple": (3, 0, 5),
    "ocean": (1, 4, 5),
    "orange": (10, 6, 0),
    "white": (10, 10, 10),
}
TEST_COMBINATIONS = 200
TRAIN_RENDERS = 3
SHAPE_SHARE = 128 / 224  # of the image's side, before a shape is turned
MOST_SHARE = 0.7  # turned by 45 degrees a shape still lies within the image
_BITS = 16  # of the fraction of a cosine
_CHUNK = 1 << 18  # pixels that are drawn at a time: the working set stays in the processor's cache


@dataclass(frozen=True)
class Bank:
    """Images and what they show.

    Attributes:
        pixels: (M, 3, S, S), uint8.
        attributes: (M, 3), int64: indices of shape, texture and colour.
    """

    pixels: Tensor
    attributes: Tensor


@dataclass(frozen=True)
class Poses:
    """How every image of a bank is drawn; all (M,) whole numbers.

    Attributes:
        turn: Degrees by which the shape is turned, from -45 to 44.
        top: First row of the turned shape's canvas.
        left: First column of it.
        texture_turn: Degrees by which the texture is turned.
        phase_y: Shift of the texture in pixels.
        phase_x: The same along rows.
    """

    turn: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    texture_turn: NDArray[np.int64]
    phase_y: NDArray[np.int64]
    phase_x: NDArray[np.int64]


def split_combinations(seed: int, renders: int = TRAIN_RENDERS) -> tuple[Tensor, Tensor]:
    """Attributes of the training images (800 renders, 3), combination by combination, and of the test images (200, 3).

    A random fifth of the 1000 combinations of shape, texture and colour is for the test alone.
    """
    drawn = stream_generator(seed, "split").permutation(1000)
    test, train = np.sort(drawn[:TEST_COMBINATIONS]), np.sort(drawn[TEST_COMBINATIONS:])
    train = np.repeat(train, renders)

    def digits(combination: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.stack([combination // 100, combination // 10 % 10, combination % 10], axis=1))

    return digits(train), digits(test)


def render_banks(
    image_size: int,
    seed: int,
    texture_period: int = PERIOD,
    renders: int = TRAIN_RENDERS,
    shape_share: float = SHAPE_SHARE,
) -> tuple[Bank, Bank]:
    """The training bank (800 renders images) and the test bank (200 images) of a seed.

    Args:
        image_size: Pixels each way, S.
        seed: Seed of the combinations, the poses, and the noise.
        texture_period: Period of the textures in pixels.
        renders: Images of each training combination.
        shape_share: Side of a shape before it is turned, as a share of the image's side.
    """
    train, test = split_combinations(seed, renders)
    attributes = torch.cat([train, test])
    pixels = render(attributes, image_size, seed, texture_period, shape_share)
    count = len(train)
    return Bank(pixels[:count], train), Bank(pixels[count:], test)


def render(
    attributes: Tensor, image_size: int, seed: int, texture_period: int = PERIOD, shape_share: float = SHAPE_SHARE
) -> Tensor:
    """Images with the given attributes (Hermann & Lampinen 2020).

    Shapes scale with the image: a mask of 128 S / 224 pixels (or another share of S), turned (bilinear, the canvas
    grows) and set down uniformly where it lies wholly inside. Textures stay in pixels: scaled down to a small
    image, a period of 10 pixels would fall below what pixels resolve. Image = m colour + (1 - m) grey with m =
    shape texture.

    Args:
        attributes: (M, 3) indices of shape, texture and colour.
        image_size: Pixels each way, S.
        seed: Seed of the poses and the noise; image i depends on the attributes of others only through the noise.
        texture_period: Period of the textures in pixels.
        shape_share: Side of a shape before it is turned, as a share of S.

    Returns:
        (M, 3, S, S), uint8.
    """
    side = shape_side(image_size, shape_share)
    poses = draw_poses(len(attributes), image_size, seed, texture_period, shape_share)
    shapes = _Source(np.pad(coverage(side), ((0, 0), (1, 2), (1, 2))))  # zeros around, which clipped coordinates read
    what = attributes.numpy()
    tints = np.array(list(COLOURS.values()), dtype=np.int32) - 5  # from grey, in tenths
    pixels = np.empty((len(what), 3, image_size, image_size), dtype=np.uint8)
    for index, source, canvas in _textures(what[:, 1], image_size, seed, texture_period):
        mask = _shape_pixels(shapes, what[index, 0], poses, index, image_size, side)
        mask *= _texture_pixels(source, canvas, poses, index, image_size)
        for channel in range(3):
            tint = 51 * tints[what[index, 2], channel][:, None, None]
            # 127.5 + 25.5 tint mask, rounded half up
            pixels[index, channel] = (mask * tint + (256 << _BITS)) >> (_BITS + 1)
    return torch.from_numpy(pixels)


def shape_side(image_size: int, shape_share: float = SHAPE_SHARE) -> int:
    """Pixels of a shape before it is turned, to the nearest, but such that turned it fits; 128 of 224 by default."""
    return min(math.floor(shape_share * image_size + 0.5), int(image_size / math.sqrt(2)))


def canvas_side(side: int, degrees: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels of the upright square that a turned square of ``side`` pixels needs, rounded up."""
    cosine, sine = _turns(degrees)
    grown: NDArray[np.int64] = -(-side * (cosine.astype(np.int64) + np.abs(sine)) // (1 << _BITS))
    return grown


def draw_poses(count: int, image_size: int, seed: int, texture_period: int, shape_share: float = SHAPE_SHARE) -> Poses:
    """Turns, places and phases of ``count`` images; the same turns at every image size."""
    random = stream_generator(seed, "images")
    turn, texture_turn = random.integers(-45, 45, size=(2, count))
    room = image_size - canvas_side(shape_side(image_size, shape_share), turn) + 1
    top, left = np.floor(random.random((2, count)) * room).astype(np.int64)
    phase_y, phase_x = random.integers(0, texture_period, size=(2, count))
    return Poses(turn, top, left, texture_turn, phase_y, phase_x)


class _Source:
    """Masks (n, h, w) to read single pixels from."""

    def __init__(self, masks: NDArray[np.int32] | NDArray[np.bool_]) -> None:
        self.flat = masks.reshape(-1)
        self.area, self.width = masks[0].size, masks.shape[2]


def _textures(
    textures: NDArray[np.int64], image_size: int, seed: int, period: int
) -> Iterator[tuple[NDArray[np.int64], _Source, NDArray[np.int64]]]:
    """Images of one texture at a time, a chunk of them: their indices, texture canvases, and whose canvas is which."""
    side = 2 * image_size + period  # twice the image, as it is turned and cropped, and room for the phase
    size = max(1, _CHUNK // image_size**2)
    for number, name in enumerate(TEXTURES):
        index = np.flatnonzero(textures == number)
        chunks = [index[at : at + size] for at in range(0, len(index), size)]
        if name in RANDOM:
            random = stream_generator(seed, RANDOM[name])
            for chunk in chunks:
                yield chunk, _Source(random_pattern(name, len(chunk), side, random)), np.arange(len(chunk))
        else:
            source = _Source(pattern(name, side, period)[None])
            for chunk in chunks:
                yield chunk, source, np.zeros(len(chunk), dtype=np.int64)


def _turns(degrees: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cosines and sines in fixed point, rounded, so that libraries that differ in the last bit agree."""
    table = np.array(
        [
            [round(math.cos(math.radians(d)) * (1 << _BITS)), round(math.sin(math.radians(d)) * (1 << _BITS))]
            for d in range(-45, 46)
        ],
        dtype=np.int32,
    )
    return table[degrees + 45, 0], table[degrees + 45, 1]


def _turned(
    degrees: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where pixels come from when a mask of ``size`` pixels is turned counter-clockwise about its centre.

    Args:
        degrees: (n,)
        rows: (n, S) or (1, S), twice the distance of each row from the centre.
        columns: Likewise.
        size: Pixels of the mask each way.

    Returns:
        Rows and columns (n, S, S) of the mask, with ``_BITS + 1`` bits of fraction.
    """
    cosine, sine = (part[:, None].astype(np.int64) for part in _turns(degrees))
    centre = (size - 1) << _BITS
    y = (cosine * rows + centre).astype(np.int32)[:, :, None] + (sine * columns).astype(np.int32)[:, None, :]
    x = (cosine * columns + centre).astype(np.int32)[:, None, :] - (sine * rows).astype(np.int32)[:, :, None]
    return y, x


def _texture_pixels(
    source: _Source, canvas: NDArray[np.int64], poses: Poses, index: NDArray[np.int64], image_size: int
) -> NDArray[np.bool_]:
    """The texture under each pixel (n, S, S): the nearest pixel of its turned canvas, cropped to the middle."""
    around = (2 * np.arange(image_size) + 1 - image_size)[None]
    y, x = _turned(poses.texture_turn[index], around, around, 2 * image_size)
    half = 1 << _BITS
    first = canvas * source.area + poses.phase_y[index] * source.width + poses.phase_x[index]
    at = ((y + half) >> (_BITS + 1)) * np.int32(source.width) + ((x + half) >> (_BITS + 1))
    return source.flat[at + first.astype(np.int32)[:, None, None]]


def _shape_pixels(
    source: _Source, shapes: NDArray[np.int64], poses: Poses, index: NDArray[np.int64], image_size: int, side: int
) -> NDArray[np.int32]:
    """The share of each pixel (n, S, S) that the turned shape covers, from 0 to 65536."""
    turn = poses.turn[index]
    twice = 2 * np.arange(image_size)[None]
    middle = canvas_side(side, turn)[:, None] - 1
    rows, columns = twice - 2 * poses.top[index, None] - middle, twice - 2 * poses.left[index, None] - middle
    parts = []
    for part in _turned(turn, rows, columns, side):
        np.clip(part, -1 << (_BITS + 1), side << (_BITS + 1), out=part)
        parts.append((part >> (_BITS + 1), (part >> (_BITS - 7)) & (ONE - 1)))
    (y, down), (x, right) = parts
    first = shapes * source.area + source.width + 1
    at = y * np.int32(source.width) + x + first.astype(np.int32)[:, None, None]
    upper = source.flat[at] * (ONE - right) + source.flat[at + 1] * right
    lower = source.flat[at + source.width] * (ONE - right) + source.flat[at + (source.width + 1)] * right
    return (upper * (ONE - down) + lower * down) >> 8
