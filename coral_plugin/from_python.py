"""Records of what is given from Python and no file can hold: encoders, augmentations."""

from __future__ import annotations

import functools
from typing import Any

FROM_PYTHON = "python:"


def python_name(thing: Any) -> str:
    """``python:module.Name``, which stands in a record for a class, function or object that no file can hold.

    >>> python_name(print), python_name(functools.partial(print, end=""))
    ('python:builtins.print', 'python:builtins.print')
    """
    source: Any = thing.func if isinstance(thing, functools.partial) else thing
    source = source if hasattr(source, "__qualname__") else type(source)
    return f"{FROM_PYTHON}{source.__module__}.{source.__qualname__}"
