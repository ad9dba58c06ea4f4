"""Loaders in which the number of rows is written out, for files that have another one."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from coral_plugin.multibench.redirect.request import Loader


def with_rows(function: Loader, rows: Mapping[int, int]) -> Loader:
    """``function`` with other whole numbers in its code; everything else of it is the same.

    MultiBench's loaders of AV-MNIST and MM-IMDb hold the sizes of the published files as constants. Their code runs
    as it is, with the sizes of the user's file in those places.

    Args:
        function: A function written in Python.
        rows: Number in the code to number in its place.

    >>> def last(values):
    ...     return values[60000:] or [values[i] for i in range(60000)]
    >>> with_rows(last, {60000: 2})("abc"), with_rows(last, {60000: 3})("abc")
    ('c', ['a', 'b', 'c'])
    """
    if not isinstance(function, FunctionType):
        return function
    changed = FunctionType(
        _code(function.__code__, rows),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    changed.__kwdefaults__ = function.__kwdefaults__
    return changed


def _code(code: CodeType, rows: Mapping[int, int]) -> CodeType:
    return code.replace(co_consts=tuple(_constant(value, rows) for value in code.co_consts))


def _constant(value: Any, rows: Mapping[int, int]) -> Any:
    if type(value) is int:
        return rows.get(value, value)
    if isinstance(value, slice):  # a constant from Python 3.14 on
        return slice(*(_constant(part, rows) for part in (value.start, value.stop, value.step)))
    if isinstance(value, tuple):
        return tuple(_constant(part, rows) for part in value)
    return _code(value, rows) if isinstance(value, CodeType) else value
