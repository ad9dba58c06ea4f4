"""Checks for authors of data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from coral_plugin.data import DatasetAdapter, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.networks import NetworkSettings
from coral_plugin.registry import DATASETS
from coral_plugin.runs.checks import check_types
from coral_plugin.runs.recipe import check_recipe_augmentations
from coral_plugin.runs.settings import check_recipe
from coral_plugin.testing.expect import expect, expect_finite
from coral_plugin.training.settings import TrainingSettings


def check_dataset(
    dataset: type[DatasetAdapter] | str, path: str | Path | None = None, settings: Any = None
) -> MultimodalData:
    """Check that a data set keeps the contract of :class:`coral_plugin.data.DatasetAdapter`.

    Its facts, settings and recipe are checked, it is loaded twice, and a batch of every split is taken.

    Args:
        dataset: Class of the data set, or its registered name.
        path: File or folder of the data; None where the data set expects none.
        settings: Instance of ``Settings``; None takes the defaults.

    Returns:
        The loaded data set, for tests of its content.

    Raises:
        AssertionError: a part of the contract that does not hold: what was expected, and what was found.
        InputError: files or settings that the data set refuses.
    """
    cls: Any = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    expect(isinstance(cls, type) and issubclass(cls, DatasetAdapter), "a subclass of DatasetAdapter", cls)
    missing = [fact for fact in ("name", "source", "licence", "Settings") if not getattr(cls, fact, None)]
    missing += sorted(cls.__abstractmethods__)
    expect(not missing, "name, source, licence, Settings and read", f"no {', '.join(missing)}")
    if isinstance(dataset, str):
        expect(cls.name == dataset, f"the name of its entry point, {dataset!r}", f"name = {cls.name!r}")
    frozen = getattr(getattr(cls.Settings, "__dataclass_params__", None), "frozen", False)
    expect(frozen, "Settings that are a frozen dataclass", cls.Settings)
    check_types(cls.Settings, "source")
    expect(cls.Settings() == cls.Settings(), "Settings with a default for every field", "settings that differ")
    expect(isinstance(cls.recipe, Mapping), "a recipe that maps names of settings to values", cls.recipe)
    location = None if path is None else str(path)
    data = cls.load(location, settings)
    expect(isinstance(data, MultimodalData), "MultimodalData", type(data).__name__)
    expect(bool(data.fingerprint), "a fingerprint (from_arrays and assemble make it)", "none")
    again = cls.load(location, settings).fingerprint
    expect(again == data.fingerprint, "the same data in every loading; draw from a seed among the settings", "others")
    expect(data.test is not None, "a test split", ", ".join(data.splits()))
    for label, split in data.splits().items():
        _check_split(label, split, data)
    _check_recipe(cls, data)
    if path is not None and (inspection := cls.inspect(Candidate(Path(path)))) is not None:
        expect(cls.name in inspection.datasets, f"an inspection that names {cls.name}", inspection.datasets)
    return data


def _check_recipe(cls: type[DatasetAdapter], data: MultimodalData) -> None:
    """A run may use every setting of the recipe: names, types, bounds."""
    groups = {"source": cls.Settings, "network": NetworkSettings, "training": TrainingSettings, "probe": ProbeSettings}
    try:
        check_recipe(cls, groups)
        for key in ("augmentations", "plain_augmentations"):
            check_recipe_augmentations(cls.name, cls.recipe.get(key, {}), data.modalities)
    except InputError as error:
        expect(False, "a recipe of settings that a run takes", error)
    names = [modality.name for modality in data.modalities]
    unknown = sorted({*cls.recipe.get("network.encoders", {})} - {*names})
    expect(not unknown, f"recipe: encoders of the modalities {', '.join(names)}", ", ".join(unknown))


def _check_split(label: str, split: Split, data: MultimodalData) -> None:
    batch = split.batch(torch.arange(min(4, len(split))))
    expect_finite(dict(batch), f"values of {label}")
    for modality in data.modalities:
        shape, expected = tuple(batch[modality.name].shape[1:]), modality.shape
        if modality.kind == "sequence":  # cut to the longest sample of the batch
            shape, expected = shape[1:], expected[1:]
        expect(shape == expected, f"{label}: {modality.name} of shape {expected}", shape)
    tasks = {task.name for task in data.tasks}
    if label != "pretrain":
        expect(set(split.targets) == tasks, f"{label}: targets of the tasks {sorted(tasks)}", sorted(split.targets))
    for task in data.tasks:
        if task.name in split.targets:
            _check_targets(f"{label}: targets of {task.name}", split.targets[task.name], task)


def _check_targets(what: str, targets: torch.Tensor, task: Task) -> None:
    if task.kind == "classification":
        fits = targets.ndim == 1 and not targets.is_floating_point()
        expect(fits, f"{what} that are class indices (N,)", f"{targets.dtype} {tuple(targets.shape)}")
        low, high = int(targets.min()), int(targets.max())
        expect(0 <= low <= high < len(task.classes), f"{what} from 0 to {len(task.classes) - 1}", f"{low} to {high}")
    elif task.kind == "multilabel":
        fits = tuple(targets.shape[1:]) == (len(task.classes),) and bool(((targets == 0) | (targets == 1)).all())
        expect(fits, f"{what} that are 0 or 1 of shape (N, {len(task.classes)})", tuple(targets.shape))
    else:
        fits = targets.is_floating_point() and bool(targets.isfinite().all())
        expect(fits, f"{what} that are finite floats", targets.dtype)
