"""Checks of values from files, flags and callers: settings by type and size, and the result of a seed."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import unicodedata
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from coral_plugin.errors import InputError, short
from coral_plugin.evaluation.features import ALL
from coral_plugin.io.yamlfile import parse_yaml
from coral_plugin.registry import suggest

LARGEST_NUMBER = 2**32  # of any whole number among the settings: epochs, samples, units
_MOST_TEXT = 10_000
_KEYS = {"scores": dict, "disentanglement": dict, "train": dict, "history": list}
_TRAIN = ("seconds", "samples_per_second", "peak_memory_bytes", "parameters")


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


def misfit(result: Any) -> str | None:
    """What is wrong with the content of ``result.json``; None if nothing is."""
    if not isinstance(result, dict):
        return "it is no object"
    for key, kind in _KEYS.items():
        if not isinstance(result.get(key), kind):
            return f"it lacks {key!r}"
    if bad := [key for key in _TRAIN if not _number(result["train"].get(key))]:
        return f"train.{bad[0]} is no number, but {short(result['train'].get(bad[0]))}"
    for number, row in enumerate(result["history"]):
        if not isinstance(row, dict) or not all(_number(value) for value in row.values()):
            return f"history[{number}] is no record of numbers"
        if row.keys() != result["history"][0].keys():
            return f"history[{number}] has other entries than history[0]"
    if wrong := scores_misfit(result["scores"]):
        return wrong
    matched = result.get("matched_width", {"width": 0, "scores": {}})
    if (
        not isinstance(matched, dict)
        or not _number(matched.get("width"))
        or not isinstance(matched.get("scores"), dict)
        or not all(map(_is_score, matched["scores"].values()))
    ):
        return "matched_width lacks its width or a score"
    return None


def scores_misfit(scores: Any) -> str | None:
    """What is wrong with ``{part: {task: score}}`` from a file; None if nothing is."""
    if not isinstance(scores, dict):
        return "its scores are no object"
    for part, of_part in scores.items():
        if not isinstance(of_part, dict) or not all(map(_is_score, of_part.values())):
            return f"the scores of part {short(part)} lack a score"
    return None


def incomplete(result: Mapping[str, Any], tasks: Iterable[str]) -> str | None:
    """Which scores a checked result lacks of those that the data ask for; None if it has them all."""
    for task in tasks:
        if ALL not in result["scores"] or any(task not in scores for scores in result["scores"].values()):
            return f"the parts lack a score of task {short(task)}"
        if "matched_width" in result and task not in result["matched_width"]["scores"]:
            return f"matched_width lacks a score of task {short(task)}"
    return None


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


def _is_score(score: Any) -> bool:
    return (
        isinstance(score, dict)
        and isinstance(score.get("metric"), str)
        and _number(score.get("value"))
        and isinstance(score.get("also"), dict)
        and all(_number(value) for value in score["also"].values())
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
