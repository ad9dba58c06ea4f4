"""Further training of encoders and head together, from a head on the frozen representation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coral_plugin.data import Split
from coral_plugin.evaluation.features import EMBED_BATCH, evaluating
from coral_plugin.multibench.model import RepresentationModel
from coral_plugin.multibench.task import ScriptTask
from coral_plugin.training.randomness import fold, generator, own_random_state

ENCODER_SHARE = 0.1
_PATIENCE = 7


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """How encoders and head are trained together: the script's settings of its ``train``.

    Attributes:
        optimiser: Class or function of parameters, ``lr`` and ``weight_decay``.
        learning_rate: Learning rate of the head; the encoders and the rest of the network get a tenth of it.
        weight_decay: Weight decay of all parameters.
        epochs: Number of epochs at most.
        batch_size: Samples per step.
        clip: Greatest norm of the gradient.
        early_stop: Whether it ends after more than seven epochs without a better score on valid, as in MultiBench.
        seed: Seed of the order and of dropout.
    """

    optimiser: Callable[..., Any]
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int
    clip: float
    early_stop: bool
    seed: int


def tune(
    model: RepresentationModel,
    splits: Mapping[str, Split],
    truths: Mapping[str, Tensor],
    task: ScriptTask,
    settings: TuneSettings,
    score: float,
    say: Callable[[str], None],
) -> tuple[float, int]:
    """Train ``model`` further; it keeps the weights that were best on valid, including the initial ones.

    Args:
        model: Model with a fitted head, on the training device.
        splits: Splits ``train`` and ``valid``, on the same device.
        truths: Labels of both, as the loaders give them.
        task: Task of the script.
        settings: Settings of this training.
        score: Score on valid before it.
        say: Function that gets a line after each epoch.

    Returns:
        The best score of valid, and the epochs it took; 0 where none was better.
    """
    groups = [
        {
            "params": [p for p in model.objective.parameters() if p.requires_grad],
            "lr": ENCODER_SHARE * settings.learning_rate,
        },
        {"params": list(model.head.parameters()), "lr": settings.learning_rate},
    ]
    optimiser = settings.optimiser(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    best, best_epoch, state = score, 0, copy.deepcopy(model.state_dict())
    with own_random_state(gpus=True):
        for epoch in range(1, settings.epochs + 1):
            torch.manual_seed(fold(settings.seed, "tune-dropout", epoch))
            _epoch(model, splits["train"], truths["train"], task, settings, optimiser, epoch)
            new = score_of(model, splits["valid"], truths["valid"], task)
            say(f"fine-tuning, epoch {epoch}/{settings.epochs}: {task.metric} on valid {abs(new):.4f}")
            if math.isfinite(new) and new > best:
                best, best_epoch, state = new, epoch, copy.deepcopy(model.state_dict())
            if settings.early_stop and epoch - best_epoch > _PATIENCE:
                break
    model.load_state_dict(state)
    return best, best_epoch


def score_of(model: RepresentationModel, split: Split, truth: Tensor, task: ScriptTask) -> float:
    """The task's metric on all samples of a split, in evaluation mode; greater is better."""
    with evaluating(model):
        output = torch.cat([model.predict(batch) for batch in split.batches(EMBED_BATCH)])
    return task.score(output, truth)


def _epoch(
    model: RepresentationModel,
    split: Split,
    truth: Tensor,
    task: ScriptTask,
    settings: TuneSettings,
    optimiser: Any,
    epoch: int,
) -> None:
    model.train()
    order = torch.randperm(len(split), generator=generator(settings.seed, "tune-order", epoch))
    for rows in order.split(settings.batch_size):
        if len(rows) < 2:
            continue  # a batch normalisation has no statistics of one sample
        optimiser.zero_grad()
        loss = task.loss_of(model.predict(split.batch(rows.to(split.device))), truth[rows])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
