"""Rendered banks kept on disk: used when they are whole, made again when they are not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from coral_plugin.errors import CoralError
from coral_plugin.io.files import cache_folder
from coral_plugin.io.npz import read_npz, write_npz

from .render import SHAPE_SHARE, TRAIN_RENDERS, VERSION, Bank, render_banks, shape_side

Banks = tuple[Bank, Bank]


def bank_digest(bank: Bank) -> str:
    """sha256 (hex) over shape and bytes of the images and of what they show."""
    digest = hashlib.sha256()
    for tensor in (bank.attributes, bank.pixels):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).numpy().data)
    return digest.hexdigest()


def cached_banks(
    image_size: int,
    seed: int,
    texture_period: int,
    cache: bool = True,
    renders: int = TRAIN_RENDERS,
    shape_share: float = SHAPE_SHARE,
) -> tuple[Banks, tuple[str, str], list[str]]:
    """The training and the test bank, from the cache where it has them.

    A damaged file is replaced. A cache that cannot be written costs time, not the run.

    Args:
        image_size: Pixels each way, S.
        seed: Seed of the images.
        texture_period: Period of the textures in pixels.
        cache: Whether to read and write the cache at all.
        renders: Images of each training combination.
        shape_share: Side of a shape before it is turned, as a share of S.

    Returns:
        The banks, the digest of each, and notes on the cache, one line each.
    """
    notes: list[str] = []
    path = cache_path(image_size, seed, texture_period, renders, shape_share)
    if cache:
        try:
            if path.exists():
                banks, digests = _read(path, image_size, renders)
                return banks, digests, notes
        except (CoralError, OSError, ValueError) as error:
            notes.append(f"the cached images were rendered again: {error}")
    banks = render_banks(image_size, seed, texture_period, renders, shape_share)
    digests = bank_digest(banks[0]), bank_digest(banks[1])
    if cache:
        try:
            write_npz(path, _arrays(banks, digests))
        except (CoralError, OSError) as error:
            notes.append(f"the images were rendered but not kept: {error}")
    return banks, digests, notes


def cache_path(
    image_size: int,
    seed: int,
    texture_period: int,
    renders: int = TRAIN_RENDERS,
    shape_share: float = SHAPE_SHARE,
) -> Path:
    """The file of these images."""
    what = f"{image_size}px-shape{shape_side(image_size, shape_share)}-period{texture_period}-renders{renders}"
    return cache_folder() / f"trifeature-v{VERSION}-{what}-seed{seed}.npz"


def _arrays(banks: Banks, digests: tuple[str, str]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for label, bank, digest in zip(("train", "test"), banks, digests, strict=True):
        arrays[f"{label}/pixels"] = bank.pixels.numpy()
        arrays[f"{label}/attributes"] = bank.attributes.numpy()
        arrays[f"{label}/sha256"] = np.frombuffer(bytes.fromhex(digest), dtype=np.uint8)
    return arrays


def _read(path: Path, image_size: int, renders: int) -> tuple[Banks, tuple[str, str]]:
    """The banks in a file.

    Raises:
        CoralError: it cannot be read.
        ValueError: it does not hold what it should.
    """
    arrays = read_npz(path)
    banks, digests = [], []
    for label, count in (("train", 800 * renders), ("test", 200)):
        try:
            pixels, attributes, kept = (arrays[f"{label}/{key}"] for key in ("pixels", "attributes", "sha256"))
        except KeyError as error:
            raise ValueError(f"{path} lacks {error}") from error
        whole = (pixels.dtype, pixels.shape) == (np.uint8, (count, 3, image_size, image_size))
        if not whole or (attributes.dtype, attributes.shape) != (np.int64, (count, 3)):
            raise ValueError(f"{path} holds {label} images of another size")
        bank = Bank(torch.from_numpy(pixels), torch.from_numpy(attributes))
        digest = bank_digest(bank)
        if bytes.fromhex(digest) != kept.tobytes():
            raise ValueError(f"{path} differs from its checksum ({label})")
        banks.append(bank)
        digests.append(digest)
    return (banks[0], banks[1]), (digests[0], digests[1])
