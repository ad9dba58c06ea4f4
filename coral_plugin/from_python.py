"""Records of what is given from Python and no file can hold: encoders, augmentations."""

from __future__ import annotations

import functools
from typing import Any

# in front of the name of what a run got from Python, in the place of a registered name
FROM_PYTHON = "python:"


def python_name(value: Any) -> str:
    """``python:module.Name``, which stands in a record for a class, function or object that no file can hold.

    >>> python_name(print), python_name(functools.partial(print, end=""))
    ('python:builtins.print', 'python:builtins.print')
    """
    source: Any = value.func if isinstance(value, functools.partial) else value
    source = source if hasattr(source, "__qualname__") else type(source)
    return f"{FROM_PYTHON}{source.__module__}.{source.__qualname__}"
