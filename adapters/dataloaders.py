"""Data loaders of MultiBench, or of your own, from Python: :func:`from_loaders`."""

from __future__ import annotations

from dataclasses import dataclass, field

from coral_plugin.data import KINDS, Kind, MultimodalData
from coral_plugin.data.loaders import from_loaders, read_loaders
from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

__all__ = ["DataloadersSettings", "from_loaders", "load", "read_loaders"]


@dataclass(frozen=True, kw_only=True)
class DataloadersSettings:
    """How a script's loaders are read under ``coral run``; in Python these are arguments of :func:`from_loaders`.

    Attributes:
        kinds: ``{modality: sequence, timeseries, tabular or image}`` where the shapes do not tell.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.kinds.values():
            if kind not in KINDS:
                raise suggest(str(kind), list(KINDS), "kind of modality")


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
