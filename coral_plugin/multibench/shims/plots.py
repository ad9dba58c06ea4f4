"""Pictures are files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import matplotlib

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim


def _chosen() -> object:
    # plain access would choose a backend, which may open a display
    return dict.__getitem__(matplotlib.rcParams, "backend")


def _needed() -> str:
    return "" if str(_chosen()).lower() == "agg" else "MultiBench's test() draws; a window would open, or fail to"


@contextlib.contextmanager
def _agg() -> Iterator[None]:
    before, loaded = _chosen(), "matplotlib.pyplot" in sys.modules
    matplotlib.use("agg")
    try:
        yield
    finally:
        if loaded and isinstance(before, str):
            matplotlib.use(before)
        else:
            dict.__setitem__(matplotlib.rcParams, "backend", before)


def _apply(scope: Scope) -> None:
    scope.enter(_agg())


PLOTS = Shim(
    name="plots-to-files",
    purpose="matplotlib draws into files (Agg) and opens no window",
    needed=_needed,
    apply=_apply,
)
