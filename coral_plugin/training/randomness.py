"""Random streams that depend on seed, purpose and step alone, so that a resumed run draws the same numbers."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def fold(seed: int, stream: str, step: int = 0, rank: int = 0) -> int:
    """A 63-bit seed from a run's ``seed``, the name of a ``stream``, a ``step`` of it and the process that draws.

    Process 0 draws what a single process would.

    >>> fold(41, "views", 0) == fold(41, "views", 0), fold(41, "views", 0) == fold(41, "views", 1)
    (True, False)
    """
    words = np.random.SeedSequence((seed, zlib.crc32(stream.encode()), step), spawn_key=(rank,) if rank else ())
    return int(words.generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(
    seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu", rank: int = 0
) -> torch.Generator:
    """A fresh generator for one step of one stream."""
    return torch.Generator(device=device).manual_seed(fold(seed, stream, step, rank))
