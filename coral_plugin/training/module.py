"""An objective under Lightning: views, loss, optimiser, and the means of an epoch."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import DivergedError
from coral_plugin.objectives import Objective, parameter_groups
from coral_plugin.training.randomness import fold, generator
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.views import Views


class ObjectiveModule(pl.LightningModule):
    """Trains an objective on two views of every batch.

    Every random number of a step comes from streams of (seed, step), so nothing but weights, optimiser and position
    has to be kept for an exact resumption.

    Args:
        objective: What is trained.
        views: What makes a view of a batch.
        settings: Learning rate, decay, schedule.
        seed: Of the run.
        steps: Optimiser steps of the whole training.
    """

    def __init__(self, objective: Objective, views: Views, settings: TrainingSettings, seed: int, steps: int) -> None:
        super().__init__()
        self.objective = objective
        self.views = views
        self.settings = settings
        self.seed = seed
        self.steps = steps
        self._sums: Tensor | None = None
        self._names: list[str] = []
        self._seen = 0
        self._started = time.perf_counter()

    def training_step(self, batch: MultimodalBatch, _: int) -> Tensor:
        """Loss of one batch of B samples."""
        step = self.global_step
        # dropout draws from the global generator; everything else from the step's own
        torch.manual_seed(fold(self.seed, "dropout", step))
        stream = generator(self.seed, "step", step, batch.device)
        first, second = self.views(batch, stream), self.views(batch, stream)
        raw = {"raw": batch} if self.objective.needs_raw else {}
        terms = self.objective.loss(first, second, step / self.steps, stream, **raw)
        values = torch.stack([term.detach().float() for term in terms.values()])
        if not torch.isfinite(values).all():
            self._refuse(terms, batch)
        self._names = list(terms)
        self._sums = values * batch.size if self._sums is None else self._sums + values * batch.size
        self._seen += batch.size
        return terms["total"]

    def on_train_epoch_start(self) -> None:
        """Start the sums of an epoch."""
        self._sums, self._seen, self._started = None, 0, time.perf_counter()

    def epoch_record(self) -> dict[str, float]:
        """Mean of each term over the epoch that ends, the schedules, learning rate and samples per second."""
        seconds = time.perf_counter() - self._started
        means = [] if self._sums is None else (self._sums / self._seen).tolist()
        progress = (self.global_step - 1) / self.steps
        return {
            "epoch": self.current_epoch,
            "step": self.global_step,
            **{f"loss/{name}": mean for name, mean in zip(self._names, means, strict=True)},
            **self.objective.schedule(progress),
            "learning_rate": self.optimizers().param_groups[0]["lr"],  # type: ignore[union-attr]
            "samples_per_second": self._seen / seconds,
            "seconds": seconds,
        }

    def configure_optimizers(self) -> Any:
        """AdamW with and without decay (METHODS 1.7), and the schedule of the learning rate."""
        optimiser = torch.optim.AdamW(
            parameter_groups(self.objective, self.settings.weight_decay), lr=self.settings.learning_rate
        )
        if self.settings.schedule == "constant":
            return optimiser
        warmup = max(1, round(self.settings.warmup * self.steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _refuse(self, terms: dict[str, Tensor], batch: MultimodalBatch) -> None:
        bad = [name for name, term in terms.items() if not torch.isfinite(term)]
        samples = [] if batch.index is None else batch.index[:8].tolist()
        raise DivergedError(
            f"The loss is not finite at step {self.global_step} of epoch {self.current_epoch} "
            f"(terms: {', '.join(bad)}; samples {samples}...). "
            f"Lower training.learning_rate or set training.gradient_clip."
        )
