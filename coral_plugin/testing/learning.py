"""Checks of the loss: its terms, its gradient, and that it can be learned."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from coral_plugin.data import Modality
from coral_plugin.objectives import Objective
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.testing.expect import expect, expect_finite, expect_same, gradients
from coral_plugin.testing.samples import as_type, make_samples, view
from coral_plugin.testing.subject import Subject, terms, values_of

STEPS = 6


def loss_terms(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """The loss is a mapping of finite scalars with ``total``, which has a gradient.

    It reads ``step.raw`` only where ``needs_raw`` says so.
    """
    objective = subject.build(modalities, dtype=torch.float32)
    batch = as_type(make_samples(modalities, missing=True), torch.float32)
    losses = terms(objective, batch)
    expect_finite(losses, "terms")
    expect(losses["total"].requires_grad, "a total with a gradient", "one without")
    if not objective.needs_raw:
        views = view(make_samples(modalities), 1), view(make_samples(modalities), 2)
        raws = (make_samples(modalities, seed=seed) for seed in (0, 1))
        by_raw = [values_of(terms(subject.build(modalities), raw, views=views)) for raw in raws]
        expect_same(by_raw[1], by_raw[0], "terms with another step.raw, since needs_raw is false,")


def progress(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Terms and ``used`` are finite, and have the same names, at the start, within and at the end of a training."""
    objective, batch = subject.build(modalities), make_samples(modalities)
    losses, used = {}, {}
    for share in (0.0, 0.5, 1.0):
        losses[share] = terms(objective, batch, share)
        used[share] = objective.used
    for share, values in losses.items():
        expect_finite(values, f"terms at progress {share}")
        expect(
            list(values) == list(losses[0.0]), f"the terms {', '.join(losses[0.0])} at progress {share}", list(values)
        )
        fine = all(math.isfinite(value) for value in used[share].values())
        expect(fine and list(used[share]) == list(used[0.0]), f"finite numbers used at progress {share}", used[share])


def gradient(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Every parameter that requires a gradient gets one that is finite and, but for biases, not zero.

    What follows a bias may take it away again: a normalisation, or a softmax over scores.
    """
    objective = subject.build(modalities)
    for seed in (0, 1):
        terms(objective, make_samples(modalities, seed=seed), seed=seed)["total"].backward()
    reached = gradients(objective)
    expect_finite(reached, "gradients")
    wanted = [name for name, p in objective.named_parameters() if p.requires_grad]
    biases = {name for name in wanted if name.rpartition(".")[2] == "bias"}
    without = [name for name in wanted if name not in reached or not (name in biases or reached[name].any())]
    expect(not without, "a gradient for every parameter that requires it", f"none for {', '.join(without)}")


def learning(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """A few steps on one batch, with the same random numbers in each, lower the loss of that batch."""
    objective, batch = subject.build(modalities), make_samples(modalities)
    optimiser = torch.optim.AdamW(parameter_groups(objective, 0.0), lr=2e-2)
    totals = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        total = terms(objective, batch)["total"]
        total.backward()
        optimiser.step()
        totals.append(total.item())
    least = 0.01 * abs(totals[0])
    expect(
        totals[-1] < totals[0] - least,
        f"a loss that falls by more than {least:.2g} in {STEPS} steps",
        f"{totals[0]:.4g} and then {totals[-1]:.4g}",
    )


def two_samples(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """A batch of two samples has a finite loss and gradient."""
    _backward(subject.build(modalities), modalities, 2, {})


def rare_modality(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """So has a batch in which one sample or none has a modality."""
    for count in (0, 1) if len(modalities) > 1 else ():
        _backward(subject.build(modalities), modalities, 6, {modalities[-1].name: torch.arange(6) < count})


def half_precision(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Under bfloat16 autocast terms and gradients are finite, and the terms are computed in float32."""
    objective = subject.build(modalities, dtype=torch.float32)
    batch = as_type(make_samples(modalities, missing=True), torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = terms(objective, batch)
    expect_finite(losses, "terms in half precision")
    halves = [name for name, term in losses.items() if term.dtype in (torch.bfloat16, torch.float16)]
    expect(not halves, "terms in float32 (over_batch computes them so)", f"half precision in {', '.join(halves)}")
    losses["total"].backward()
    expect_finite(gradients(objective), "gradients in half precision")


def _backward(
    objective: Objective, modalities: tuple[Modality, ...], size: int, present: dict[str, torch.Tensor]
) -> None:
    losses = terms(objective, replace(make_samples(modalities, size), present=present))
    expect_finite(losses, "terms")
    losses["total"].backward()
    expect_finite(gradients(objective), "gradients")
    expect_finite(dict(objective.named_buffers()), "running statistics")
