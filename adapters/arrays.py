"""Your own arrays in one ``.npz`` file: any modalities, any number of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from coral_plugin.data import SPLITS, DatasetAdapter, Kind, MultimodalData, from_arrays
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError
from coral_plugin.io.npz import read_npz

_LAYOUT = "keys train/<modality>, train/labels, and the same under test/ and, if you have it, valid/"


@dataclass(frozen=True, kw_only=True)
class ArraysSettings:
    """How an ``.npz`` is read.

    Attributes:
        standardise: Whether every feature (images: channel) is scaled with mean and standard deviation of train.
        valid_share: Share of train that becomes valid where the file has no valid split.
        seed: Seed of that split.
        kinds: ``{modality: sequence, timeseries, tabular or image}`` where the dimensions are ambiguous.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels are ambiguous (docs/data.md).
    """

    standardise: bool = True
    valid_share: float = 0.15
    seed: int = 0
    kinds: dict[str, Kind] = field(default_factory=dict)
    task: TaskKind | None = None

    def __post_init__(self) -> None:
        if not 0 < self.valid_share < 1:
            raise InputError(f"valid_share must lie between 0 and 1, got {self.valid_share}.")
        check_seed(self.seed)


class NpzArrays(DatasetAdapter):
    """Your own arrays in one ``.npz`` file: any modalities, any number of them."""

    name = "arrays"
    source = "a file of yours"
    licence = "terms of your own data"
    Settings = ArraysSettings
    expects = f"an .npz file ({_LAYOUT})"

    @classmethod
    def read(cls, path: str, settings: ArraysSettings) -> MultimodalData:
        """The arrays of the file; :func:`coral_plugin.data.from_arrays` describes its layout.

        The stem of the file becomes the name of the data set.

        Raises:
            InputError: a file that cannot be read, or arrays that do not fit the layout.
        """
        return from_arrays(
            read_npz(path),
            name=Path(path).stem,
            standardise=settings.standardise,
            kinds=settings.kinds,
            task=settings.task,
            valid_share=settings.valid_share,
            seed=settings.seed,
        )

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """An ``.npz`` in this layout."""
        if candidate.kind != "npz" or not any(key.startswith("train/") for key in candidate.content):
            return None
        arrays = {key: value for key, value in candidate.content.items() if key.partition("/")[0] in SPLITS}
        labels = {key.removesuffix("/labels"): value for key, value in arrays.items() if key.endswith("/labels")}
        return Inspection(f"arrays ({_LAYOUT})", (cls.name,), arrays, labels)
