"""The data of a training as a LightningDataModule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from coral_plugin.data import MultimodalBatch, MultimodalData
from coral_plugin.data.dataset import describe_modalities
from coral_plugin.data.modality import Kind
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError
from coral_plugin.runs.fit import as_data
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import dotted, make_settings
from coral_plugin.training.loader import BatchLoader


class MultimodalDataModule(LightningDataModule):
    """Data for an :class:`~coral_plugin.lightning.ObjectiveModule`, which decides on batch size, order and labels.

    The samples lie in memory and are batched there: no workers are needed. With several processes each gets its share
    of every batch, so Lightning needs no distributed sampler.

    Args:
        dataset: Registered name of a data set, or what :func:`coral_plugin.fit` takes: ``{modality: (N, ...)}``, the
            keys of the ``.npz`` layout (``train/<modality>``, ``valid/labels``, ...), or ``MultimodalData``.
        data: Path of the files of a data set that is named.
        modalities: Modalities of a named data set that are used, in this order; None takes all.
        labels: ``(N,)`` labels for the first form of arrays.
        kinds: ``{modality: kind}`` of arrays where the number of dimensions does not tell.
        task: ``classification``, ``multilabel`` or ``regression`` where the labels do not tell.
        source: Settings of a data set that is named, as ``source__<key>``.

    Attributes:
        data: Data set, loaded.
        dataset: Registered name of the data set; ``arrays`` for arrays.

    Raises:
        InputError: data or settings that do not fit.
    """

    def __init__(
        self,
        dataset: str | Mapping[str, Any] | MultimodalData,
        *,
        data: str | Path | None = None,
        modalities: tuple[str, ...] | None = None,
        labels: Any = None,
        kinds: Mapping[str, Kind] | None = None,
        task: TaskKind | None = None,
        **source: Any,
    ) -> None:
        super().__init__()
        if wrong := [key for key in source if not dotted(key).startswith("source.")]:
            raise InputError(
                f"MultimodalDataModule has no argument {wrong[0]!r}; those of a data set are source__<key>."
            )
        if not isinstance(dataset, str):
            if data is not None or modalities is not None or source:
                raise InputError("data, modalities and source__<key> are for a data set that is named, not for arrays.")
            self.dataset = "arrays"
            self.data: MultimodalData = as_data(dataset, labels=labels, kinds=kinds, task=task)
            return
        if labels is not None or kinds is not None or task is not None:
            raise InputError(f"labels, kinds and task are for arrays; {dataset} has its own.")
        self.dataset = dataset
        path = None if data is None else str(data)
        # of these settings the data set alone is read
        self.data = load_data(make_settings("coral", dataset, data=path, modalities=modalities, **source))

    def setup(self, stage: str) -> None:
        """Report how each modality was read, as every training does."""
        if stage == "fit":
            for line in (*describe_modalities(self.data), *self.data.notes):
                rank_zero_info(f"{self.data.name}: {line}")

    def train_dataloader(self) -> EpochBatches:
        """The batches of this process.

        Raises:
            InputError: the module in training is no ``ObjectiveModule``.
        """
        module: Any = None if self.trainer is None else self.trainer.lightning_module
        if self.trainer is None or not hasattr(module, "batch_loader"):
            raise InputError("MultimodalDataModule makes batches for an ObjectiveModule, inside Trainer.fit.")
        return EpochBatches(module.batch_loader(self.data), self.trainer)

    def transfer_batch_to_device(
        self, batch: MultimodalBatch, device: torch.device, dataloader_idx: int
    ) -> MultimodalBatch:
        """The batch with its padding, presence and targets on ``device``."""
        del dataloader_idx
        return batch.to(device)


class EpochBatches:
    """The batches of one epoch from the present step of a training on: a batch is a function of seed and step.

    Args:
        loader: Batches of this process by step.
        trainer: Trainer, which counts the steps.
    """

    def __init__(self, loader: BatchLoader, trainer: Trainer) -> None:
        self.loader, self.trainer = loader, trainer

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[MultimodalBatch]:
        first = self.trainer.global_step
        for step in range(first, first + len(self)):
            yield self.loader.batch(step)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the step of the trainer says where to go on. Lightning takes loaders with this as resumable."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to do (:meth:`state_dict`)."""
