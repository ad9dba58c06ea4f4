"""Checks of settings from files, flags and callers, by type and size."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from coral_plugin.errors import InputError, short
from coral_plugin.io.paths import is_text
from coral_plugin.io.yamlfile import parse_yaml
from coral_plugin.registry import suggest

LARGEST_NUMBER = 2**32  # of any whole number among the settings: epochs, samples, units


def with_tuples(cls: type, values: Mapping[str, Any], group: str) -> dict[str, Any]:
    """``values`` of a dataclass, with a tuple wherever the field holds one: of a list, a text or a single value.

    >>> from coral_plugin.objectives.coral import CoralSettings
    >>> for text in ("0.1,5e-1", "(0.1,0.5)", "[0.1, 0.5]", [0.1, 0.5]):
    ...     assert with_tuples(CoralSettings, {"mask_stages": text}, "method") == {"mask_stages": (0.1, 0.5)}

    Raises:
        InputError: a text that is no list.
    """
    hints = typing.get_type_hints(cls)
    return {
        key: _as_tuple(value, hints[key], f"{group}.{key}")
        if typing.get_origin(hints.get(key)) is tuple
        else (tuple(value) if isinstance(value, list) else value)  # a field that may also be None, as a mean
        for key, value in values.items()
    }


def _as_tuple(value: Any, hint: Any, key: str) -> Any:
    if isinstance(value, str):
        text = value.strip()
        bare = text[1:-1] if text[:1] + text[-1:] in ("()", "[]") else text
        names = str in typing.get_args(hint)  # texts, whatever they look like
        value = parse_yaml(f"[{bare}]", f"The value of {short(key)}", as_texts=names)
    if isinstance(value, int | float):
        value = (value,)
    return tuple(value) if isinstance(value, list) else value


def written(value: Any) -> str:
    """A setting as it is written on the command line.

    >>> written((2, 8)), written(()), written(0.5)
    ('2,8', '()', '0.5')
    """
    return (",".join(map(str, value)) or "()") if isinstance(value, tuple | list) else str(value)


def check_types(cls: type, group: str) -> None:
    """Refuse a dataclass of settings whose values ``config.yaml`` could not give back.

    Raises:
        InputError: a field of another type than the message lists.
    """
    for name, hint in typing.get_type_hints(cls).items():
        if not _in_a_file(hint):
            kind = getattr(hint, "__name__", str(hint))
            raise InputError(
                f"{group}.{name} is of type {kind}, which config.yaml does not hold; a setting is a bool, int, float, "
                "str, Literal or None, a tuple or dict of these, or one of several."
            )


def _in_a_file(hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Literal, typing.ClassVar):
        return True
    if origin in (tuple, dict, typing.Union, types.UnionType):
        return all(argument is ... or _in_a_file(argument) for argument in arguments)
    return hint in (bool, int, float, str, types.NoneType)


def check_fields(cls: type, values: Mapping[str, Any], group: str) -> None:
    """Refuse ``values`` that a dataclass does not have, or has of another type.

    Raises:
        InputError: an unknown key, a wrong type, a number that is not finite or larger than any setting.
    """
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise suggest(key, known, f"{group} setting")
    hints = typing.get_type_hints(cls)
    for key, value in values.items():
        if typing.get_origin(hints[key]) is typing.Literal and value not in (choices := typing.get_args(hints[key])):
            raise suggest(value, list(map(str, choices)), f"value of {group}.{key}")
        if wanted := _misfit(value, hints[key]):
            raise InputError(f"{group}.{key} must be {wanted}, got {short(value)}.")


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """Seeds as plain numbers, from one number or any collection of them: a tuple, a range, an array of NumPy.

    Raises:
        InputError: none, other values than whole numbers from 0 on, a number twice, or one that is too large.

    >>> seeds_of(41), seeds_of(range(41, 44)), seeds_of(np.arange(2))
    ((41,), (41, 42, 43), (0, 1))
    """
    values = seeds.tolist() if hasattr(seeds, "tolist") else seeds  # NumPy, torch, pandas
    values = [values] if isinstance(values, Integral) else values
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"Seeds must be whole numbers, such as 41 or (41, 42), got {short(seeds)}.")
    values = list(values)
    if not all(isinstance(seed, Integral) and not isinstance(seed, bool | np.bool_) for seed in values):
        raise InputError(f"Seeds must be whole numbers, got {short(seeds)}.")
    plain = tuple(map(int, values))
    if not plain or len(set(plain)) != len(plain):
        raise InputError(f"Seeds must be different numbers from 0 on, at least one; got {short(plain)}.")
    if min(plain) < 0 or max(plain) >= LARGEST_NUMBER:
        raise InputError(f"Seeds must be numbers from 0 on, below {LARGEST_NUMBER}; got {short(plain)}.")
    return plain


def _misfit(value: Any, hint: Any) -> str | None:
    """What would fit ``hint`` in place of ``value``; None if it does."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    fits = True
    if hint is int:
        if type(value) is int and abs(value) > LARGEST_NUMBER:
            return f"a whole number of at most {LARGEST_NUMBER}"
        fits = type(value) is int
    elif hint is float:
        if type(value) in (int, float) and not _finite(value):
            return "a finite number"
        fits = type(value) in (int, float)
    elif hint is str:
        if isinstance(value, str) and not is_text(value):
            return "a shorter text without null characters, in UTF-8"
        fits = isinstance(value, str)
    elif hint in (bool, types.NoneType):
        fits = isinstance(value, hint)
    elif origin is typing.Literal:
        fits = value in arguments
    elif origin in (typing.Union, types.UnionType):
        fits = any(_misfit(value, choice) is None for choice in arguments)
    elif origin is tuple:
        items = arguments[:1] * len(value) if isinstance(value, list | tuple) and ... in arguments else arguments
        fits = isinstance(value, list | tuple) and len(value) == len(items)
        if not fits or any(_misfit(item, part) for item, part in zip(value, items, strict=True)):
            return _list_text(arguments)
    elif origin is dict:
        fits = isinstance(value, Mapping) and all(
            _misfit(key, arguments[0]) is None and _misfit(item, arguments[1]) is None for key, item in value.items()
        )
    name = hint.__name__ if isinstance(hint, type) and not origin else str(hint).replace("typing.", "")
    return None if fits else f"of type {name}"


def _list_text(arguments: tuple[Any, ...]) -> str:
    """What a tuple of these types holds, with an example as the command line takes it."""
    kind = arguments[0]
    choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
    words = {int: ("whole numbers", "2,8"), float: ("numbers", "0.2,0.8")}
    what, example = words.get(kind, ("names", written(choices[:2]) if choices else "a,b"))
    count = "a list of" if ... in arguments else len(arguments)
    return f"{count} {what}, such as {example}"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floats
        return False
