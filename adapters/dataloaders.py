"""Data loaders of MultiBench, or of your own, from Python: :func:`from_loaders`."""

from __future__ import annotations

from dataclasses import dataclass

from coral_plugin.data import MultimodalData
from coral_plugin.data.loaders import from_loaders, read_loaders
from coral_plugin.errors import InputError

__all__ = ["DataloadersSettings", "from_loaders", "load", "read_loaders"]


@dataclass(frozen=True, kw_only=True)
class DataloadersSettings:
    """Nothing: everything is an argument of :func:`from_loaders`."""


def load(path: str | None = None, settings: DataloadersSettings | None = None) -> MultimodalData:  # noqa: ARG001
    """Say how loaders are given, which a command line cannot.

    Raises:
        InputError: always.
    """
    raise InputError(
        "Data set 'dataloaders' is for Python: fit(from_loaders(train, valid, test)), with from_loaders from "
        "coral_plugin.data. A MultiBench script is run as it is with 'coral run SCRIPT'."
    )


load.settings = DataloadersSettings  # type: ignore[attr-defined]
