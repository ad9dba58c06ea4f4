"""Train one objective with one seed."""

from __future__ import annotations

import logging
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from coral_plugin.data import Split
from coral_plugin.errors import InputError
from coral_plugin.objectives import Objective
from coral_plugin.training.callbacks import EpochLog, Progress, TimedCheckpoint
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.module import ObjectiveModule
from coral_plugin.training.randomness import fold
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.views import Views

CHECKPOINT = "last.ckpt"
LOG = "metrics.csv"


@dataclass(frozen=True)
class Trained:
    """One trained seed.

    Attributes:
        objective: The trained module, on the training device.
        history: One record an epoch (loss terms, schedules, learning rate, samples per second).
        seconds: Wall time of the epochs.
        samples_per_second: Over all epochs.
        peak_memory_bytes: Greatest memory of the process (CPU) or of the device's allocator (GPU).
    """

    objective: Objective
    history: list[dict[str, float]]
    seconds: float
    samples_per_second: float
    peak_memory_bytes: int


def pick_device(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` to a device.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, but torch sees no GPU; take --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def train(
    build: Callable[[], Objective],
    split: Split,
    views: Views,
    settings: TrainingSettings,
    seed: int,
    *,
    folder: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    label: str = "",
) -> Trained:
    """Train the objective that ``build`` makes on the samples of ``split``.

    The global random state of torch is used inside and restored afterwards.

    Args:
        build: Makes the objective; called once, under the seed.
        split: Samples; its labels are not looked at.
        views: What makes a view of a batch.
        settings: Of the training.
        seed: Decides on initialisation, order, views, masks and dropout.
        folder: For ``metrics.csv``, the checkpoint and TensorBoard's log (where it is installed); None writes nothing.
        resume: Go on from the folder's checkpoint if there is one.
        quiet: No progress on standard error.
        label: Said in front of every line, where several trainings share standard error; lines then, no bar.

    Raises:
        DivergedError: the loss is not finite.
        InputError: settings or data that do not fit.
    """
    device = pick_device(settings.device)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), _quiet_lightning():
        torch.manual_seed(fold(seed, "weights"))
        objective = build().to(device)
        loader = BatchLoader(split.to(device), settings.batch_size, seed)
        module = ObjectiveModule(objective, views, settings, seed, settings.epochs * len(loader))
        progress = Progress(f"{label} seed {seed}".strip(), settings.epochs, quiet=quiet, bar=not label)
        log = EpochLog(folder / LOG if folder else None, progress)
        callbacks: list[pl.Callback] = [log]
        checkpoint = folder / CHECKPOINT if folder else None
        if checkpoint is not None:
            callbacks.append(TimedCheckpoint(checkpoint, settings.checkpoint_seconds))
        trainer = pl.Trainer(
            max_epochs=settings.epochs,
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision=settings.precision,
            gradient_clip_val=settings.gradient_clip or None,
            callbacks=callbacks,
            logger=_logger(folder),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        start = str(checkpoint) if resume and checkpoint is not None and checkpoint.exists() else None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        try:
            trainer.fit(module, train_dataloaders=loader, ckpt_path=start, weights_only=True if start else None)
        except SystemExit as error:  # Lightning's silent end: status 0 for SIGTERM, 1 for Ctrl-C
            raise KeyboardInterrupt from error
        finally:
            progress.close()
        if trainer.interrupted:
            raise KeyboardInterrupt
    objective = module.objective.to(device)
    seconds = sum(row["seconds"] for row in log.rows)
    samples = sum(row["seconds"] * row["samples_per_second"] for row in log.rows)
    return Trained(objective, log.rows, seconds, samples / seconds, _peak_memory(device))


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # kilobytes on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _logger(folder: Path | None) -> Any:
    if folder is None or find_spec("tensorboard") is None:
        return False
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="tensorboard", version="")


class _quiet_lightning:  # noqa: N801
    """Lightning's advice is for people who write a Trainer; those who run this package get errors only."""

    def __enter__(self) -> None:
        self._logger = logging.getLogger("pytorch_lightning")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        for message in (".*does not have many workers.*", ".*LeafSpec.*", ".*number of training batches.*"):
            warnings.filterwarnings("ignore", message)

    def __exit__(self, *details: Any) -> None:
        self._warnings.__exit__(*details)
        self._logger.setLevel(self._level)
