"""Shuffled batches of a split that lies in memory: the batch of a step is a function of seed and step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from coral_plugin.data import MultimodalBatch, Split
from coral_plugin.errors import InputError
from coral_plugin.training.randomness import generator


class BatchLoader:
    """Passes over a split, each in an order that depends on seed and epoch alone, so that any step can be had.

    The last batch of a pass may be smaller; a last batch of a single sample is left out, since it has no negatives.
    With several processes each gets its share of every batch: every ``world``-th sample from its rank on.

    Args:
        split: Samples, on the training device.
        batch_size: Samples per step of all processes together, at least 2.
        seed: Seed of the run.
        rank: Number of this process.
        world: Number of processes.
        samples: Samples of one pass; None is the whole split once. Beyond that it repeats, each time in a new order.

    Raises:
        InputError: fewer than two samples, or a batch that does not give every process a sample.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int, rank: int = 0, world: int = 1, samples: int | None = None
    ) -> None:
        if len(split) < 2:
            raise InputError(f"Training needs at least two samples, got {len(split)}.")
        self._pass = len(split) if samples is None else samples
        self.split, self.batch_size, self.seed = split, batch_size, seed
        self.rank, self.world = rank, world
        self._order: tuple[int, Tensor] | None = None
        smallest = min(size for size in (batch_size, self._pass, self._pass % batch_size) if size > 1)
        if smallest < world:
            raise InputError(
                f"A batch of {smallest} of {self._pass} samples does not give each of {world} processes one; "
                f"take fewer processes, or another training.batch_size than {batch_size}."
            )

    def __len__(self) -> int:
        """Steps of one pass."""
        full, rest = divmod(self._pass, self.batch_size)
        return full + (rest > 1)

    @property
    def samples(self) -> int:
        """Samples of one pass, of all processes together; those of the split that repeat are counted again."""
        return self._pass - (self._pass % self.batch_size == 1)

    def __iter__(self) -> Iterator[MultimodalBatch]:
        """The batches of the first pass."""
        for step in range(len(self)):
            yield self.batch(step)

    def batch(self, step: int) -> MultimodalBatch:
        """This process's share of the batch of ``step``, counted over all passes."""
        return self.split.batch(self._rows(step)[self.rank :: self.world].to(self.split.device))

    def size(self, step: int) -> int:
        """Samples of all processes together in the batch of ``step``."""
        return len(self._rows(step))

    def _rows(self, step: int) -> Tensor:
        epoch, place = divmod(step, len(self))
        if self._order is None or self._order[0] != epoch:
            stream, count = generator(self.seed, "order", epoch), len(self.split)
            orders = [torch.randperm(count, generator=stream) for _ in range(-(-self._pass // count))]
            self._order = epoch, torch.cat(orders)[: self._pass]
        return self._order[1][place * self.batch_size : (place + 1) * self.batch_size]
