"""Pairs of Trifeature images: candidates, samples of them, and their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .streams import Stream, stream_generator

SHAPE, TEXTURE, COLOUR = range(3)  # columns of the attributes


def texture_to_colour(seed: int) -> Tensor:
    """The one-to-one map of synergy: the colour (10,) that belongs to each texture."""
    return torch.from_numpy(stream_generator(seed, "map").permutation(10))


def candidates(attributes: Tensor, colour_of: Tensor | None = None) -> Tensor:
    """Every ordered pair of images of one shape; an image pairs with itself too.

    Args:
        attributes: (M, 3) of the bank.
        colour_of: (10,) With it, only pairs whose second image has the colour that belongs to the first one's texture
            (the biased pairing).

    Returns:
        (P, 2) indices of images, sorted.
    """
    fits = attributes[:, None, SHAPE] == attributes[None, :, SHAPE]  # (M, M)
    if colour_of is not None:
        fits &= colour_of[attributes[:, TEXTURE]][:, None] == attributes[None, :, COLOUR]
    return fits.nonzero()


def sample(pairs: Tensor, count: int, seed: int, stream: Stream) -> Tensor:
    """``count`` of the pairs (P, 2) without replacement, in random order; all of them where there are fewer."""
    chosen = stream_generator(seed, stream).choice(len(pairs), size=min(count, len(pairs)), replace=False)
    return pairs[torch.from_numpy(chosen.astype(np.int64))]


def pair_labels(pairs: Tensor, attributes: Tensor, colour_of: Tensor) -> dict[str, Tensor]:
    """Targets of each task.

    Args:
        pairs: (P, 2) indices of images of one shape.
        attributes: (M, 3) of the bank.
        colour_of: (10,) The map of synergy.

    Returns:
        ``{task: (P,)}``: redundancy, the common shape; uniqueness1 and uniqueness2, the texture of either image;
        synergy, 1 where the second image has the colour that belongs to the first one's texture.
    """
    first, second = attributes[pairs[:, 0]], attributes[pairs[:, 1]]
    return {
        "redundancy": first[:, SHAPE],
        "uniqueness1": first[:, TEXTURE],
        "uniqueness2": second[:, TEXTURE],
        "synergy": (colour_of[first[:, TEXTURE]] == second[:, COLOUR]).long(),
    }
