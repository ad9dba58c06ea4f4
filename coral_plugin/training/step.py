"""One step: two views of a batch, the loss of the objective, and the learning rate that belongs to it."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.augmentations.pipeline import Augmenter
from coral_plugin.data import MultimodalBatch
from coral_plugin.errors import DefectError
from coral_plugin.objectives import Objective, Step
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.training.randomness import fold, generator
from coral_plugin.training.settings import TrainingSettings


class TrainingStep(nn.Module):
    """The loss of an objective on two views of a batch.

    Every random number of a step comes from streams of (seed, step, process), so no generator has to be kept for an
    exact resumption.

    Args:
        objective: Objective to train.
        augmenter: Augmentation that makes a view of a batch.
        seed: Seed of the run.
        steps: Number of steps of the whole training.
        rank: Number of this process.
        double: Whether values are converted to float64.

    Attributes:
        names: Names of the terms that ``forward`` returned last.
    """

    def __init__(
        self, objective: Objective, augmenter: Augmenter, seed: int, steps: int, rank: int = 0, *, double: bool = False
    ) -> None:
        super().__init__()
        self.objective = objective
        self.augmenter = augmenter
        self.seed, self.steps, self.rank, self.double_values = seed, steps, rank, double
        self.names: list[str] = []

    def prepare(self, batch: MultimodalBatch, number: int) -> Step:
        """The step of this ``number`` in the training: two views of ``batch``, with labels only where they are needed.

        Made outside the half precision of the networks.
        """
        if not self.objective.needs_labels:
            batch = replace(batch, targets={})
        if self.double_values:
            batch = replace(batch, tensors={name: value.double() for name, value in batch.items()})
        stream = generator(self.seed, "step", number, batch.device, self.rank)
        first, second = self.augmenter(batch, stream), self.augmenter(batch, stream)
        raw = None
        if self.objective.needs_raw:
            # a stream of its own: views and masks of a step are the same whatever becomes of its un-augmented branch
            plain = generator(self.seed, "plain", number, batch.device, self.rank)
            raw = self.augmenter.unaugmented(batch, plain)
        # dropout draws from the global generator; everything else from the step's own
        torch.manual_seed(fold(self.seed, "dropout", number, self.rank))
        return Step(first, second, number / self.steps, stream, raw)

    def forward(self, step: Step) -> tuple[Tensor, Tensor]:
        """The total loss, and all terms ``(K,)`` in float32 without gradient."""
        terms = self.objective.loss(step)
        if "total" not in terms:
            of = type(self.objective)
            raise DefectError(f"loss of {of.__module__}.{of.__qualname__} has no 'total' among {', '.join(terms)}.")
        self.names = list(terms)
        return terms["total"], torch.stack([term.detach().float() for term in terms.values()])


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Learning rate of ``step``, which depends on nothing else.

    >>> cosine = TrainingSettings(learning_rate=1.0, schedule="cosine", warmup=0.2)
    >>> [round(learning_rate(cosine, step, 10), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    warmup = max(1, round(settings.warmup * steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class _AdamW(torch.optim.AdamW):
    """torch's AdamW without what its methods do for ``torch.compile``, which we never ask for of an optimiser.

    They import torch's compiler for it, which takes as long as torch itself.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def make_optimiser(objective: Objective, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW of the trained parameters of ``objective``."""
    groups = parameter_groups(objective, settings.weight_decay)
    # one kernel for all parameters: five times as fast as one per parameter where there are many small ones
    return _AdamW(groups, lr=settings.learning_rate, fused=True)


def set_learning_rate(optimiser: Any, rate: float) -> None:
    """Set the learning rate of every group of parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate
