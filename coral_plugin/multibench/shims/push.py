"""fannypack, from which gentle push uses four names: its file of trajectories, slices of dictionaries, two layers.

The library itself is not asked for: it brings a dozen others, and reads nothing under NumPy 2 without another shim.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from coral_plugin.errors import InputError, PluginError, one_line
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims import push_layers
from coral_plugin.multibench.shims.base import Shim, absent

_GROUP = "trajectory"


class TrajectoriesFile:
    """The trajectories of an HDF5 file: groups ``trajectory0``, ``trajectory1``, ..., each with arrays by name.

    Args:
        path: Path of the file.

    Raises:
        InputError: no such file, or another format.
        PluginError: h5py is not installed.
    """

    def __init__(self, path: str, **_: Any) -> None:
        if absent("h5py"):
            raise PluginError("gentle push is read from HDF5: pip install 'coral-multibench[multibench]'.")
        import h5py

        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            reason = one_line(error)
            raise InputError(f"{path} cannot be read as HDF5: {reason}.") from error
        self._count = sum(name.startswith(_GROUP) for name in self._file)

    def __enter__(self) -> TrajectoriesFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(self._count))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``{name: array (T, ...)}`` of one trajectory; texts come back as texts."""
        arrays = {name: np.array(values) for name, values in self._file[f"{_GROUP}{index}"].items()}
        return {k: bytes(v).decode() if v.dtype.kind == "S" else v for k, v in arrays.items()}


class SliceWrapper:
    """An array or list, or a dictionary of them, which is indexed as one.

    Args:
        data: Array, list, tuple, or a dictionary of those with one length.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def map(self, function: Callable[[Any], Any]) -> Any:
        """``function`` of the array, or of each value of the dictionary."""
        if isinstance(self.data, dict):
            return {name: function(value) for name, value in self.data.items()}
        return function(self.data)

    def __getitem__(self, index: Any) -> Any:
        """The items at ``index``, in a dictionary where there was one."""
        return self.map(lambda value: value[index])

    def __len__(self) -> int:
        return len(next(iter(self.data.values()), ())) if isinstance(self.data, dict) else len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def _fetch(name: str, url: str) -> NoReturn:
    raise InputError(
        f"The script reads {name}, which is not fetched for you. Get it from {url} and give its folder with --data."
    )


def _package(module: ModuleType) -> None:
    for name in ("data", "nn", "utils"):
        setattr(module, name, importlib.import_module(f"fannypack.{name}"))


def _data(module: ModuleType) -> None:
    vars(module).update(
        TrajectoriesFile=TrajectoriesFile, cached_drive_file=_fetch, set_cache_path=lambda path: Path(path)
    )


def _nn(module: ModuleType) -> None:
    module.resblocks = importlib.import_module("fannypack.nn.resblocks")  # type: ignore[attr-defined]


def _apply(scope: Scope) -> None:
    scope.stand_in("fannypack", _package)
    scope.stand_in("fannypack.data", _data)
    scope.stand_in("fannypack.nn", _nn)
    scope.stand_in(
        "fannypack.nn.resblocks",
        lambda module: vars(module).update(Linear=push_layers.Linear, Conv2d=push_layers.Conv2d),
    )
    scope.stand_in("fannypack.utils", lambda module: vars(module).update(SliceWrapper=SliceWrapper))


PUSH = Shim(
    name="fannypack",
    purpose="its trajectory files, slices and residual blocks, as far as gentle push uses them",
    needed=lambda: "fannypack is not installed" if absent("fannypack") else "",
    apply=_apply,
)
