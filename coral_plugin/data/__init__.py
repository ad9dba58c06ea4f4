"""Modalities, batches, splits and tasks."""

from coral_plugin.data.adapter import DatasetAdapter
from coral_plugin.data.arrays import as_split, from_arrays, split_off
from coral_plugin.data.batch import MultimodalBatch
from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.dataset import MultimodalData, fingerprint
from coral_plugin.data.loaders import from_loaders
from coral_plugin.data.modality import KINDS, Kind, Modality
from coral_plugin.data.split import Split
from coral_plugin.data.split_arrays import SPLITS
from coral_plugin.data.task import Task

__all__ = [
    "KINDS",
    "SPLITS",
    "DatasetAdapter",
    "Kind",
    "Modality",
    "ModalityColumn",
    "MultimodalBatch",
    "MultimodalData",
    "Split",
    "Task",
    "as_split",
    "fingerprint",
    "from_arrays",
    "from_loaders",
    "split_off",
]
