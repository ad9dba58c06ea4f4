"""Independent random streams: what one part draws never shifts what another part draws."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Stream = Literal["split", "map", "images", "noise", "rain", "training pairs", "probing pairs"]
# the place in this list is part of what a seed means: append, never reorder
_STREAMS: tuple[str, ...] = get_args(Stream)


def stream_generator(seed: int, stream: Stream) -> np.random.Generator:
    """The generator of one named stream of ``seed``.

    >>> [int(stream_generator(42, stream).integers(1000)) for stream in ("images", "images", "map")]
    [703, 703, 74]
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(_STREAMS.index(stream),))
    return np.random.Generator(np.random.PCG64(sequence))
