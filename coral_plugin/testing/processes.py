"""The check that several processes compute together what one computes on the whole batch."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from coral_plugin.data import MultimodalBatch
from coral_plugin.distributed import rank, world_size
from coral_plugin.errors import CoralError
from coral_plugin.networks.batchnorm import synchronise
from coral_plugin.objectives import Objective
from coral_plugin.testing.expect import ContractError, expect, expect_same, relative_difference
from coral_plugin.testing.samples import make_samples, rows_of, view
from coral_plugin.testing.subject import Subject, terms, values_of
from coral_plugin.training.processes import train_in_processes
from coral_plugin.training.settings import TrainingSettings

WORLD = 2
# relative, by what the loss is computed in
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-5}
_SIZE = 9  # no multiple of two: the shares differ by one
_TOGETHER = TrainingSettings(device="cpu", devices=WORLD, timeout_seconds=60)


@dataclass(frozen=True)
class StepOutcome:
    """Terms, gradient and statistics of one step.

    Attributes:
        terms: Terms of the loss.
        gradient: Gradient by parameter, zero where there is none.
        buffers: Running statistics.
    """

    terms: Mapping[str, Tensor]
    gradient: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]

    @property
    def tolerance(self) -> float:
        """Largest difference from the step of one process that passes."""
        return max(TOLERANCE.get(term.dtype, 0.0) for term in self.terms.values())

    def difference(self, wanted: StepOutcome) -> dict[str, float]:
        """Greatest relative difference of the terms, the gradient (to its greatest entry) and the statistics."""
        largest = max((float(g.abs().max()) for g in wanted.gradient.values() if g.numel()), default=0.0)
        return {
            "loss": max(
                (relative_difference(self.terms[name], term) for name, term in wanted.terms.items()), default=0.0
            ),
            "gradient": max(
                (relative_difference(self.gradient[n], g, largest) for n, g in wanted.gradient.items()), default=0.0
            ),
            "buffers": max(
                (relative_difference(self.buffers[name], value) for name, value in wanted.buffers.items()), default=0.0
            ),
        }


# an objective whose loss draws nothing, and its two views and the samples themselves
Case = tuple[Objective, tuple[MultimodalBatch, MultimodalBatch, MultimodalBatch]]


def processes(subject: Subject) -> None:
    """Loss, gradient and running statistics of two processes, half of the batch each, are those of one process.

    Batch normalisation is synchronised, as a training does it. Once with samples that lack modalities here and there,
    once with a process none of whose samples has the second modality, and once with no sample at all that has it.
    """
    for off, tolerance in compare_processes(cases(subject)):
        differences = ", ".join(f"{name} {value:.1e}" for name, value in off.items())
        expect(
            max(off.values()) <= tolerance,
            f"the loss, gradient and running statistics of one process within {tolerance:.0e} (over_batch gathers the "
            "rows of all processes)",
            f"relative differences: {differences}",
        )


def cases(subject: Subject) -> list[Case]:
    """Objectives and batches of the check, for each tuple of modalities that the objective takes.

    Raises:
        AssertionError: its loss draws random numbers, which differ between processes, under ``deterministic`` settings.
    """
    checked: list[Case] = []
    for modalities in subject.claimed:
        objective = subject.build(modalities, deterministic=True)
        whole = make_samples(modalities, _SIZE, missing=True)
        by_seed = [values_of(terms(copy.deepcopy(objective), whole, seed=seed)) for seed in (0, 1)]
        expect_same(by_seed[1], by_seed[0], "terms that draw nothing under the settings of `deterministic`")
        batches = [whole]
        if len(modalities) > 1 and modalities == subject.claimed[0]:
            nowhere = torch.zeros(_SIZE, dtype=torch.bool)
            one_process = torch.arange(_SIZE) % WORLD == 0
            batches += [replace(whole, present={modalities[1].name: mask}) for mask in (one_process, nowhere)]
        checked += [(copy.deepcopy(objective), (view(batch, 1), view(batch, 2), batch)) for batch in batches]
    return checked


def compare_processes(every: Sequence[Case]) -> list[tuple[dict[str, float], float]]:
    """Greatest differences between the processes and one (:meth:`StepOutcome.difference`), and the tolerance, by case.

    Raises:
        AssertionError: a process failed, or an objective cannot be sent to one.
    """
    alone = [one_step(copy.deepcopy(objective), views) for objective, views in every]
    with tempfile.TemporaryDirectory(prefix="coral-check-") as name:
        folder = Path(name)
        try:
            train_in_processes(partial(_member, folder, list(every)), _TOGETHER)
        except CoralError as error:
            reason = str(error).partition(" The others were ended")[0]
            together = f"{WORLD} processes that train together"
            if "Can't get attribute" in reason:
                together += ", whose class lies in a file that they can import (no notebook, no script)"
            raise ContractError(f"expected {together}; found: {reason}") from error
        outcomes = [torch.load(folder / f"{number}.pt", weights_only=True) for number in range(WORLD)]
    out = []
    for place, wanted in enumerate(alone):
        differences = [StepOutcome(**steps[place]).difference(wanted) for steps in outcomes]
        out.append(({key: max(one[key] for one in differences) for key in differences[0]}, wanted.tolerance))
    return out


def one_step(objective: Objective, views: tuple[MultimodalBatch, MultimodalBatch, MultimodalBatch]) -> StepOutcome:
    """Loss and gradient in training mode; of several processes, the mean of their gradients, as DDP takes it."""
    first, second, batch = views
    losses = terms(objective.train(), batch, views=(first, second))
    losses["total"].backward()
    parameters = dict(objective.named_parameters())
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters.values()])
    if world_size() > 1:
        dist.all_reduce(flat)
        flat /= world_size()
    pieces = flat.split([p.numel() for p in parameters.values()])
    gradient = {name: piece.view_as(p) for (name, p), piece in zip(parameters.items(), pieces, strict=True)}
    buffers = {name: buffer.clone() for name, buffer in objective.named_buffers() if buffer.is_floating_point()}
    return StepOutcome(values_of(losses), gradient, buffers)


def _member(folder: Path, every: Sequence[Case]) -> None:
    """Steps of one process, saved in the folder."""
    steps = []
    for objective, views in every:
        synchronise(objective)
        first, second, batch = (rows_of(values, torch.arange(rank(), values.size, world_size())) for values in views)
        steps.append(vars(one_step(objective, (first, second, batch))))
    torch.save(steps, folder / f"{rank()}.pt")
