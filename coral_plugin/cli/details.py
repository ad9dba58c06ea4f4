"""``coral list WHAT NAME``: the options of one registered name with their defaults and what they mean."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, plain

_WIDTH = 100


def meanings(documented: object) -> dict[str, str]:
    """``{name: text}`` of the entries under ``Args:`` and ``Attributes:`` in the docstring of a class or function.

    >>> meanings(meanings)["documented"]
    'Class or function.'

    Args:
        documented: Class or function.
    """
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.getdoc(documented) or "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def option_lines(options: Mapping[str, Any], texts: Mapping[str, str], prefix: str = "") -> Iterator[str]:
    """Each option with its default, and below it what it means."""
    from coral_plugin.runs.checks import written

    for name, default in options.items():
        yield f"  {prefix}{name} ({written(default)})"
        if name in texts:
            text = plain(texts[name])
            yield textwrap.fill(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")


def defaults_of(settings: type) -> dict[str, Any]:
    """``{name: default}`` of a dataclass of settings."""
    return {
        field.name: field.default_factory() if callable(field.default_factory) else field.default
        for field in dataclasses.fields(settings)
    }


def encoder_lines(name: str) -> Iterator[str]:
    """Options of an encoder.

    Raises:
        UnknownNameError: there is none of this name.
    """
    from coral_plugin.networks.factory import encoder_options

    encoder = ENCODERS.get(name)
    yield from _paragraph(encoder)
    options = encoder_options(encoder)
    if options:
        first = next(iter(options))
        yield f"options, as in --encoder MODALITY='{name}({first}=VALUE)':"
        yield from option_lines(options, meanings(encoder))
    else:
        yield "it takes no options" if options is not None else "options: those of its members"


def augmentation_lines(name: str) -> Iterator[str]:
    """Settings of an augmentation, their bounds, and the kinds of modality that it is for.

    Raises:
        UnknownNameError: there is none of this name.
    """
    from coral_plugin.augmentations.grammar import bound_text

    entry = AUGMENTATIONS.get(name)
    yield from _paragraph(entry)
    yield f"for: {', '.join(entry.kinds)}; applied to a sample with probability {entry.probability:g} ({name}@0.8: 0.8)"
    if not entry.settings:
        yield "it takes no settings"
        return
    first = next(iter(entry.settings))
    yield f"settings, as in --augmentations '{name}({first}=VALUE)':"
    texts = meanings(entry.function)
    for setting, default in entry.settings.items():
        shape = "two numbers, the lesser first" if isinstance(default, tuple) else "one number"
        bounds = bound_text(entry.bounds[setting]) if setting in entry.bounds else ""
        yield from option_lines({setting: default}, {setting: f"{texts.get(setting, '')} ({shape}{bounds})".strip()})


def list_presets(presets: Iterable[str]) -> str:
    """Names of presets, the first one as the default; ``none`` where there are none.

    >>> list_presets({"paper": {}, "released": {}})
    'paper (default), released'
    """
    return ", ".join(f"{name} (default)" if place == 0 else name for place, name in enumerate(presets)) or "none"


def objective_lines(name: str) -> Iterator[str]:
    """Settings of a method, and its presets.

    Raises:
        UnknownNameError: there is none of this name.
    """
    objective = OBJECTIVES.get(name)
    yield from _paragraph(objective)
    yield f"modalities: any number from {objective.min_modalities} on"
    yield f"presets: {list_presets(objective.presets)} (coral list presets {name})"
    options = defaults_of(objective.Settings)
    yield "settings, as in --set KEY=VALUE:" if options else "it has no settings"
    yield from option_lines(options, meanings(objective.Settings))


def dataset_lines(name: str) -> Iterator[str]:
    """Source, licence, files and settings of a data set, and the defaults of a run on it.

    Raises:
        UnknownNameError: there is none of this name.
    """
    dataset = DATASETS.get(name)
    yield from _paragraph(dataset)
    yield f"from {dataset.source}; licence: {dataset.licence}"
    if expects := getattr(dataset, "expects", ""):
        yield f"--data: {expects}"
    options = defaults_of(dataset.Settings)
    yield "settings, as in --source.KEY VALUE:" if options else "it has no settings"
    yield from option_lines(options, meanings(dataset.Settings))
    if dataset.recipe:
        yield "defaults of a run on it:"
        yield from _values(dataset.recipe)


def preset_lines(name: str) -> Iterator[str]:
    """The presets of a method with every value that they set.

    Raises:
        UnknownNameError: there is no method of this name.
    """
    presets = OBJECTIVES.get(name).presets
    if not presets:
        yield f"{name} has no presets"
    for place, (preset, values) in enumerate(presets.items()):
        yield f"{preset}{' (default)' if place == 0 else ''}: coral train --objective {name} --preset {preset}"
        text = "; ".join(line.strip().replace(" = ", " ") for line in _values(values)) or "the defaults"
        yield textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


DETAILS: dict[str, Callable[[str], Iterator[str]]] = {
    "objectives": objective_lines,
    "datasets": dataset_lines,
    "encoders": encoder_lines,
    "augmentations": augmentation_lines,
    "presets": preset_lines,
}


def _values(values: Mapping[str, Any]) -> Iterator[str]:
    from coral_plugin.runs.checks import written

    for key, value in values.items():
        text = ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, Mapping) else written(value)
        yield f"  {key} = {text}"


def _paragraph(documented: object) -> Iterator[str]:
    """The first paragraph of a docstring."""
    text = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
    if text:
        yield textwrap.fill(plain(text), _WIDTH)
