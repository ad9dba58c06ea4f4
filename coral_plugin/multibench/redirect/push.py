"""Gentle push: a folder of HDF5 files in place of a download from Google Drive."""

from __future__ import annotations

import functools
import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from coral_plugin.errors import InputError
from coral_plugin.multibench.redirect.limit import limited
from coral_plugin.multibench.redirect.request import DataRequest

PUSH_FOLDER = "a folder of gentle_push_1000.hdf5, gentle_push_10.hdf5 and gentle_push_300.hdf5"


def hook(request: DataRequest, module: ModuleType) -> None:
    """Let ``PushTask`` read the user's files, and give no more samples than the limit."""
    data = importlib.import_module("fannypack.data")
    fetch = data.cached_drive_file

    def cached_drive_file(name: str, url: str) -> str:
        if request.data is None:
            return str(fetch(name, url))
        folder = Path(request.folder("data", name, PUSH_FOLDER))
        # as it is called, or as fannypack's cache calls it: its number on Google Drive in front
        for path in (folder / name, *sorted(folder.glob(f"*-{name}"))):
            if os.path.isfile(path):  # noqa: PTH113 - False for what no path can be
                return str(path)
        raise InputError(f"{folder} holds no {name}, which {request.script.name} reads: {PUSH_FOLDER}.")

    request.scope.patch(data, "cached_drive_file", cached_drive_file)
    original = module.PushTask.get_dataloader.__func__

    @functools.wraps(original)
    def get_dataloader(cls: type, *args: Any, **options: Any) -> Any:
        return limited(original(cls, *args, **options), request.limit)

    request.scope.patch(module.PushTask, "get_dataloader", classmethod(get_dataloader))
