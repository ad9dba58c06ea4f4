"""Settings of a run: one record, which is saved and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coral_plugin.errors import InputError, short
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.io.paths import home_expanded, is_path, is_text
from coral_plugin.io.yamlfile import yaml_text
from coral_plugin.networks import NetworkSettings
from coral_plugin.registry import DATASETS, OBJECTIVES, suggest
from coral_plugin.runs.checks import check_fields, check_types, seeds_of, with_tuples
from coral_plugin.training.settings import TrainingSettings

GROUPS = ("method", "source", "network", "training", "probe")
DEFAULT_SEEDS = (41,)
# settings that are mappings from modalities
WITHOUT_GROUP = ("augmentations", "plain_augmentations")
BY_MODALITY = (*WITHOUT_GROUP, "network.encoders", "source.kinds")
# the dataclass of each group that every method and data set shares
SHARED_CLASSES: dict[str, type] = {"network": NetworkSettings, "training": TrainingSettings, "probe": ProbeSettings}


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings of a run: what is trained, on what, how, and how it is scored.

    Attributes:
        objective: Registered name of the method.
        dataset: Registered name of the data set.
        data: Path of its files; None for data that are generated or come with a library.
        modalities: Modalities that are used, in this order; None takes all.
        preset: Preset of the method that the defaults were taken from; empty where it has none.
        seeds: Seeds, one training for each, scored together; a single number stands for itself, NumPy's numbers and
            ranges become plain ones.
        augmentations: Augmentation of all modalities, or ``{modality: augmentation}``.
        plain_augmentations: Augmentation of un-augmented branches (CLIP, Cross+Self, CMC, FactorCL, MAE): a random crop
            of at least half of an image by default, as in the references; ``none`` leaves images whole.
        method: Settings of the method (its ``Settings`` dataclass).
        source: Settings of the data set (its ``Settings`` dataclass).
        network: Settings of the networks.
        training: Settings of the training.
        probe: Settings of the probe.
    """

    objective: str
    dataset: str
    data: str | None = None
    modalities: tuple[str, ...] | None = None
    preset: str = ""
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    augmentations: str | dict[str, str] = field(default_factory=dict)
    plain_augmentations: str | dict[str, str] = field(default_factory=dict)
    method: Any = None
    source: Any = None
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)

    def __post_init__(self) -> None:
        for group in GROUPS:  # here, so that every way to make or change settings comes by
            if dataclasses.is_dataclass(record := getattr(self, group)):
                check_fields(type(record), _fields(record), group)
        object.__setattr__(self, "seeds", seeds_of(self.seeds))
        if not is_text(self.preset) or not (self.data is None or is_path(self.data)):
            got = f"{short(self.data)} and {short(self.preset)}"
            raise InputError(f"data and preset must be texts in UTF-8 without control characters; got {got}.")
        if self.modalities is not None:
            if not isinstance(self.modalities, list | tuple) or not all(map(is_text, self.modalities)):
                raise InputError(f"modalities must be a list of names, got {short(self.modalities)}.")
            object.__setattr__(self, "modalities", tuple(self.modalities))
        for name in ("augmentations", "plain_augmentations"):
            if isinstance(spec := getattr(self, name), dict) and not all(isinstance(key, str) for key in spec):
                raise InputError(f"{name} must name modalities, got {short(spec)}.")
        if self.data is not None:
            object.__setattr__(self, "data", home_expanded(self.data))

    def as_dict(self) -> dict[str, Any]:
        """Plain containers, defaults included."""
        return dict(_plain(dataclasses.asdict(self)))

    def to_yaml(self) -> str:
        """The text of ``config.yaml``, which ``coral train --config`` reads."""
        return yaml_text(self.as_dict())


def settings_classes(objective: str, dataset: str) -> dict[str, type]:
    """The dataclass behind each group of settings, for these names.

    Raises:
        InputError: no such objective or data set, or one with settings that no file holds.
    """
    named = {"method": OBJECTIVES.get(objective).Settings, "source": DATASETS.get(dataset).Settings}
    for group, cls in named.items():
        check_types(cls, group)
    return {**named, **SHARED_CLASSES}


def defaults(objective: str, dataset: str, preset: str = "", modalities: Iterable[str] | None = None) -> dict[str, Any]:
    """Defaults as ``{"group.key": value}``: the data set's recipe, and over it the method's preset.

    Args:
        objective: Registered name of the method.
        dataset: Registered name of the data set.
        preset: Preset of the method; its first one by default, if it has any.
        modalities: Modalities that are used; defaults of others are left out. None for all.

    Raises:
        InputError: an unknown preset.
    """
    preset = preset_on(objective, dataset, preset)
    values = {**DATASETS.get(dataset).recipe, **OBJECTIVES.get(objective).presets.get(preset, {})}
    if modalities is not None:
        used = set(modalities)
        for key in BY_MODALITY:
            if isinstance(values.get(key), Mapping):
                values[key] = {name: value for name, value in values[key].items() if name in used}
    return values


def preset_on(objective: str, dataset: str, preset: str = "") -> str:
    """The variant of a preset for a data set, ``<preset>_<dataset>``, where the method has one; else the preset.

    The first preset of the method where none is named; empty where it has none.

    >>> preset_on("coral", "mosi"), preset_on("coral", "mosi", "released"), preset_on("coral", "trifeature", "released")
    ('paper', 'released', 'released_trifeature')

    Raises:
        InputError: an unknown preset.
    """
    presets = OBJECTIVES.get(objective).presets
    preset = preset or next(iter(presets), "")
    if not preset:
        return ""
    if not isinstance(preset, str) or preset not in presets:
        raise suggest(preset, list(presets), f"preset of {objective}")
    variant = f"{preset}_{dataset}"
    return variant if variant in presets else preset


def make_settings(
    objective: str, dataset: str, *, preset: str = "", saved: Mapping[str, Any] | None = None, **chosen: Any
) -> RunSettings:
    """Settings of a run from names and the values that differ from the defaults.

    Args:
        objective: Registered name of the method.
        dataset: Registered name of the data set.
        preset: Name of a preset of the method; its first one by default, if it has any.
        saved: Settings of a file, as ``chosen``; they replace the defaults, also those that are mappings.
        chosen: Fields of :class:`RunSettings`, or single settings: ``training__epochs=10``, or ``"training.epochs"`` in
            a mapping. Mappings by modality change the modalities that they name; ``"network.encoders.text"`` is one.

    Raises:
        InputError: an unknown name or a value out of range.
    """
    saved = {key: value for key, value in (saved or {}).items() if value or "augmentations" not in key}
    modalities = chosen.get("modalities", saved.get("modalities"))
    values = {
        **defaults(objective, dataset, preset, modalities if isinstance(modalities, list | tuple) else None),
        **saved,
    }
    for key, value in ((dotted(key), value) for key, value in chosen.items()):
        whole = next((name for name in BY_MODALITY if key.startswith(f"{name}.")), None)
        if whole is not None:
            key, value = whole, {key.removeprefix(f"{whole}."): value}
        before = values.get(key)
        if whole is not None and isinstance(before, str):
            raise InputError(f"{key} is {before!r} for all modalities; beside {', '.join(value)}, name the others too.")
        if key in BY_MODALITY and isinstance(value, Mapping) and isinstance(before, Mapping):
            value = {**before, **value}
        values[key] = value
    classes = settings_classes(objective, dataset)
    try:
        fields, grouped = grouped_settings(values)
        for group, cls in classes.items():
            if group not in fields:
                fields[group] = build(cls, grouped[group], group)
    except InputError:
        check_recipe(DATASETS.get(dataset), classes)  # whose mistake it is
        raise
    return RunSettings(objective=objective, dataset=dataset, preset=preset_on(objective, dataset, preset), **fields)


def check_recipe(dataset: Any, classes: Mapping[str, type]) -> None:
    """Refuse a recipe whose settings are unknown or out of range.

    Args:
        dataset: Class of the data set.
        classes: Dataclass of each group of settings; other groups are not checked.

    Raises:
        InputError: such a setting; the message names the recipe.
    """
    try:
        _, grouped = grouped_settings(dataset.recipe)
        for group in (group for group in classes if grouped[group]):
            build(classes[group], grouped[group], group)
    except InputError as error:
        raise InputError(f"recipe of {dataset.name}: {error}") from error


def dotted(keyword: str) -> str:
    """``"group.key"`` of a keyword of Python, ``group__key``; a key with dots stays as it is.

    >>> dotted("training__epochs"), dotted("network.encoders.text"), dotted("seeds")
    ('training.epochs', 'network.encoders.text', 'seeds')
    """
    return keyword if "." in keyword else keyword.replace("__", ".")


def grouped_settings(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """``{"group.key": value}`` as fields of :class:`RunSettings` and ``{group: {key: value}}``.

    Raises:
        UnknownNameError: there is no such field or group.
    """
    fields: dict[str, Any] = {}
    grouped: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group not in (known := list(GROUPS if name else RunSettings.__dataclass_fields__)):
            raise suggest(group, known, "group of settings" if name else "setting")
        if name:
            grouped[group][name] = value
        else:
            fields[group] = value
    return fields, grouped


def changed_settings(settings: RunSettings, chosen: Mapping[str, Any]) -> RunSettings:
    """``settings`` with ``{"group.key": value}`` in place of its values.

    Raises:
        InputError: an unknown setting or a value out of range.
    """
    fields, grouped = grouped_settings(chosen)
    for group, values in ((group, values) for group, values in grouped.items() if values):
        record = getattr(settings, group)
        fields[group] = build(type(record), {**_fields(record), **values}, group)
    return dataclasses.replace(settings, **fields)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def build(cls: type, values: Mapping[str, Any], group: str) -> Any:
    """An instance of a settings dataclass; what stands for a tuple becomes one where it holds tuples.

    Raises:
        InputError: a key that it does not have, or a value of another type.
    """
    # NumPy's numbers, as np.logspace gives them, would not go into config.yaml
    plain = with_tuples(cls, {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}, group)
    check_fields(cls, plain, group)
    try:
        return cls(**plain)
    except TypeError as error:  # a field that has no default
        raise InputError(f"The {group} settings are incomplete: {error}.") from error


def from_dict(saved: Mapping[str, Any]) -> RunSettings:
    """Settings read back from ``config.yaml``.

    Raises:
        InputError: a key that the settings do not have, or a group that is no mapping.
    """
    saved = dict(saved)
    for key in ("objective", "dataset"):
        if not isinstance(saved.get(key), str):
            raise InputError(f"The saved settings lack {key!r}.")
    classes = settings_classes(saved["objective"], saved["dataset"])
    for group, cls in classes.items():
        values = saved.get(group, {})
        if not isinstance(values, Mapping):
            raise InputError(f"The saved settings {group!r} must be a mapping, got {type(values).__name__}.")
        saved[group] = build(cls, values, group)
    for key in ("seeds", "modalities"):
        if saved.get(key) is not None:
            if not isinstance(saved[key], list | tuple):
                raise InputError(f"The saved settings {key!r} must be a list, got {short(saved[key])}.")
            saved[key] = tuple(saved[key])
    settings: RunSettings = build(RunSettings, saved, "run")
    return settings


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
