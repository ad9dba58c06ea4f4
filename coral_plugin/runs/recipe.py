"""What the recipe of a data set, and a preset on it, change in a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from coral_plugin.augmentations import build_augmenter
from coral_plugin.augmentations.pipeline import Augmenter
from coral_plugin.data import Modality, MultimodalData
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.runs.settings import RunSettings


def preset_note(objective: str, dataset: str, preset: str) -> str:
    """One line on what a preset has on this data set alone; empty where that is nothing.

    >>> preset_note("coral", "trifeature", "released_trifeature")
    'preset released has method.orthogonality_weight=1.0 on trifeature (released_trifeature)'
    """
    presets = OBJECTIVES.get(objective).presets
    general = preset.removesuffix(f"_{dataset}")
    if general == preset or general not in presets or preset not in presets:
        return ""
    changed = [f"{key}={value}" for key, value in presets[preset].items() if presets[general].get(key) != value]
    return f"preset {general} has {', '.join(changed)} on {dataset} ({preset})"


def network_for(settings: RunSettings, names: Iterable[str]) -> NetworkSettings:
    """The networks for modalities ``names``: files may lack a modality whose encoder the data set's recipe names."""
    recipe = DATASETS.get(settings.dataset).recipe.get("network.encoders", {})
    present, chosen = set(names), settings.network.encoders
    kept = {name: encoder for name, encoder in chosen.items() if name in present or recipe.get(name) != encoder}
    return dataclasses.replace(settings.network, encoders=kept)


def make_augmenter(
    settings: RunSettings, data: MultimodalData, augmentations: Mapping[str, Callable[..., Any]] | None
) -> Augmenter:
    """The augmenter of a run; ``augmentations`` are functions from Python, by modality.

    Raises:
        InputError: an unknown augmentation, or one text for all modalities next to a function for one.
    """
    specs: Any = settings.augmentations
    if augmentations:
        if isinstance(specs, str):
            raise InputError("Give augmentations by modality where one of them is a function.")
        specs = {**specs, **augmentations}
    try:
        return build_augmenter(specs, data.modalities, settings.plain_augmentations)
    except InputError:
        recipe = DATASETS.get(settings.dataset).recipe.get("augmentations", {})
        if isinstance(recipe, Mapping) and isinstance(specs, Mapping):
            recipe = {name: spec for name, spec in recipe.items() if specs.get(name) == spec}
        elif recipe != specs:
            raise
        check_recipe_augmentations(settings.dataset, recipe, data.modalities)  # whose mistake it is
        raise


def check_recipe_augmentations(dataset: str, augmentations: Any, modalities: Sequence[Modality]) -> None:
    """Refuse augmentations of a recipe that do not fit the modalities.

    Args:
        dataset: Name of the data set.
        augmentations: Augmentation of all modalities, or by modality.
        modalities: Modalities of the data.

    Raises:
        InputError: an unknown modality, augmentation or setting, or a value out of bounds; it names the recipe.
    """
    try:
        build_augmenter(augmentations, tuple(modalities))
    except InputError as error:
        raise InputError(f"recipe of {dataset}: {error}") from error
