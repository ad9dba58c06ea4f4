"""Run settings from the arguments of a function: names and values become settings, functions and modules come apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from coral_plugin.errors import InputError, short
from coral_plugin.from_python import python_name
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.registry import closest
from coral_plugin.runs.settings import GROUPS, RunSettings, dotted, make_settings, settings_classes


def chosen_settings(
    objective: str,
    dataset: str,
    *,
    encoders: Mapping[str, EncoderLike] | None = None,
    augmentations: str | Mapping[str, str | Callable[..., Any]] | None = None,
    plain_augmentations: str | Mapping[str, str] | None = None,
    arguments: Iterable[str] = (),
    **chosen: Any,
) -> tuple[RunSettings, dict[str, EncoderLike], dict[str, Callable[..., Any]]]:
    """Run settings from the arguments of :func:`fit`, and what no setting can hold.

    Args:
        objective: Registered name of the method.
        dataset: Registered name of the data set.
        encoders: Encoders by modality.
        augmentations: Augmentation of all modalities, or by modality.
        plain_augmentations: Augmentation of un-augmented branches.
        arguments: Names of the caller's arguments, which a mistyped one may stand for.
        chosen: ``preset``, ``seeds``, and any other setting as ``group__key``.

    Returns:
        The settings; ``{modality: module or function}`` of the encoders, and of the augmentations, that are no names.

    Raises:
        InputError: an unknown name or a value out of range.
    """
    if bare := [key for key in chosen if key in GROUPS]:
        method = "the method itself is objective=NAME, and " if bare[0] == "method" else ""
        raise InputError(f"fit has no argument {bare[0]!r}: {method}its settings are {bare[0]}__<key>=VALUE.")
    single = ("preset", "seeds", "data", "modalities")
    if wrong := [key for key in chosen if key not in single and dotted(key).partition(".")[0] not in GROUPS]:
        close = _meant(wrong[0], arguments, settings_classes(objective, dataset))
        groups = ", ".join(GROUPS)
        raise InputError(f"fit has no argument {wrong[0]!r}.{close} Settings are <group>__<key> with {groups}.")
    if encoders is not None and not isinstance(encoders, Mapping):
        raise InputError(f"encoders must be a mapping by modality, got {short(encoders)}.")
    for name, encoder in (encoders or {}).items():
        if not isinstance(encoder, str) and not callable(encoder):
            raise InputError(f"The encoder of {name} must be a name, a module or a function, got {short(encoder)}.")
    named, functions = _split_functions(augmentations)
    modules: dict[str, EncoderLike] = {
        name: encoder for name, encoder in (encoders or {}).items() if not isinstance(encoder, str)
    }
    texts = {name: encoder for name, encoder in (encoders or {}).items() if isinstance(encoder, str)}
    if texts:
        chosen["network.encoders"] = texts
    if named is not None:
        chosen["augmentations"] = named
    if plain_augmentations is not None:
        chosen["plain_augmentations"] = (
            plain_augmentations if isinstance(plain_augmentations, str) else dict(plain_augmentations)
        )
    return make_settings(objective, dataset, **chosen), modules, functions


def _meant(name: str, arguments: Iterable[str], classes: dict[str, type]) -> str:
    """`` Did you mean 'NAME'?`` with the closest argument or setting; empty where none is similar."""
    if f"{name}s" in arguments:  # seed, epoch, label, ...
        return f" Did you mean {f'{name}s'!r}?"
    # the probe repeats names of the training, whose settings come first
    fields = [(group, field.name) for group, cls in reversed(classes.items()) for field in dataclasses.fields(cls)]
    known = {key: f"{group}__{key}" for group, key in fields} | {argument: argument for argument in arguments}
    close = closest(name, known)
    return f" Did you mean {known[close]!r}?" if close else ""


def _split_functions(
    augmentations: str | Mapping[str, str | Callable[..., Any]] | None,
) -> tuple[str | dict[str, str] | None, dict[str, Callable[..., Any]]]:
    """The specification with a record in place of each function, and the functions."""
    if augmentations is None or isinstance(augmentations, str):
        return augmentations, {}
    if not isinstance(augmentations, Mapping):
        raise InputError(
            "augmentations must be a text, or a mapping of modalities to texts or functions, got "
            f"{short(augmentations)}."
        )
    functions = {name: value for name, value in augmentations.items() if not isinstance(value, str)}
    texts = {name: value for name, value in augmentations.items() if isinstance(value, str)}
    return {**texts, **{name: python_name(function) for name, function in functions.items()}}, functions
