"""Fewer samples than there are, for a trial."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, Dataset, SequentialSampler


class Fewer(Dataset[Any]):
    """``count`` samples of a data set, evenly spaced over it; its other attributes are its own.

    Args:
        inner: Anything with a length and items.
        count: Number of samples, at least one and at most those of ``inner``.
    """

    def __init__(self, inner: Any, count: int) -> None:
        self.inner, self.count = inner, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if not -self.count <= index < self.count:
            raise IndexError(index)
        return self.inner[index % self.count * len(self.inner) // self.count]

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not set yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.inner, name)


def limited(loaders: Any, most: int | None) -> Any:
    """``loaders``, a DataLoader or any nesting of lists, tuples and dictionaries of them, with ``most`` samples each.

    Args:
        loaders: Loaders as MultiBench's functions return them.
        most: Greatest number of samples per loader; None for all.
    """
    if most is None:
        return loaders
    if isinstance(loaders, DataLoader):
        return _limited(loaders, most)
    if isinstance(loaders, list | tuple):
        return type(loaders)(limited(loader, most) for loader in loaders)
    if isinstance(loaders, dict):
        return {name: limited(loader, most) for name, loader in loaders.items()}
    return loaders


def _limited(loader: DataLoader[Any], most: int) -> DataLoader[Any]:
    total = len(loader.dataset)  # type: ignore[arg-type]
    if total <= most or loader.batch_size is None:
        return loader
    return DataLoader(
        Fewer(loader.dataset, most),
        batch_size=loader.batch_size,
        shuffle=not isinstance(loader.sampler, SequentialSampler),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        drop_last=loader.drop_last and most >= loader.batch_size,
    )
