"""The samples of a PyTorch loader in the order of its data set: the same data, and the same fingerprint, every time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any, cast

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def in_order(loader: Any, label: str) -> tuple[Any, list[str]]:
    """A loader of the same batches that shuffles, repeats and drops nothing; what it cannot be told of stays as it is.

    Args:
        loader: Any. Of a ``DataLoader`` over a data set with numbered samples, a new one with its collation, batch
            size and workers is made; it does not touch PyTorch's global generator.
        label: Name of the split, for the note.

    Returns:
        The loader, and what the user should hear, one line each.
    """
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or type(loader.batch_sampler) is not BatchSampler
    ):
        return loader, []
    rows = _rows(loader.sampler, len(cast(Sized, loader.dataset)))
    if rows is None:
        return loader, []
    ordered = DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=rows,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator(),
    )
    weighs = isinstance(loader.sampler, WeightedRandomSampler)
    return ordered, [f"the loader of {label} draws samples by weight; here each is taken once"] if weighs else []


def _rows(sampler: Iterable[int], count: int) -> Sequence[int] | None:
    """Samples that ``sampler`` draws, in order; None where its kind does not tell."""
    if type(sampler) is SubsetRandomSampler:
        return sorted(set(map(int, sampler.indices)))
    if type(sampler) in (SequentialSampler, RandomSampler, WeightedRandomSampler):
        return range(count)
    return None
