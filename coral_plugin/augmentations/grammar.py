"""Reads a specification of augmentations, such as ``drop(fraction=0.2)@0.8+noise``."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from typing import Any

from coral_plugin.augmentations.base import ABOVE_ZERO, UNBOUNDED, Augmentation, Range, applicable, value_in_bounds
from coral_plugin.data import Modality
from coral_plugin.errors import InputError, short
from coral_plugin.registry import AUGMENTATIONS, suggest

_ELEMENT = re.compile(r"(?P<name>\w+)\s*(?:\((?P<settings>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*(?:@\s*(?P<at>\S+))?")
_LONGEST = 2_000  # characters of a specification


@dataclass(frozen=True)
class Element:
    """One part of a specification: the name of an augmentation, its settings, and its probability where given."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    probability: float | None = None

    def find(self, modality: Modality) -> Augmentation:
        """The augmentation for ``modality``.

        Raises:
            InputError: there is none of this name, or it does not apply.
        """
        entry: Augmentation = AUGMENTATIONS.get(self.name)
        if not entry.applies_to(modality):
            raise InputError(
                f"Augmentation {self.name!r} does not apply to modality {modality.name!r} ({modality.kind}, "
                f"{' x '.join(map(str, modality.shape))}); these do: {', '.join(applicable(modality))}."
            )
        return entry

    def arguments(self, entry: Augmentation) -> dict[str, Any]:
        """The settings as ``entry`` takes them.

        Raises:
            InputError: an unknown setting, or a value out of its bounds.
        """
        if unknown := [key for key in self.settings if key not in entry.settings]:
            raise suggest(unknown[0], list(entry.settings), f"setting of augmentation {self.name}")
        result = {}
        for key, value in self.settings.items():
            default, bounds = entry.settings[key], entry.bounds.get(key, UNBOUNDED)
            result[key] = value_in_bounds(value, default, bounds)
            if result[key] is None:
                shape = "two numbers, the lesser first" if isinstance(default, tuple) else "one number"
                wanted = f"{shape}{bound_text(bounds)}"
                raise InputError(f"Setting {key} of augmentation {self.name!r} needs {wanted}, got {short(value)}.")
        return result

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        return self.name + (f"({settings})" if settings else "")


def bound_text(bounds: Range) -> str:
    """Bounds in words that follow a noun.

    >>> bound_text((0.0, 1.0)), bound_text((0.0, math.inf))
    (', from 0 to 1', ', not negative')
    """
    low, high = bounds
    if bounds == UNBOUNDED:
        return ""
    if math.isfinite(low) and math.isfinite(high) and low != ABOVE_ZERO:
        return f", from {low:g} to {high:g}"
    least = {0.0: "not negative", ABOVE_ZERO: "above 0", -math.inf: ""}.get(low, f"at least {low:g}")
    most = f"at most {high:g}" if math.isfinite(high) else ""
    return ", " + ", ".join(filter(None, (least, most)))


def parse(text: str) -> tuple[list[Element], bool]:
    """The elements of a specification in order, and whether one of them is chosen (``|``) instead of all composed.

    >>> elements, choice = parse("drop(fraction=0.2)@0.8 + noise")
    >>> [(e.name, e.settings, e.probability) for e in elements], choice
    ([('drop', {'fraction': 0.2}, 0.8), ('noise', {}, None)], False)

    Raises:
        InputError: the text does not follow the form, or mixes ``+`` with ``|``.
    """
    if len(text) > _LONGEST:
        raise InputError(f"The augmentation {short(text)} has {len(text)} characters; {_LONGEST} are the most.")
    parts, signs = _split(text)
    if len(signs) > 1:
        raise InputError(f"Augmentation {text!r} mixes '+' (all in turn) with '|' (one of them); use one of the two.")
    elements = [_element(part.strip(), text) for part in parts]
    choice = signs == {"|"}
    if choice and any(element.probability is not None for element in elements):
        raise InputError(f"Augmentation {text!r} chooses one element each time; leave out the probabilities (@).")
    return elements, choice


def _split(text: str) -> tuple[list[str], set[str]]:
    """The parts between the ``+`` and ``|`` that stand outside of parentheses, and which of the two occur."""
    parts, signs, depth = [""], set(), 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign in "+|" and depth == 0:
            signs.add(sign)
            parts.append("")
        else:
            parts[-1] += sign
    return parts, signs


def _element(part: str, text: str) -> Element:
    match = _ELEMENT.fullmatch(part)
    if not match:
        raise InputError(
            f"Cannot read {part!r} in augmentation {text!r}; write names joined by '+' or '|', each with settings and "
            "probability if need be, as in 'drop(fraction=0.2)@0.8+noise'."
        )
    probability = None
    if match["at"] is not None:
        try:
            probability = float(match["at"])
        except ValueError:
            probability = math.nan
        if not 0 <= probability <= 1:
            raise InputError(f"The probability of {match['name']!r} must be from 0 to 1, got {match['at']!r}.")
    return Element(match["name"], _settings(match["settings"] or "", part), probability)


def _settings(text: str, part: str) -> dict[str, Any]:
    """``key=value, ...`` as a dict; values are Python literals and nothing else is evaluated."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(word.arg is None for word in call.keywords):
            raise ValueError  # noqa: TRY301
        return {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deeply for Python
        raise InputError(f"Settings in {part!r} must read key=value, with numbers as values.") from None
