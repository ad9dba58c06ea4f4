"""Samples drawn into two parts, as scikit-learn's ``train_test_split`` draws them, which takes a second to import."""

from __future__ import annotations

import math

import numpy as np
import torch

from coral_plugin.data.split import Split
from coral_plugin.data.task import Task
from coral_plugin.errors import InputError, one_line


def set_valid_aside(splits: dict[str, Split], task: Task, share: float, seed: int, what: str = "split") -> str:
    """Move a share of train to ``valid`` (:func:`split_off`); returns the note that says so.

    Args:
        splits: ``{label: split}`` with ``train``, changed in place.
        task: Task of which every class stays in train.
        share: Share of train.
        seed: Seed of the choice.
        what: Word for what the user did not give, for the note.
    """
    splits["train"], splits["valid"] = split_off(splits["train"], task, share, seed)
    how = "stratified, " if task.kind == "classification" else ""
    return f"no valid {what}: {len(splits['valid'])} of train's samples were set aside ({how}seed {seed})"


def split_off(split: Split, task: Task, share: float, seed: int) -> tuple[Split, Split]:
    """``split`` in two, the second with ``share`` of the samples; stratified where the task has classes.

    Raises:
        InputError: a share outside (0, 1), or too few samples to leave both parts one sample of each class.

    Example:
        >>> from coral_plugin.data import ModalityColumn
        >>> ground = Task(name="ground", kind="classification", classes=("grass", "sand"))
        >>> split = Split({"body": ModalityColumn(torch.rand(40, 2))}, {"ground": torch.arange(40) // 30})
        >>> train, valid = split_off(split, ground, share=0.2, seed=0)
        >>> train.targets["ground"].bincount(), valid.targets["ground"].bincount()
        (tensor([24,  8]), tensor([6, 2]))
    """
    if not 0 < share < 1:
        raise InputError(f"The share of train that becomes valid must lie between 0 and 1, got {share}.")
    labels = split.targets[task.name].cpu().numpy() if task.kind == "classification" else None
    try:
        kept, held = two_parts(len(split), share, seed, labels)
    except ValueError as error:
        reason = one_line(error)
        quantities = " Are the labels quantities? Then say task='regression'." if task.kind == "classification" else ""
        raise InputError(
            f"Cannot set a valid split aside from {len(split)} training samples: {reason}. Give a valid split."
            f"{quantities}"
        ) from error
    return split.subset(torch.from_numpy(np.sort(kept))), split.subset(torch.from_numpy(np.sort(held)))


def two_parts(count: int, share: float, seed: int, labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Indices of two parts of ``count`` samples, in the order of ``train_test_split``.

    Args:
        count: Number of samples.
        share: Share of the samples in the second part, in (0, 1).
        seed: Seed of the draw.
        labels: ``(count,)`` classes, of which both parts get their shares; None draws from all samples alike.

    Raises:
        ValueError: a part would be empty, or lack a class.

    Example:
        >>> first, second = two_parts(8, 0.25, seed=0, labels=np.arange(8) // 4)
        >>> len(first), sorted((second // 4).tolist())
        (6, [0, 1])
    """
    held = math.ceil(share * count)
    kept = count - held
    classes = 1 if labels is None else len(np.unique(labels))
    fewest = 2 if labels is None else int(np.unique(labels, return_counts=True)[1].min(initial=2))
    if min(kept, held) < classes or fewest < 2:
        from sklearn.model_selection import train_test_split

        # says why; it refuses what is refused here
        first, second = train_test_split(np.arange(count), test_size=share, random_state=seed, stratify=labels)
        return first, second
    random = np.random.RandomState(seed)
    if labels is None:
        order = random.permutation(count)
        return order[held:], order[:held]
    _, members = np.unique(labels, return_inverse=True)
    sizes = np.bincount(members)
    of_first = _shares(sizes, kept, random)
    of_second = _shares(sizes - of_first, held, random)
    first, second = [], []
    starts = np.cumsum(sizes) - sizes
    by_class = np.argsort(members, kind="stable")
    for start, size, most, more in zip(starts, sizes, of_first, of_second, strict=True):
        drawn = by_class[start : start + size][random.permutation(size)]
        first.append(drawn[:most])
        second.append(drawn[most : most + more])
    return random.permutation(np.concatenate(first)), random.permutation(np.concatenate(second))


def _shares(sizes: np.ndarray, count: int, random: np.random.RandomState) -> np.ndarray:
    """``count`` samples divided among classes of these ``sizes``; the largest remainders get those that are left."""
    exact = sizes / sizes.sum() * count
    whole = np.floor(exact)
    left = int(count - whole.sum())
    for remainder in np.unique(exact - whole)[::-1]:
        if left <= 0:
            break
        equal = np.flatnonzero(exact - np.floor(exact) == remainder)
        # among equals the generator chooses
        chosen = random.choice(equal, size=min(len(equal), left), replace=False)
        whole[chosen] += 1
        left -= len(chosen)
    return whole.astype(int)
