"""Data loaders of MultiBench, or of your own, from Python: :func:`from_loaders`."""

from __future__ import annotations

from dataclasses import dataclass, field

from coral_plugin.data import DatasetAdapter, MultimodalData
from coral_plugin.data.loaders import from_loaders, read_loaders
from coral_plugin.data.modality import Kind
from coral_plugin.errors import InputError

__all__ = ["Dataloaders", "DataloadersSettings", "from_loaders", "read_loaders"]


@dataclass(frozen=True, kw_only=True)
class DataloadersSettings:
    """How a script's loaders are read under ``coral run``; in Python these are arguments of :func:`from_loaders`.

    Attributes:
        kinds: ``{modality: sequence, timeseries, tabular or image}`` where the shapes are ambiguous.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)


class Dataloaders(DatasetAdapter):
    """Data loaders of MultiBench, or of your own, from Python: :func:`from_loaders`."""

    name = "dataloaders"
    source = "loaders of yours"
    licence = "terms of your own data"
    Settings = DataloadersSettings

    @classmethod
    def load(cls, path: str | None = None, settings: DataloadersSettings | None = None) -> MultimodalData:
        """The error of :meth:`read`, whatever the path."""
        return cls.read(path or "", settings or DataloadersSettings())

    @classmethod
    def read(cls, path: str, settings: DataloadersSettings) -> MultimodalData:  # noqa: ARG003
        """Explain how loaders are passed, which a command line cannot do.

        Raises:
            InputError: always.
        """
        raise InputError(
            "Data set 'dataloaders' is for Python: fit(from_loaders(train, valid, test)), with from_loaders from "
            "coral_plugin.data. A MultiBench script is run as it is with 'coral run SCRIPT'."
        )
