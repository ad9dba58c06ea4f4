"""Checks of what must make no difference: padding, missing modalities, the rest of the batch, the global generator."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.testing.expect import expect, expect_finite, expect_same, gradients
from coral_plugin.testing.samples import fill_missing, make_samples, pad_longer, rows_of, under_padding, view
from coral_plugin.testing.subject import Subject, embedded, terms, trained, values_of

Change = Callable[[MultimodalBatch], MultimodalBatch]


def padding_values(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """What lies under padding changes neither loss, gradient nor embedding."""
    _expect_unchanged(subject, modalities, lambda batch: under_padding(batch, 7.0), "whatever lies under padding")


def padding_length(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Nor do more padded steps; the settings are ``deterministic``, since masks are drawn by the step."""
    _expect_unchanged(
        subject, modalities, lambda batch: pad_longer(batch, 2), "with more padded steps", deterministic=True
    )


def missing_values(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """The values of a missing modality, which may be no numbers, change neither loss, gradient nor embedding."""
    what = "whatever the values of a missing modality are (here not a number)"
    _expect_unchanged(subject, modalities, lambda batch: fill_missing(batch, float("nan")), what, missing=True)


def _expect_unchanged(
    subject: Subject,
    modalities: tuple[Modality, ...],
    change: Change,
    what: str,
    *,
    deterministic: bool = False,
    missing: bool = False,
) -> None:
    batch = make_samples(modalities, missing=missing)
    results: list[list[dict[str, Tensor]]] = []
    for changed in (lambda batch: batch, change):
        objective, seen = subject.build(modalities, deterministic=deterministic), []
        if objective.trains:
            losses = terms(objective, changed(batch), views=(changed(view(batch, 1)), changed(view(batch, 2))))
            losses["total"].backward()
            seen = [values_of(losses), gradients(objective)]
        results.append([*seen, embedded(objective, changed(batch))])
    for name, one, other in zip(("embeddings", "gradients", "terms"), results[0][::-1], results[1][::-1], strict=False):
        expect_finite(other, f"{name}, {what},")
        expect_same(other, one, f"{name}, {what}")


def batch_independence(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """In evaluation mode a sample is embedded the same alone, among others, and in another order."""
    objective = trained(subject.build(modalities), modalities)
    batch = make_samples(modalities, missing=True)
    whole = embedded(objective, batch)
    for rows in (torch.arange(batch.size).flip(0), *torch.arange(batch.size).split(1)[:4]):
        wanted = {name: part[rows] for name, part in whole.items()}
        by_themselves = embedded(objective, rows_of(batch, rows))
        expect_same(by_themselves, wanted, f"the embedding of samples {rows.tolist()} by themselves")


def evaluation(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Embedding twice in evaluation mode gives the same, whatever was drawn between, and changes nothing."""
    objective = trained(subject.build(modalities), modalities)
    batch = make_samples(modalities, missing=True)
    state = copy.deepcopy(objective.state_dict())
    torch.manual_seed(0)
    once = embedded(objective, batch)
    torch.manual_seed(1)
    expect_same(embedded(objective, batch), once, "a second embedding")
    changed = [name for name, value in objective.state_dict().items() if not torch.equal(value, state[name])]
    expect(not changed, "an embed that changes no parameter or buffer in evaluation mode", ", ".join(changed))
    expect(not any(part.training for part in objective.modules()), "an embed that keeps the mode", "training mode")


def seeded(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """The generator decides on every random number of the loss but dropout's, which the global one draws."""
    batch = make_samples(modalities)
    again = [values_of(terms(subject.build(modalities), batch)) for _ in range(2)]
    expect_same(again[1], again[0], "terms with the same seeds")
    quiet = [values_of(terms(subject.build(modalities, dropout=False), batch, dropout_seed=seed)) for seed in (0, 1)]
    expect_same(quiet[1], quiet[0], "terms without dropout, by another state of the global generator,")


def unchanged(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Neither ``embed`` nor ``loss`` writes into the batch."""
    objective = subject.build(modalities)
    batches = [
        make_samples(modalities, missing=True),
        *(view(make_samples(modalities, missing=True), seed) for seed in (1, 2)),
    ]
    before = copy.deepcopy(batches)
    if objective.trains:
        terms(objective, batches[0], views=(batches[1], batches[2]))["total"].backward()
    embedded(objective, batches[0])
    for batch, kept in zip(batches, before, strict=True):
        for field in ("tensors", "padding", "targets", "present"):
            one, other = getattr(batch, field), getattr(kept, field)
            same = list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
            expect(same, f"a batch whose {field} are left alone", "others than before")
