"""The cause of a loss or gradient that is not finite."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from coral_plugin.data import MultimodalBatch
from coral_plugin.distributed import world_size
from coral_plugin.errors import DivergedError
from coral_plugin.networks import module_key
from coral_plugin.objectives import Objective, Step
from coral_plugin.training.step import TrainingStep

_SHOWN = 8


def are_finite(values: Tensor, norm: Tensor) -> Tensor:
    """``(2,)`` of bool: whether all terms are finite, and whether the gradient is too; one wait for the device.

    Args:
        values: ``(K,)`` terms of the loss.
        norm: Norm of the gradient.
    """
    loss = torch.isfinite(values).all()
    return torch.stack([loss, loss & torch.isfinite(norm)])


def diverged(training: TrainingStep, batch: MultimodalBatch, step: Step, values: Tensor, place: str) -> DivergedError:
    """The error for a step whose loss or gradient is not finite, with its surest cause in any process.

    Args:
        training: Module that computed the loss.
        batch: Batch of the step.
        step: Views of the batch.
        values: ``(K,)`` terms of the loss.
        place: Place of the step in the training, in words.
    """
    what, terms = nonfinite_terms(training.names, values)
    cause_here = find_cause(training.objective, batch, step)
    causes = [cause_here] * world_size()
    if world_size() > 1:
        dist.all_gather_object(causes, cause_here)
    _, cause = min(causes, key=lambda ranked: ranked[0])
    return DivergedError(
        f"The {what} is not finite at {place} ({terms}{cause}). Lower training.learning_rate, set "
        f"training.gradient_clip, or leave such steps out with training.on_nonfinite=skip."
    )


def nonfinite_terms(names: list[str], values: Tensor) -> tuple[str, str]:
    """Whether the loss or the gradient is not finite, given the terms ``values`` (K,), and which terms.

    >>> nonfinite_terms(["shared", "total"], torch.tensor([1.0, float("nan")]))
    ('loss', 'terms: total; ')
    """
    bad = [name for name, fine in zip(names, torch.isfinite(values).tolist(), strict=True) if not fine]
    return ("loss", f"terms: {', '.join(bad)}; ") if bad else ("gradient", "")


def find_cause(objective: Objective, batch: MultimodalBatch, step: Step) -> tuple[int, str]:
    """Rank of the cause (less is surer), and its words: modality, place, sample indices.

    Looks at weights, then at the values of each modality, its views, and its embedding alone; gradients last. Changes
    running statistics, so the training must end here.
    """
    broken = [name for name, p in objective.named_parameters() if not torch.isfinite(p).all()]
    for place, values in (("input", batch), ("view", step.first), ("view", step.second)):
        for name in values:
            if (rows := _rows(values[name], values.present.get(name))) is not None:
                return 0, f"modality {name}: its {place}, samples {_samples(batch, rows)}"
    if broken:
        return 1, f"weights: {_few(broken)}; samples {_samples(batch, None)}"
    with torch.no_grad():
        for view in (step.first, step.second):
            for name in view:
                for part in objective.embed(view.select([name])).values():
                    if (rows := _rows(part, view.present.get(name))) is not None:
                        return 2, f"modality {name}: its embedding, samples {_samples(batch, rows)}"
    gradients = [n for n, p in objective.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if not gradients:
        return 4, f"samples {_samples(batch, None)}"
    touched = [name for name in batch if any(module_key(name) in parameter.split(".") for parameter in gradients)]
    modality = f"modality {', '.join(touched)}; " if touched else ""
    return 3, f"{modality}gradients: {_few(gradients)}; samples {_samples(batch, None)}"


def _rows(values: Tensor, present: Tensor | None) -> Tensor | None:
    """Mask ``(B,)`` of the present rows of ``values`` that are not finite; None where all are finite."""
    bad = ~torch.isfinite(values.flatten(1)).all(dim=1)
    if present is not None:
        bad = bad & present
    return bad if bad.any() else None


def _samples(batch: MultimodalBatch, rows: Tensor | None) -> str:
    index = batch.index
    if index is None:
        index = torch.arange(batch.size)
    indices = (index if rows is None else index[rows]).tolist()
    return f"{indices[:_SHOWN]}{'...' if len(indices) > _SHOWN else ''}"


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
