"""Shuffled batches of a split that lies in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from coral_plugin.data import MultimodalBatch, Split
from coral_plugin.errors import InputError
from coral_plugin.training.randomness import generator


class BatchLoader:
    """One pass over a split in an order that depends on seed and epoch alone.

    The last batch may be smaller; a last batch of a single sample is left out, since it has no negatives.

    Args:
        split: On the training device.
        batch_size: At least 2.
        seed: Of the run.

    Raises:
        InputError: fewer than two samples.
    """

    def __init__(self, split: Split, batch_size: int, seed: int) -> None:
        if len(split) < 2:
            raise InputError(f"Training needs at least two samples, got {len(split)}.")
        self.split, self.batch_size, self.seed = split, batch_size, seed
        self.epoch = 0

    @property
    def sampler(self) -> BatchLoader:
        """Itself: Lightning tells the sampler of a loader which epoch begins."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.split), self.batch_size)
        return full + (rest > 1)

    def __iter__(self) -> Iterator[MultimodalBatch]:
        order = torch.randperm(len(self.split), generator=generator(self.seed, "order", self.epoch))
        for index in order.to(self.split.device).split(self.batch_size)[: len(self)]:
            yield self.split.batch(index)
