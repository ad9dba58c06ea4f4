"""MIMIC-III from MultiBench's ``im.pk``: five static features and a day of twelve series."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.columns import held_values
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.data.modality import Kind
from coral_plugin.data.statistics import with_offset_from_array, with_statistics
from coral_plugin.data.values import as_array
from coral_plugin.errors import InputError
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind

MORTALITY = -1
_DAYS = ("later", "1 day", "2 days", "3 days", "1 week", "1 year")
_KEYS = {"static": "adm_features_all", "series": "ep_tdata"}
_SHUFFLE_SEED = 10  # MultiBench's


@dataclass(frozen=True, kw_only=True)
class MimicSettings:
    """How ``im.pk`` is read.

    Attributes:
        tasks: Numbers of the probed tasks: 0 to 19 are groups of ICD-9 codes (7, the papers' task: 460-519,
            respiratory diseases), -1 is mortality in six classes.
        statistics: Samples whose mean and standard deviation scale the features: ``train``, or ``all``, test included,
            as in the papers.
        trust_pickle: Whether the pickle is loaded with Python's own unpickler, which runs any code that it holds.
    """

    tasks: tuple[int, ...] = (7,)
    statistics: Literal["train", "all"] = "train"
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) != len(self.tasks) or not all(-1 <= t <= 19 for t in self.tasks):
            raise InputError(f"tasks must be different numbers from -1 (mortality) to 19, got {list(self.tasks)}.")


class Mimic(DatasetAdapter):
    """MIMIC-III from MultiBench's ``im.pk``: five static features and a day of twelve series."""

    name = "mimic"
    source = "MIMIC-III as MultiBench's authors send it to credentialed users: https://physionet.org/content/mimiciii"
    licence = "PhysioNet Credentialed Health Data License"
    Settings = MimicSettings
    # every state of one GRU layer is a token; the series loses steps, the static features only get noise
    recipe: ClassVar[Mapping[str, Any]] = {
        "network.width": 512,
        "network.encoders": {"static": "mlp(hidden=10, output=10)", "series": "gru"},
        "augmentations": {"static": "noise", "series": "drop+noise"},
    }
    expects = "MultiBench's MIMIC pickle (im.pk: ep_tdata, adm_features_all, adm_labels_all, y_icd9)"

    @classmethod
    def read(cls, path: str, settings: MimicSettings) -> MultimodalData:
        """Static features (5,) and series (24, 12), split as MultiBench splits them: 80 / 10 / 10 % at random, seed 10.

        Values that are not finite become 0. All others stay as they are in the file; the networks scale them.

        Raises:
            InputError: a file that is not ``im.pk``, or a task that has one class in a split.
        """
        require_kind(path, "pickle", cls.expects)
        arrays = mimic_arrays(read_pickle(path, trust=settings.trust_pickle), path)
        notes: list[str] = []
        values = {name: without_infinities(arrays[key], name, notes) for name, key in _KEYS.items()}
        index = split_mimic(len(arrays["y_icd9"]))
        if min(map(len, index.values())) < 1:
            raise InputError(f"{path} has {len(arrays['y_icd9'])} samples; at least 10 are needed to split them.")
        kinds: dict[str, Kind] = {"static": "tabular", "series": "timeseries"}
        modalities = [
            with_offset_from_array(Modality(name=name, kind=kinds[name], shape=array.shape[1:]), array[index["train"]])
            for name, array in values.items()
        ]
        whole = {
            m.name: ModalityColumn(held_values(values[m.name], m, None, f"{path}: {_KEYS[m.name]}")) for m in modalities
        }
        known = [mimic_task(number, arrays, path) for number in settings.tasks]
        splits = {
            label: Split(
                {name: column.subset(torch.from_numpy(rows)) for name, column in whole.items()},
                {task.name: torch.from_numpy(labels[rows]) for task, labels in known},
            )
            for label, rows in index.items()
        }
        for task, _ in known:
            if len(splits["train"].targets[task.name].unique()) < 2:
                raise InputError(f"{path}: every training sample has one class of {task.name}; choose another task.")
        chosen = splits["train"].columns if settings.statistics == "train" else whole
        if settings.statistics == "all":
            notes.append("features are scaled with statistics of all samples, test included, as in the papers")
        modalities = [with_statistics(modality, chosen[modality.name]) for modality in modalities]
        return cls.assemble(modalities, (task for task, _ in known), splits, notes, fit_statistics=False)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """The pickle of MIMIC."""
        content = candidate.content if candidate.kind == "pickle" else None
        if not isinstance(content, Mapping) or not set(_KEYS.values()) <= set(map(str, content)):
            return None
        arrays = mimic_arrays(content, str(candidate.path))
        labels = {
            f"{task.name} {label}": values[rows]
            for task, values in (mimic_task(number, arrays, str(candidate.path)) for number in (7, MORTALITY))
            for label, rows in split_mimic(len(values)).items()
        }
        return Inspection("MultiBench's MIMIC pickle (im.pk)", (cls.name,), arrays, labels)


def split_mimic(count: int) -> dict[str, np.ndarray]:
    """Rows of each split: shuffled by Python's generator, the first tenth valid, the second test, the rest train."""
    order = list(range(count))
    random.Random(_SHUFFLE_SEED).shuffle(order)  # noqa: S311
    cut = {"train": order[count // 5 :], "valid": order[: count // 10], "test": order[count // 10 : count // 5]}
    return {label: np.asarray(cut[label], dtype=np.int64) for label in SPLITS}


def mimic_task(number: int, arrays: Mapping[str, np.ndarray], place: str) -> tuple[Task, np.ndarray]:
    """The task of a number, and the labels (N,) of all samples.

    Mortality is the first of the columns 1 to 5 of ``adm_labels_all`` that is set, or 0 where none is.

    Raises:
        InputError: the file has no such column, or an ICD-9 label is neither 0 nor 1.
    """
    if number == MORTALITY:
        flags = arrays["adm_labels_all"]
        if flags.ndim != 2 or flags.shape[1] < 6:
            raise InputError(f"{place}: adm_labels_all has shape {flags.shape}; mortality needs columns 0 to 5.")
        if unknown := int((~np.isfinite(flags[:, 1:6].astype(np.float64))).any(axis=1).sum()):
            raise InputError(f"{place}: adm_labels_all lacks the mortality of {unknown} samples (NaN); leave them out.")
        died = flags[:, 1:6] > 0
        labels = np.where(died.any(axis=1), died.argmax(axis=1) + 1, 0)
        return Task(name="mortality", kind="classification", classes=_DAYS), labels.astype(np.int64)
    groups = arrays["y_icd9"]
    if groups.ndim != 2 or groups.shape[1] <= number:
        raise InputError(f"{place}: y_icd9 has shape {groups.shape}; there is no group {number}.")
    if not np.isin(groups[:, number], (0, 1)).all():
        raise InputError(f"{place}: group {number} of y_icd9 holds labels other than 0 and 1.")
    return Task(name=f"icd9_{number}", kind="classification", classes=("no", "yes")), groups[:, number].astype(np.int64)


def mimic_arrays(content: Any, place: str) -> dict[str, np.ndarray]:
    """The arrays of ``im.pk``, one row per sample.

    Raises:
        InputError: the pickle holds something else.
    """
    keys = (*_KEYS.values(), "adm_labels_all", "y_icd9")
    if not isinstance(content, Mapping) or any(key not in content for key in keys):
        held = ", ".join(map(str, list(content)[:10])) if isinstance(content, Mapping) else type(content).__name__
        raise InputError(f"{place} holds {held or 'nothing'}. Expected {Mimic.expects}.")
    arrays = {key: as_array(content[key], key, place) for key in keys}
    if len({len(array) for array in arrays.values()}) > 1:
        counts = ", ".join(f"{key} {len(array)}" for key, array in arrays.items())
        raise InputError(f"{place}: unequal numbers of samples: {counts}.")
    for key, dimensions in (("ep_tdata", 3), ("adm_features_all", 2)):
        if arrays[key].ndim != dimensions:
            raise InputError(f"{place}: {key} has shape {arrays[key].shape}, expected {dimensions} dimensions.")
    return arrays


def without_infinities(array: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """``array`` with 0 for values that are not finite, which ``notes`` then count."""
    if not (count := int((~np.isfinite(array)).sum())):
        return array
    notes.append(f"{count} values of {name} are not finite and become 0")
    return np.where(np.isfinite(array), array, 0)
