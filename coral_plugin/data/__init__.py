"""Modalities, batches, splits and tasks."""

from coral_plugin.data.adapter import DatasetAdapter
from coral_plugin.data.arrays import from_arrays
from coral_plugin.data.batch import MultimodalBatch
from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.dataset import MultimodalData
from coral_plugin.data.datasets import from_datasets
from coral_plugin.data.loaders import from_loaders
from coral_plugin.data.modality import Modality
from coral_plugin.data.parts import split_off
from coral_plugin.data.split import Split
from coral_plugin.data.split_arrays import SPLITS
from coral_plugin.data.task import Task

__all__ = [
    "SPLITS",
    "DatasetAdapter",
    "Modality",
    "ModalityColumn",
    "MultimodalBatch",
    "MultimodalData",
    "Split",
    "Task",
    "from_arrays",
    "from_datasets",
    "from_loaders",
    "split_off",
]
