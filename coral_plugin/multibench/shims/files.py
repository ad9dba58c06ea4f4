"""Files of scripts: relative paths of a script that expects the checkout, and pickles, read without running code."""

from __future__ import annotations

import builtins
import io
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim


def _apply_paths(scope: Scope) -> None:
    root = scope.checkout.root
    opened, saved = builtins.open, torch.save

    def open_(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        return opened(_place(file, root, mode), mode, *args, **options)

    def save(obj: Any, f: Any, *args: Any, **options: Any) -> Any:
        return saved(obj, _place(f, root, "w"), *args, **options)

    scope.patch(builtins, "open", open_)
    scope.patch(io, "open", open_)  # pathlib's
    scope.patch(torch, "save", save)


def _place(file: Any, root: Path, mode: str) -> Any:
    """``file``, or the checkout's of that name where it is read and is not in the current directory.

    Names without a folder are left alone: an old ``best.pt`` in the checkout is not what this run has trained. A
    folder that exists in the checkout is made in the current directory before it is written to.
    """
    if not isinstance(file, str | os.PathLike):
        return file
    path = Path(os.fsdecode(file))
    if path.is_absolute() or len(path.parts) < 2 or ".." in path.parts:
        return file
    if set(mode) & set("wax+"):
        if (root / path.parent).is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        return file
    return str(root / path) if not path.exists() and (root / path).is_file() else file


PATHS = Shim(
    name="relative-paths",
    purpose="relative paths are read from the checkout, and written to the run's folder",
    needed=lambda: "scripts expect to be started in the checkout, and write where they are started",
    apply=_apply_paths,
)


_READERS = ("datasets.affect.get_data", "datasets.mimic.get_data")


def _load(file: Any, *_: Any, **__: Any) -> Any:
    path = os.fspath(file.name)
    require_kind(path, "pickle", "a pickle as MultiBench reads it (mosi_raw.pkl, im.pk, ...)")
    return read_pickle(path)


def _apply_pickles(scope: Scope) -> None:
    def hook(module: ModuleType) -> None:
        scope.patch(module, "pickle", SimpleNamespace(load=_load))

    for name in _READERS:
        scope.after_import(name, hook)


PICKLES = Shim(
    name="safe-pickles",
    purpose="pickles of affect and MIMIC give arrays and containers, and are refused where they want to run code",
    needed=lambda: "pickle.load runs whatever a data file says (--trust-pickle leaves it so)",
    apply=_apply_pickles,
)
