"""A picture of Trifeature: its shapes, textures and colours, and a few pairs.

``python -m coral_plugin.adapters.trifeature.sheet OUT.png --size 64``
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from coral_plugin.io.files import write_aside

from .pairs import candidates, pair_labels, sample, texture_to_colour
from .render import COLOURS, render, render_banks
from .shapes import SHAPES
from .textures import PERIOD, TEXTURES

_PAIRS = 5  # of either kind
_NAMES = (SHAPES, TEXTURES, tuple(COLOURS))
_ROWS = ("shapes", "textures", "colours", "mismatches", "matches")
_WHITE = list(COLOURS).index("white")


def draw_sheet(path: Path | str, size: int = 64, *, seed: int = 42, texture_period: int = PERIOD) -> None:
    """Write a picture with the ten shapes, the ten textures, the ten colours, five mismatches and five matches.

    Args:
        path: Path of the picture; the ending names its format.
        size: Pixels of each image, which are shown without smoothing.
        seed: Seed of images, map and pairs.
        texture_period: Period of the textures in pixels.

    Raises:
        InputError: the path cannot be written to.
        MachineError: no space or no rights.
    """
    figure = Figure(figsize=(8.0, 4.9))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03)
    axes = figure.subplots(5, 10)
    # shapes solid and white; textures on a white square; colours of a solid circle
    shown = [(i, 0, _WHITE) for i in range(10)] + [(1, i, _WHITE) for i in range(10)] + [(3, 0, i) for i in range(10)]
    images = render(torch.tensor(shown), size, seed, texture_period)
    for number, image in enumerate(images):
        _show(axes[divmod(number, 10)], image, _NAMES[number // 10][number % 10])
    bank, _ = render_banks(size, seed, texture_period)
    colour_of = texture_to_colour(seed)
    _show_pairs(axes[3:].reshape(-1, 2), bank.pixels, bank.attributes, colour_of, seed)
    for row, label in zip(axes, _ROWS, strict=True):
        row[0].text(-0.12, 0.5, label, rotation=90, ha="right", va="center", fontsize=9.5, transform=row[0].transAxes)
    figure.suptitle(
        "Trifeature: ten shapes, textures and colours, and pairs of images", fontsize=13, x=0.012, ha="left"
    )
    figure.supxlabel(
        "Both images of a pair have one shape. In a match the colour of the second belongs to the texture of the\n"
        f"first, in a mismatch it does not. {size} x {size} pixels, texture period {texture_period}, seed {seed}.",
        fontsize=9.5, color="#5A5A5A", x=0.012, ha="left",
    )  # fmt: skip
    with write_aside(path) as aside:
        figure.savefig(aside, dpi=150, facecolor="white")


def _show_pairs(axes: Any, pixels: Tensor, attributes: Tensor, colour_of: Tensor, seed: int) -> None:
    """One pair per row of ``axes`` (n, 2): a row of the sheet with mismatches, and one with matches."""
    unbiased = candidates(attributes)
    match = pair_labels(unbiased, attributes, colour_of)["synergy"].bool()
    # a seed per kind, or both rows would begin with the same images
    kinds = (unbiased[~match], unbiased[match])
    pairs = torch.cat([sample(kind, _PAIRS, seed + k, "training pairs") for k, kind in enumerate(kinds)])
    for cells, pair in zip(axes, pairs, strict=True):
        _, texture, colour = attributes[pair].T.tolist()
        _show(cells[0], pixels[pair[0]], TEXTURES[texture[0]])
        _show(cells[1], pixels[pair[1]], _NAMES[2][colour[1]])
        # the images of a pair move together, in cells that are wider than high
        cells[0].set_anchor("E")
        cells[1].set_anchor("W")


def _show(axes: Any, image: Tensor, title: str) -> None:
    axes.imshow(np.moveaxis(image.numpy(), 0, -1), interpolation="nearest")
    axes.set_title(title, fontsize=9, pad=2.5)
    axes.set_axis_off()


def main(arguments: list[str] | None = None) -> None:
    """Draw the sheet from the command line."""
    parser = argparse.ArgumentParser(description="Draw Trifeature's shapes, textures, colours and some pairs.")
    parser.add_argument("path", help="picture to write, such as sheet.png")
    parser.add_argument("--size", type=int, default=64, help="pixels of each image (default 64)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--texture-period", type=int, default=PERIOD)
    chosen = parser.parse_args(arguments)
    draw_sheet(chosen.path, chosen.size, seed=chosen.seed, texture_period=chosen.texture_period)


if __name__ == "__main__":
    main()
