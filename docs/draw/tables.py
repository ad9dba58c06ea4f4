"""Tables in Markdown, and what docstrings say of settings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table whose last ``numbers`` columns are flush right."""
    marks = [":---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


def plain(text: str) -> str:
    """Docstring text as Markdown in a cell of a table."""
    return _ROLE.sub(r"`\1`", " ".join(text.split())).replace("``", "`").replace("|", "\\|")


def entries(described: Any) -> dict[str, str]:
    """``{name: text}`` of the entries under ``Args:`` or ``Attributes:`` in a docstring."""
    matches = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.getdoc(described) or "", re.MULTILINE)
    return {name: plain(text) for name, text in matches}


def code(value: Any) -> str:
    """A value of a setting as it is written on the command line."""
    if isinstance(value, dict):
        return "`" + ", ".join(f"{key}={entry}" for key, entry in value.items()) + "`"
    if isinstance(value, tuple | list):
        return f"`{','.join(map(code_number, value)) or '()'}`"
    return f"`{code_number(value)}`"


def code_number(value: Any) -> str:
    """Floats without a tail: 0.0001 is 1e-4."""
    if isinstance(value, float):
        short = f"{value:.4g}"
        if value and abs(value) < 1e-2:
            mantissa, _, power = f"{value:.3e}".partition("e")
            short = f"{float(mantissa):g}e{int(power)}"
        return short
    return "none" if value is None else str(value) or '""'


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Default of a field of a dataclass."""
    return field.default_factory() if callable(field.default_factory) else field.default
