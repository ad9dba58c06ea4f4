"""An objective as a LightningModule: our training step inside Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from pytorch_lightning import LightningModule
from torch import Tensor

from coral_plugin.data import MultimodalBatch, MultimodalData, Split
from coral_plugin.distributed import world_size
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.lightning.data import MultimodalDataModule
from coral_plugin.networks.batchnorm import synchronise
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Step
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.arguments import chosen_settings
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.recipe import make_augmenter
from coral_plugin.runs.settings import DEFAULT_SEEDS, dotted
from coral_plugin.training.finite import are_finite, diverged
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.randomness import fold, own_random_state
from coral_plugin.training.step import TrainingStep, learning_rate, make_optimiser, set_learning_rate

# settings of our engine that are the Trainer's here
TRAINER_ARGUMENTS = {
    "epochs": "max_epochs",
    "device": "accelerator",
    "devices": "devices and strategy",
    "precision": "precision",
    "timeout_seconds": "strategy=DDPStrategy(timeout=...)",
    "checkpoint_seconds": "callbacks=ModelCheckpoint(train_time_interval=...)",
    "keep_every": "callbacks=ModelCheckpoint(every_n_epochs=..., save_top_k=-1)",
    "deterministic": "deterministic",
    "compile": "no argument: call torch.compile",
}
# arguments of fit and of the data that have another place here
_ELSEWHERE = {
    "seeds": "a module has one seed; say seed=...",
    "modalities": "give them to MultimodalDataModule",
    "data": "give it to MultimodalDataModule",
    "epochs": "say Trainer(max_epochs=...)",
}
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


class ObjectiveModule(LightningModule):
    """A method that ``Trainer.fit`` trains to the weights of ``coral train``: same seed, batches, views and steps.

    Batch size, learning rate with its schedule, weight decay, clipping of the gradient and the reaction to a loss that
    is not finite are those of the preset or of ``training__<key>``; the Trainer has the rest (epochs, devices,
    precision, ...). Its ``gradient_clip_val`` wins where it is set.

    Args:
        data: Data module, whose modalities, tasks and recipe decide on the networks.
        objective: Registered name of the method.
        preset: Preset of the method; its first one by default.
        seed: Seed of initialisation, order, views, masks and dropout.
        encoders: ``{modality: registered name, nn.Module, or function of (modality, width)}``.
        augmentations: Augmentation of all modalities, or by modality; a function gets (values, lengths, generator).
        plain_augmentations: Augmentation of un-augmented branches.
        chosen: Any other setting as ``group__key``: ``method__mask_ratio=0.5``, ``training__batch_size=32``.

    Attributes:
        objective: The method as a module; trained after ``Trainer.fit``.
        settings: Run settings.
        augmenter: Function that makes the two views of a batch.

    Raises:
        InputError: settings that do not fit the data, or that are the Trainer's.
    """

    def __init__(
        self,
        data: MultimodalDataModule,
        objective: str = "coral",
        *,
        preset: str = "",
        seed: int = DEFAULT_SEEDS[0],
        encoders: Mapping[str, EncoderLike] | None = None,
        augmentations: str | Mapping[str, str | Callable[..., Any]] | None = None,
        plain_augmentations: str | Mapping[str, str] | None = None,
        **chosen: Any,
    ) -> None:
        super().__init__()
        for key in map(dotted, chosen):
            if instead := TRAINER_ARGUMENTS.get(key.removeprefix("training.")) if key.startswith("training.") else None:
                raise InputError(f"{key} is up to the Trainer of Lightning ({instead}); leave it out of the module.")
            if key.startswith("source."):
                raise InputError(f"{key} is a setting of the data; give it to MultimodalDataModule.")
            if instead := _ELSEWHERE.get(key):
                raise InputError(f"ObjectiveModule has no argument {key!r}: {instead}.")
        self.settings, modules, functions = chosen_settings(
            objective,
            data.dataset,
            preset=preset,
            seeds=seed,
            encoders=encoders,
            augmentations=augmentations,
            plain_augmentations=plain_augmentations,
            **chosen,
        )
        if not OBJECTIVES.get(objective).trains:
            raise InputError(f"{objective} has nothing to train; score it with coral train or coral_plugin.fit.")
        self.augmenter = make_augmenter(self.settings, data.data, functions)
        with own_random_state():
            torch.manual_seed(fold(self.seed, "weights"))
            self.objective = build_objective(self.settings, data.data.modalities, data.data.tasks, modules)
        self.skipped = 0
        self._under_way: tuple[TrainingStep, MultimodalBatch, Step, Tensor, dict[str, Tensor]]
        self.save_hyperparameters(self._arguments())

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.settings.seeds[0]

    def embed(self, split: Split) -> np.ndarray:
        """The representation ``(N, sum of d)`` of the samples of a split, the shared part first."""
        return concatenate(embed_split(self.objective, split))

    def _arguments(self) -> dict[str, Any]:
        """Arguments that make this module again, for checkpoints and loggers: every setting, defaults included."""
        values = self.settings.as_dict()
        groups = {
            f"{group}.{key}": value
            for group in ("method", "network", "training", "probe")
            for key, value in (values[group] or {}).items()
            if group != "training" or key not in TRAINER_ARGUMENTS
        }
        names = {key: values[key] for key in ("objective", "preset", "augmentations", "plain_augmentations")}
        return {**names, "seed": self.seed, **groups}

    def batch_loader(self, data: MultimodalData) -> BatchLoader:
        """The batches of this process by step, on its device."""
        split = data.train if self.objective.needs_labels else data.unlabelled
        return BatchLoader(
            split.to(self.trainer.strategy.root_device),
            self.settings.training.batch_size,
            self.seed,
            self.trainer.global_rank,
            self.trainer.world_size,
            len(data.unlabelled),
        )

    def setup(self, stage: str) -> None:
        """Refuse what the Trainer cannot have here, and let batch normalisation see the batch of all processes.

        Raises:
            InputError: another precision than those of ``coral train``.
        """
        if stage != "fit":
            return
        if self.trainer.precision not in PRECISIONS:
            raise InputError(f"Trainer(precision={self.trainer.precision!r}): take one of {', '.join(PRECISIONS)}.")
        if self.trainer.world_size > 1:
            synchronise(self.objective)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with the weight decay of the recipe; the learning rate is set before each step.

        Raises:
            InputError: the Trainer has no end, on which schedules depend.
        """
        if self._steps() == float("inf"):
            raise InputError("Schedules need the number of steps; give Trainer(max_epochs=...) or max_steps.")
        return make_optimiser(self.objective, self.settings.training)

    def _steps(self) -> float:
        """Steps of the whole training."""
        return self.trainer.estimated_stepping_batches

    def on_train_epoch_start(self) -> None:
        """Refuse accumulated gradients: the negatives of a sample are those of its batch.

        Raises:
            InputError: the Trainer accumulates them.
        """
        if self.trainer.accumulate_grad_batches != 1:
            raise InputError(
                "accumulate_grad_batches must be 1: a sample is contrasted with its batch, so a larger "
                "training__batch_size is something else than several batches."
            )

    def training_step(self, batch: MultimodalBatch, batch_idx: int) -> Tensor:
        """The total loss of a step, which the number of finished steps identifies."""
        del batch_idx
        number, steps = self.global_step, int(self._steps())
        training = TrainingStep(self.objective, self.augmenter, self.seed, steps, self.global_rank)
        for optimiser in self.trainer.optimizers:
            set_learning_rate(optimiser, learning_rate(self.settings.training, number, steps))
        keep = self.settings.training.on_nonfinite == "skip"
        buffers = {name: value.clone() for name, value in self.objective.named_buffers()} if keep else {}
        device = batch.device.type
        with torch.autocast(device, enabled=False):
            step = training.prepare(batch, number)
        # Lightning's own context casts the weights anew at each use, which sums their gradients in half precision
        enabled, kind = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        with torch.autocast(device, kind, enabled, cache_enabled=True):
            total, values = training(step)
        self._under_way = training, batch, step, values, buffers
        return total

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient and log the terms; a step that is not finite is skipped or ends the training.

        Raises:
            DivergedError: the loss or gradient is not finite.
        """
        training, batch, step, values, buffers = self._under_way
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None:
            scaler.unscale_(optimizer)
        limit = self.settings.training.gradient_clip if gradient_clip_val is None else gradient_clip_val
        by_value = gradient_clip_algorithm == "value"
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, float("inf") if by_value else limit or float("inf"))
        loss_is_finite, finite = _in_all_processes(are_finite(values, norm))
        if finite:
            if by_value and limit:
                torch.nn.utils.clip_grad_value_(parameters, limit)
            terms = {f"loss/{name}": value for name, value in zip(training.names, values, strict=True)}
            self.log_dict(terms, on_step=False, on_epoch=True, batch_size=batch.size, sync_dist=True)
        elif loss_is_finite and scaler is not None and scaler.get_scale() >= 1:
            self.skipped += 1  # the scaler skips the step and lowers the scale
        elif self.settings.training.on_nonfinite == "skip":
            self.skipped += 1
            optimizer.zero_grad(set_to_none=True)  # without gradients the step changes nothing
            for name, value in self.objective.named_buffers():
                value.copy_(buffers[name])
        else:
            place = f"step {self.global_step} of epoch {self.current_epoch}"
            raise diverged(training, batch, step, values, place)

    def on_train_epoch_end(self) -> None:
        """Log the last values of the method's schedules and of the learning rate, and the number of skipped steps."""
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_dict({**self.objective.used, "learning_rate": rate, "skipped": float(self.skipped)}, sync_dist=True)
        self.skipped = 0


def _in_all_processes(flags: Tensor) -> list[bool]:
    """``flags`` of bool that are True in every process."""
    if world_size() > 1:
        flags = flags.to(torch.int32)
        dist.all_reduce(flags, op=dist.ReduceOp.MIN)
    return [bool(flag) for flag in flags.tolist()]
