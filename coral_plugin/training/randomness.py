"""Random streams that depend on seed, purpose and step alone, so that a resumed run draws the same numbers."""

from __future__ import annotations

import contextlib
import os
import threading
import zlib
from collections.abc import Iterator

import numpy as np
import torch

_turn = threading.RLock()


def _renew() -> None:
    """A lock for a forked process, in which the thread that held the old one does not go on."""
    globals()["_turn"] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def fold(seed: int, stream: str, step: int = 0, rank: int = 0) -> int:
    """A 63-bit seed from a run's ``seed``, the name of a ``stream``, a ``step`` of it and the process that draws.

    Process 0 draws what a single process would.

    >>> fold(41, "views", 0) == fold(41, "views", 0), fold(41, "views", 0) == fold(41, "views", 1)
    (True, False)
    """
    words = np.random.SeedSequence((seed, zlib.crc32(stream.encode()), step), spawn_key=(rank,) if rank else ())
    return int(words.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextlib.contextmanager
def own_random_state(*, gpus: bool = False) -> Iterator[None]:
    """Inside, torch's global generators may be seeded and drawn from; afterwards they are as they were before.

    All threads share these generators, so one thread is inside at a time, and the others wait: trainings of a search
    in threads draw what each would draw alone. Code that draws outside of here, in another thread, is not held back.

    Args:
        gpus: Whether generators of GPUs are used beside that of the CPU.
    """
    with _turn, torch.random.fork_rng(devices=range(torch.cuda.device_count()) if gpus else []):
        yield


def generator(
    seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu", rank: int = 0
) -> torch.Generator:
    """A fresh generator for one step of one stream."""
    return torch.Generator(device=device).manual_seed(fold(seed, stream, step, rank))
