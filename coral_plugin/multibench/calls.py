"""The arguments of a call that a script makes of MultiBench's functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def bound(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> inspect.BoundArguments:
    """The arguments of a call by name, defaults included.

    Raises:
        TypeError: they do not fit the function, in Python's own words for a call of it.
    """
    try:
        call = inspect.signature(function).bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{function.__name__}() {error}") from error
    call.apply_defaults()
    return call
