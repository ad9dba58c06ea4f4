"""Scores with only some of the modalities present: which subsets, and how they are embedded and probed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from coral_plugin.data import Modality, MultimodalData, Split
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.probe.probes import FittedProbe
from coral_plugin.evaluation.scoring import Features, embed_data, fit_whole, probing_splits, score_task
from coral_plugin.objectives import Objective
from coral_plugin.registry import suggest

# 2^6 - 1 = 63 subsets; each is embedded and probed for every seed
MOST_MODALITIES = 6

Subset = tuple[str, ...]


def parse_subsets(text: str, modalities: Sequence[str]) -> tuple[Subset, ...]:
    """``"all"``, or ``"vision,audio+text"``, to subsets of ``modalities``, in the order of these.

    >>> parse_subsets("all", ["a", "b"])
    (('a', 'b'), ('a',), ('b',))
    >>> parse_subsets("b,c+a", ["a", "b", "c"])
    (('b',), ('a', 'c'))

    Raises:
        InputError: an unknown modality, one twice, or too many of them for all their subsets.
    """
    if text.strip() == "all":
        if len(modalities) > MOST_MODALITIES:
            raise InputError(
                f"{len(modalities)} modalities have {2 ** len(modalities) - 1} subsets, too many to probe; name those "
                f"that matter, such as --missing {modalities[0]},{modalities[0]}+{modalities[1]}."
            )
        sizes = range(len(modalities), 0, -1)
        return tuple(subset for size in sizes for subset in combinations(modalities, size))
    return tuple(dict.fromkeys(_subset(part.strip(), modalities) for part in text.split(",")))


def _subset(text: str, modalities: Sequence[str]) -> Subset:
    # a name may hold a plus itself
    names = [text] if text in modalities else [name.strip() for name in text.split("+")]
    for name in names:
        if name not in modalities:
            raise suggest(name, list(modalities), "modality in --missing")
    if len(set(names)) < len(names):
        raise InputError(f"--missing names a modality twice in {text!r}.")
    return tuple(name for name in modalities if name in names)


def embed_subset(
    objective: Objective, split: Split, subset: Subset, complete: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The representation of ``split`` from the modalities of ``subset`` alone, with the parts and widths of all.

    Args:
        objective: Trained objective.
        split: Split of N samples.
        subset: Modalities that are present.
        complete: ``{part: (N, d)}`` from all modalities. Parts that the subset does not have are zero.

    Raises:
        InputError: the method gives a part another width where a modality is missing.
    """
    parts = embed_split(objective, split.select(subset))
    for name, part in parts.items():
        if name not in complete or part.shape != complete[name].shape:
            raise InputError(
                f"{type(objective).__name__} embeds {' + '.join(subset)} in parts that it does not have for all "
                f"modalities ({name}: {part.shape}); it cannot be scored with modalities missing."
            )
    return {name: parts.get(name, np.zeros_like(part)) for name, part in complete.items()}


def score_missing(
    objective: Objective,
    data: MultimodalData,
    settings: ProbeSettings,
    subsets: Sequence[Subset],
    whole: Mapping[str, FittedProbe] | None = None,
    features: Features | None = None,
) -> dict[Subset, dict[str, dict[str, Any]]]:
    """Score the whole representation of the test samples from each of ``subsets``.

    Args:
        objective: Objective trained on all modalities.
        data: Data with labels and a test split.
        settings: Settings of the probe.
        subsets: Sets of modalities that are present.
        whole: ``{task: probe}`` of features from all modalities, where it is fitted already.
        features: ``{split: {part: (N, d)}}`` from all modalities, where they are embedded already.

    Returns:
        ``{subset: {"complete" | "refitted": {task: {"metric", "value", "also", "setting"}}}}``: a probe that was fitted
        on features from all modalities, and one that was fitted on features from the same subset.
    """
    splits = probing_splits(data)
    parts = features if features is not None else embed_data(objective, data)
    targets = {task.name: splits["test"].targets[task.name].cpu().numpy() for task in data.tasks}
    fitted = whole if whole is not None else fit_whole(parts, data, settings)
    scores_of: dict[Subset, dict[str, dict[str, Any]]] = {}
    for subset in subsets:
        # with every modality the features are those that the probe was fitted on
        complete = set(subset) == {modality.name for modality in data.modalities}
        arrays = {
            label: concatenate(parts[label] if complete else embed_subset(objective, split, subset, parts[label]))
            for label, split in splits.items()
        }
        scores = {name: probe.score((arrays["test"], targets[name])).record() for name, probe in fitted.items()}
        scores_of[subset] = {
            "complete": scores,
            "refitted": scores
            if complete
            else {task.name: score_task(arrays, data, task, settings) for task in data.tasks},
        }
    return scores_of


def presence_note(split: Split) -> str | None:
    """One line on the modalities that ``split`` lacks, and the consequence; None where no sample lacks any."""
    count = len(split)
    gaps = []
    for name, present in split.presence().items():
        missing = int((~present).sum())
        gaps.append(f"{name} is missing" + (f" in {missing} of {count} samples" if missing < count else ""))
    if not gaps:
        return None
    return f"{', '.join(gaps)}: embedded from the modalities present; parts of a missing modality alone are constant"


def unread_note(arrays: Iterable[str], modalities: Iterable[Modality]) -> str:
    """The end of a :func:`presence_note` that names arrays which are no modality of the run; empty where there is none.

    >>> unread_note(["wave", "body", "body/length", "labels"], [Modality(name="wave", kind="tabular", shape=(2,))])
    '; not read: body'
    """
    known = {"labels", "meta", *(modality.name for modality in modalities)}
    unread = dict.fromkeys(stem for key in arrays if (stem := key.partition("/")[0]) not in known)
    return f"; not read: {', '.join(unread)}" if unread else ""


def count_missing(split: Split, subset: Subset) -> int:
    """Number of samples that have no modality of ``subset``, whose representation holds no information on them."""
    presence = split.presence()
    masks = [presence[name] for name in subset if name in presence]
    if len(masks) < len(subset):
        return 0
    some = masks[0]
    for mask in masks[1:]:
        some = some | mask
    return int((~some).sum())
