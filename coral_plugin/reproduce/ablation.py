"""The paper's Table 3 at a small scale: the effects of masking and orthogonality."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.io.paths import slug
from coral_plugin.reproduce.trifeature import Scale, TrifeatureRuns, run_variants

# rows of the paper's Table 3, and the loss without its orthogonality term
ABLATIONS: dict[str, dict[str, Any]] = {
    "increasing 5/35/55/75 %": {},
    "no masking": {"masking": "none"},
    "25 %": {"masking": "constant", "mask_ratio": 0.25},
    "50 %": {"masking": "constant", "mask_ratio": 0.50},
    "75 %": {"masking": "constant", "mask_ratio": 0.75},
    "no orthogonality": {"orthogonality_weight": 0.0},
}


def run_ablation(
    scale: Scale, *, variants: Mapping[str, Mapping[str, Any]], seeds: tuple[int, ...], folder: Path, resume: bool
) -> dict[str, TrifeatureRuns]:
    """Both trainings of every variant, in a folder per variant, so that a stopped ablation can be resumed."""
    folders = {name: folder / slug(name) for name in variants}
    return run_variants(scale, variants, folders, seeds=seeds, resume=resume)


def leakage(metrics: Mapping[str, Any]) -> dict[str, list[float]]:
    """Information that the parts of a run share, one value per seed.

    ``shape in unique``: balanced accuracy of the shared attribute from the first unique part. ``|cos|`` and ``CKA``:
    means over all pairs of parts, of the projected parts and of the probed ones.
    """
    shares: dict[str, list[float]] = {
        "shape in unique": metrics["parts"]["unique/image1"]["redundancy"]["values"],
        "|cos| of heads": [],
        "CKA of parts": [],
    }
    for measured in metrics["disentanglement"].values():
        shares["|cos| of heads"].append(_mean(measured["projected"], "cosine"))
        shares["CKA of parts"].append(_mean(measured["probed"], "cka"))
    return shares


def leakage_table(variants: Mapping[str, TrifeatureRuns], title: str) -> Table:
    """One row per variant, of the training on unbiased pairs, in percent."""
    rows = {name: leakage(both.metrics["unbiased"]) for name, both in variants.items()}
    kinds = list(next(iter(rows.values())))
    return Table(
        columns=("leakage, %", *(f"{kind} ↓" for kind in kinds)),
        rows=tuple((name, *(cell(shares[kind]) for kind in kinds)) for name, shares in rows.items()),
        title=title,
    )


def _mean(pairs: Mapping[str, Any], measure: str) -> float:
    return statistics.mean(pair[measure] for pair in pairs.values() if pair.get(measure) is not None)
