"""What MultiBench does to the process that runs it: loader workers, windows, and a line of warnings per batch."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
from torch.utils.data import DataLoader

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

_WORKERS = 8  # workers that a loader of MultiBench asks for


def _workers_needed() -> str:
    if (method := multiprocessing.get_start_method(allow_none=True) or _default_start()) != "fork":
        return f"worker processes are started by {method}, without these shims"
    cores = os.cpu_count() or 1
    return (
        f"loaders ask for up to {_WORKERS} worker processes, this machine has {cores} cores" if cores < _WORKERS else ""
    )


def _default_start() -> str:
    return multiprocessing.get_all_start_methods()[0]  # the first is the platform's default


def _apply_workers(scope: Scope) -> None:
    original = DataLoader.__init__

    def init(self: DataLoader[Any], *args: Any, **options: Any) -> None:
        # MultiBench gives everything but the data set by name
        for name in ("num_workers", "prefetch_factor", "persistent_workers"):
            options.pop(name, None)
        original(self, *args, **options)

    scope.patch(DataLoader, "__init__", init)


WORKERS = Shim(
    name="loader-workers",
    purpose="DataLoaders load in the process itself (num_workers=0)",
    needed=_workers_needed,
    apply=_apply_workers,
)


def _backend() -> object:
    # plain access would choose a backend, which may open a display
    return dict.__getitem__(matplotlib.rcParams, "backend")


def _plots_needed() -> str:
    return "" if str(_backend()).lower() == "agg" else "MultiBench's test() draws; a window would open, or fail to"


@contextlib.contextmanager
def _agg() -> Iterator[None]:
    before, loaded = _backend(), "matplotlib.pyplot" in sys.modules
    matplotlib.use("agg")
    try:
        yield
    finally:
        if loaded and isinstance(before, str):
            matplotlib.use(before)
        else:
            dict.__setitem__(matplotlib.rcParams, "backend", before)


def _apply_plots(scope: Scope) -> None:
    scope.enter(_agg())


PLOTS = Shim(
    name="plots-to-files",
    purpose="matplotlib draws into files (Agg) and opens no window",
    needed=_plots_needed,
    apply=_apply_plots,
)


# each is given by MultiBench's own source: nn.Softmax() without a dimension, xavier_normal, invalid escapes, ...
_KNOWN = (
    ("Implicit dimension choice for softmax", UserWarning),
    ("nn.init.xavier_normal is now deprecated", FutureWarning),
    ("`nn.init.xavier_normal` is now deprecated", FutureWarning),
    ("'pin_memory' argument is set as true but no accelerator", UserWarning),
    ("Converting a tensor with requires_grad=True to a scalar", UserWarning),
    ("invalid escape sequence", SyntaxWarning),
    ("invalid escape sequence", DeprecationWarning),
    ("torch.nn.utils.weight_norm is deprecated", FutureWarning),
)


def _apply_quiet(scope: Scope) -> None:
    scope.enter(warnings.catch_warnings())
    for start, category in _KNOWN:
        warnings.filterwarnings("ignore", message=_escaped(start), category=category)


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in ".()=`'" else sign for sign in text)


WARNINGS = Shim(
    name="known-warnings",
    purpose="no line per batch about nn.Softmax() without a dimension and its like",
    needed=lambda: "MultiBench's code gives them on every current PyTorch",
    apply=_apply_quiet,
)
