"""The check that samples which lack a modality count in no term of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from coral_plugin.data import Modality
from coral_plugin.testing.expect import RELATIVE, expect, relative_difference
from coral_plugin.testing.samples import make_samples, rows_of, view
from coral_plugin.testing.subject import Subject, embedded, terms, values_of

_SIZE, _MOST = 9, 5
_ROWS = torch.arange(_SIZE)
_ONES, _OTHERS = _ROWS[:_MOST], _ROWS[_MOST:]


def missing_samples(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Samples that lack a modality count in no term of it: a term depends on its values as if they were not there.

    In one batch some samples have the first modality alone, the others the second; in another some have both and the
    others the first alone. How a term changes with the values of a modality is compared with a batch without the
    samples that lack it. Where a part of the representation fuses modalities, every sample counts in its terms: those
    are exempt in which samples of different modalities meet, as in a contrast, a mean over all samples may be weighted
    by their numbers, and the second batch is left out. The settings are ``deterministic``.
    """
    if len(modalities) < 2:
        return
    first, second = modalities[0].name, modalities[1].name
    fused = _fuses(subject, modalities)
    apart = {first: _ROWS < _MOST, second: _ROWS >= _MOST}
    _compare(subject, modalities, apart, (first, _ONES), (second, _OTHERS), fused)
    _compare(subject, modalities, apart, (second, _OTHERS), (first, _ONES), fused)
    if not fused:
        _compare(subject, modalities, {second: _ROWS < _MOST}, (second, _ONES), (first, _OTHERS), fused, pairs=True)


def _fuses(subject: Subject, modalities: tuple[Modality, ...]) -> bool:
    """Whether a part of the representation depends on more than one of the modalities."""
    objective, batch, other = subject.build(modalities), make_samples(modalities), make_samples(modalities, seed=1)
    whole = embedded(objective, batch)
    changes = [embedded(objective, batch.with_values({**batch, m.name: other[m.name]})) for m in modalities]
    return any(sum(not torch.equal(change[name], part) for change in changes) > 1 for name, part in whole.items())


def _compare(
    subject: Subject,
    modalities: tuple[Modality, ...],
    present: dict[str, Tensor],
    changed: tuple[str, Tensor],
    other: tuple[str, Tensor],
    fused: bool,
    *,
    pairs: bool = False,
) -> None:
    """Compare the changes of the terms with the values of a modality, with and without the rows that lack it.

    Args:
        subject: Objective under test.
        modalities: Modalities; all but the first two are missing.
        present: Presence of the modalities that some rows lack.
        changed: Modality whose values change, and the rows that have it.
        other: The other modality, and the rows that lack the first.
        fused: Whether terms may depend on both together.
        pairs: Whether the rows of ``other`` are in the batch statistics of ``changed``, which are held fixed then.
    """
    absent = {modality.name: torch.zeros(_SIZE, dtype=torch.bool) for modality in modalities[2:]}
    presence = {**absent, **present}
    kept = changed[1]

    def terms_of(steps: tuple[bool, bool], rows: Tensor = _ROWS) -> dict[str, Tensor]:
        batch, fresh = make_samples(modalities, _SIZE), make_samples(modalities, _SIZE, seed=1)
        values = {name: value.clone() for name, value in batch.items()}
        for (name, moved), step in zip((changed, other), steps, strict=True):
            if step:
                values[name][moved] = fresh[name][moved]
        samples = replace(batch.with_values(values), present=presence)
        views = (rows_of(view(samples, 1), rows), rows_of(view(samples, 2), rows))
        objective = subject.build(modalities, deterministic=True)
        for norm in objective.modules() if pairs else ():
            norm.training &= not isinstance(norm, _BatchNorm)
        return values_of(terms(objective, rows_of(samples, rows), views=views))

    base, alone = terms_of((False, False)), terms_of((False, False), kept)
    moved, moved_alone = terms_of((True, False)), terms_of((True, False), kept)
    others, both = terms_of((False, True)), terms_of((True, True))
    for name, value in base.items():
        scale = max(1e-6, *(float(term.abs()) for term in (value, moved[name], alone[name], moved_alone[name])))
        change, wanted = moved[name] - value, moved_alone[name] - alone[name]
        accepted = [wanted]
        if fused:
            if relative_difference(both[name] - others[name], change, scale) > RELATIVE:
                continue
            if relative_difference(others[name], value, scale) > RELATIVE:
                accepted.append(wanted * len(kept) / _SIZE)
        expect(
            min(relative_difference(change, step, scale) for step in accepted) <= 10 * RELATIVE,
            f"{name} to change by {float(wanted):.4g} with the values of {changed[0]}, whether or not there are "
            f"samples that lack {changed[0]} (over_batch(..., present=...), and project_present for heads)",
            f"{float(change):.4g} with them",
        )
