"""Everything that decides on a run, in one record that is saved and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import yaml

from coral_plugin.errors import InputError, short
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.io.paths import home_expanded
from coral_plugin.networks import NetworkSettings
from coral_plugin.registry import DATASETS, OBJECTIVES, suggest
from coral_plugin.runs.checks import check_fields, is_path, is_text
from coral_plugin.training.settings import TrainingSettings

GROUPS = ("method", "source", "network", "training", "probe")
SEEDS = (41,)
# settings that are mappings from modalities
BY_MODALITY = ("augmentations", "plain_augmentations", "network.encoders")
_MOST_SEED = 2**32


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings of a run: what is trained, on what, how, and how it is scored.

    Attributes:
        objective: Registered name of the method.
        dataset: Registered name of the data set.
        data: Path of its files; None for data that are generated or come with a library.
        modalities: Which of them, in this order; None takes all.
        preset: Preset of the method that the defaults were taken from.
        seeds: Trainings of their own, scored together; a single number stands for itself, NumPy's numbers and ranges
            become plain ones.
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
    preset: str = "paper"
    seeds: tuple[int, ...] = SEEDS
    augmentations: str | dict[str, str] = field(default_factory=dict)
    plain_augmentations: str | dict[str, str] = field(default_factory=dict)
    method: Any = None
    source: Any = None
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)

    def __post_init__(self) -> None:
        for group in GROUPS:  # here, so that every way to make or change settings comes by
            if dataclasses.is_dataclass(own := getattr(self, group)):
                check_fields(type(own), {f.name: getattr(own, f.name) for f in dataclasses.fields(own)}, group)
        object.__setattr__(self, "seeds", seeds_of(self.seeds))
        if not is_text(self.preset) or not (self.data is None or is_path(self.data)):
            raise InputError(
                f"data and preset must be texts in UTF-8 without control characters; got {short(self.data)} and "
                f"{short(self.preset)}."
            )
        if not all(is_text(name) for name in self.modalities or ()):
            raise InputError(f"modalities must be names, got {short(self.modalities)}.")
        for name in ("augmentations", "plain_augmentations"):
            if isinstance(spec := getattr(self, name), dict) and not all(isinstance(key, str) for key in spec):
                raise InputError(f"{name} must name modalities, got {short(spec)}.")
        if self.data is not None:
            object.__setattr__(self, "data", home_expanded(self.data))
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"Seeds must be different numbers from 0 on, at least one; got {short(self.seeds)}.")
        if min(self.seeds) < 0 or max(self.seeds) >= _MOST_SEED:
            raise InputError(f"Seeds must be numbers from 0 on, below {_MOST_SEED}; got {short(self.seeds)}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain containers, defaults included."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def to_yaml(self) -> str:
        """The text of ``config.yaml``, which ``coral train --config`` reads."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True)


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """Seeds as plain numbers, from one number or any collection of them: a tuple, a range, an array of NumPy.

    Raises:
        InputError: something else than whole numbers.

    >>> seeds_of(41), seeds_of(range(41, 44)), seeds_of(np.arange(2))
    ((41,), (41, 42, 43), (0, 1))
    """
    listed = seeds.tolist() if hasattr(seeds, "tolist") else seeds  # NumPy, torch, pandas
    listed = [listed] if isinstance(listed, Integral) else listed
    if isinstance(listed, str | bytes | Mapping) or not isinstance(listed, Iterable):
        raise InputError(f"Seeds must be whole numbers, such as 41 or (41, 42), got {short(seeds)}.")
    found = list(listed)
    if not all(isinstance(seed, Integral) and not isinstance(seed, bool | np.bool_) for seed in found):
        raise InputError(f"Seeds must be whole numbers, got {short(seeds)}.")
    return tuple(map(int, found))


def settings_classes(objective: str, dataset: str) -> dict[str, type]:
    """The dataclass behind each group of settings, for these names.

    Raises:
        UnknownNameError: no such objective or data set.
    """
    return {
        "method": OBJECTIVES.get(objective).Settings,
        "source": DATASETS.get(dataset).Settings,
        "network": NetworkSettings,
        "training": TrainingSettings,
        "probe": ProbeSettings,
    }


def defaults(objective: str, dataset: str, preset: str, modalities: Iterable[str] | None = None) -> dict[str, Any]:
    """Defaults as ``{"group.key": value}``: the data set's recipe, and over it the method's preset.

    Args:
        objective: Registered name.
        dataset: Registered name.
        preset: Of the method.
        modalities: Those that are used; what is said of others is left out. None for all.

    Raises:
        InputError: an unknown preset.
    """
    preset = preset_on(objective, dataset, preset)
    found = {**DATASETS.get(dataset).recipe, **OBJECTIVES.get(objective).presets[preset]}
    if modalities is not None:
        used = set(modalities)
        for key in BY_MODALITY:
            if isinstance(found.get(key), Mapping):
                found[key] = {name: value for name, value in found[key].items() if name in used}
    return found


def preset_on(objective: str, dataset: str, preset: str) -> str:
    """The preset that ``preset`` is on a data set: its variant ``<preset>_<dataset>`` where the method has one.

    >>> preset_on("coral", "mosi", "released"), preset_on("coral", "trifeature", "released")
    ('released', 'released_trifeature')

    Raises:
        InputError: an unknown preset.
    """
    presets = OBJECTIVES.get(objective).presets
    if not isinstance(preset, str) or preset not in presets:
        raise suggest(preset, list(presets), f"preset of {objective}")
    variant = f"{preset}_{dataset}"
    return variant if variant in presets else preset


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
    """The networks for modalities ``names``: files may lack one whose encoder the data set's recipe names."""
    recipe = DATASETS.get(settings.dataset).recipe.get("network.encoders", {})
    there, chosen = set(names), settings.network.encoders
    kept = {name: like for name, like in chosen.items() if name in there or recipe.get(name) != like}
    return dataclasses.replace(settings.network, encoders=kept)


def make_settings(objective: str, dataset: str, *, preset: str = "paper", **chosen: Any) -> RunSettings:
    """Settings of a run from names and the values that differ from the defaults.

    Args:
        objective: Registered name.
        dataset: Registered name.
        preset: Of the method.
        chosen: Fields of :class:`RunSettings`, or ``group__key`` for one setting: ``training__epochs=10``.

    Raises:
        InputError: an unknown name or a value out of range.
    """
    grouped: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    fields: dict[str, Any] = {}
    given = defaults(objective, dataset, preset, chosen.get("modalities"))
    for key, value in ((key.replace("__", "."), value) for key, value in chosen.items()):
        both = key in BY_MODALITY and isinstance(value, Mapping) and isinstance(given.get(key), Mapping)
        given[key] = {**given[key], **value} if both else value  # modalities that are not named keep theirs
    for key, value in given.items():
        group, _, name = key.partition(".")
        if name:
            grouped[group][name] = value
        else:
            fields[group] = value
    for group, cls in settings_classes(objective, dataset).items():
        if group not in fields:
            fields[group] = build(cls, grouped[group], group)
    return RunSettings(objective=objective, dataset=dataset, preset=preset_on(objective, dataset, preset), **fields)


def build(cls: type, values: Mapping[str, Any], group: str) -> Any:
    """An instance of a settings dataclass; lists become tuples where it holds tuples.

    Raises:
        InputError: a key that it does not have, or a value of another type.
    """
    # NumPy's numbers, as np.logspace gives them, would not go into config.yaml
    plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in values.items()}
    check_fields(cls, plain, group)
    try:
        return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()})
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
