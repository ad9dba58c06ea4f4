"""Whether values from files, flags and callers are of the type and size that a setting has."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any

from coral_plugin.errors import InputError, short
from coral_plugin.registry import suggest

MOST = 2**32  # of any whole number among the settings: epochs, samples, units
_MOST_TEXT = 10_000


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
        if typing.get_origin(hints[key]) is typing.Literal and value not in (ones := typing.get_args(hints[key])):
            raise suggest(value, [str(each) for each in ones], f"value of {group}.{key}")
        if wanted := _misfit(value, hints[key]):
            raise InputError(f"{group}.{key} must be {wanted}, got {short(value)}.")


def is_text(value: object) -> bool:
    """Whether ``value`` is a text that files and names can hold: no null character, no half of one."""
    if not isinstance(value, str) or "\0" in value or len(value) > _MOST_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_path(value: object) -> bool:
    """Whether ``value`` is a text without control characters, which would break the lines that name the path."""
    return is_text(value) and not any(unicodedata.category(sign) == "Cc" for sign in str(value))


def _misfit(value: Any, hint: Any) -> str | None:
    """What would fit ``hint`` in place of ``value``; None if it does."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    fits = True
    if hint is int:
        if type(value) is int and abs(value) > MOST:
            return f"a whole number of at most {MOST}"
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
        fits = any(_misfit(value, each) is None for each in arguments)
    elif origin is tuple:
        fits = isinstance(value, list | tuple) and all(_misfit(each, arguments[0]) is None for each in value)
    elif origin is dict:
        fits = isinstance(value, Mapping) and all(
            _misfit(key, arguments[0]) is None and _misfit(each, arguments[1]) is None for key, each in value.items()
        )
    name = hint.__name__ if isinstance(hint, type) and not origin else str(hint).replace("typing.", "")
    return None if fits else f"of type {name}"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floats
        return False
