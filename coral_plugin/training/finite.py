"""Where a loss or gradient that is not finite comes from."""

from __future__ import annotations

import torch
from torch import Tensor

from coral_plugin.networks.pathways import safe
from coral_plugin.objectives import Objective
from coral_plugin.training.step import Prepared

_SHOWN = 8


def nonfinite_terms(names: list[str], values: Tensor) -> tuple[str, str]:
    """What is not finite, of the terms ``values`` (K,) and the gradient, and which terms.

    >>> nonfinite_terms(["shared", "total"], torch.tensor([1.0, float("nan")]))
    ('loss', 'terms: total; ')
    """
    bad = [name for name, fine in zip(names, torch.isfinite(values).tolist(), strict=True) if not fine]
    return ("loss", f"terms: {', '.join(bad)}; ") if bad else ("gradient", "")


def find_cause(objective: Objective, prepared: Prepared) -> tuple[int, str]:
    """How sure the cause is (less is surer), and what it is: modality, place, sample indices.

    Looks at weights, then at the values of each modality, its views, and its embedding alone; gradients last. Changes
    running statistics, so the training must end here.
    """
    broken = [name for name, p in objective.named_parameters() if not torch.isfinite(p).all()]
    for place, batch in (("input", prepared.batch), ("view", prepared.first), ("view", prepared.second)):
        for name in batch:
            if (rows := _rows(batch[name], batch.present.get(name))) is not None:
                return 0, f"modality {name}: its {place}, samples {_samples(prepared, rows)}"
    if broken:
        return 1, f"weights: {_few(broken)}; samples {_samples(prepared, None)}"
    with torch.no_grad():
        for batch in (prepared.first, prepared.second):
            for name in batch:
                for part in objective.embed(batch.select([name])).values():
                    if (rows := _rows(part, batch.present.get(name))) is not None:
                        return 2, f"modality {name}: its embedding, samples {_samples(prepared, rows)}"
    found = [n for n, p in objective.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if not found:
        return 4, f"samples {_samples(prepared, None)}"
    touched = [name for name in prepared.batch if any(safe(name) in parameter.split(".") for parameter in found)]
    modality = f"modality {', '.join(touched)}; " if touched else ""
    return 3, f"{modality}gradients: {_few(found)}; samples {_samples(prepared, None)}"


def _rows(values: Tensor, present: Tensor | None) -> Tensor | None:
    """Rows ``(B,)`` of ``values`` that are not finite, of those that count; None where all are."""
    bad = ~torch.isfinite(values.flatten(1)).all(dim=1)
    if present is not None:
        bad = bad & present
    return bad if bad.any() else None


def _samples(prepared: Prepared, rows: Tensor | None) -> str:
    index = prepared.batch.index
    if index is None:
        index = torch.arange(prepared.batch.size)
    found = (index if rows is None else index[rows]).tolist()
    return f"{found[:_SHOWN]}{'...' if len(found) > _SHOWN else ''}"


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
