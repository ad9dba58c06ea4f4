"""Redundancy, uniqueness and synergy on Trifeature: two trainings, one table.

Redundancy and uniqueness are read from a training on unbiased pairs, synergy from one on biased pairs; both are probed
on unbiased pairs (specification 5.1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import torch

from coral_plugin.bench.grid import DatasetColumn, MethodRow, Reading, run_settings
from coral_plugin.bench.local import terminate
from coral_plugin.errors import InputError
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.registry import suggest
from coral_plugin.runs.folder import CONFIG
from coral_plugin.runs.lock import refuse_locked
from coral_plugin.runs.run import draw_run, run
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training.fit import pick_device
from coral_plugin.training.signals import end_with_parent, stoppable

# kinds of information that are read from the training on each kind of pairs
PAIRINGS = {"unbiased": ("redundancy", "uniqueness"), "biased": ("synergy",)}
# probed task behind each of them; the papers' uniqueness is the texture of the first image
TASK_OF = {"redundancy": "redundancy", "uniqueness": "uniqueness1", "synergy": "synergy"}
_STEP_SECONDS = 20.0  # one of 224 px takes up to 16 on two cores


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large a Trifeature experiment is.

    Attributes:
        image_size: Pixels per side.
        pairs: Unlabelled pairs per training.
        epochs: ``{pairing: epochs}``.
        chosen: Any other setting, as ``{"group.key": value}``.
        by_pairing: Settings of one training alone, ``{pairing: {"group.key": value}}``.
    """

    image_size: int
    pairs: int
    epochs: Mapping[str, int]
    chosen: Mapping[str, Any]
    by_pairing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PAPER = Scale(image_size=224, pairs=10_000, epochs={"unbiased": 100, "biased": 100}, chosen={})
# For two cores and five minutes. Shapes fill the image, which is far from the 224 px that textures want; oriented
# energies stand in for the first layer that a long training would learn; and each image is one token, because each of
# 16 cells would see nearly all of 32 px: masking three quarters of them would hide nothing, masking the image does.
SMALL = Scale(
    image_size=32,
    pairs=20_000,
    epochs={"unbiased": 4, "biased": 4},
    chosen={
        "source.shape_share": 0.7,
        "source.texture_period": 8,
        "source.renders": 12,
        "source.probe_pairs": 6_000,
        "network.width": 64,
        "network.head_hidden": 256,
        "network.head_output": 128,
        "network.encoders": dict.fromkeys(("image1", "image2"), "small_conv(pool=True, orientations=6)"),
        "training.batch_size": 64,
        "training.learning_rate": 3e-3,
        "training.schedule": "cosine",
        # SimCLR's crop to 8 % of so few pixels would leave nothing of a texture
        "augmentations": "resized_crop(scale=(0.6,1.0))+color_jitter@0.8+flip",
        # nor may un-augmented branches lose more than the views do: the references' crop goes down to 50 %
        "plain_augmentations": "plain_crop(scale=(0.6,1.0))",
    },
    by_pairing={
        "unbiased": {"source.probe_pairs": 12_000},  # redundancy and uniqueness gain from more; synergy does not
        # the colour of the second image is half of what synergy is about
        "biased": {"augmentations": "resized_crop(scale=(0.6,1.0))+color_jitter(hue=0.03)@0.8+flip"},
    },
)


def trifeature_column(scale: Scale, name: str = "trifeature", pairing: str | None = None) -> DatasetColumn:
    """Trifeature with its two trainings: redundancy and uniqueness from unbiased pairs, synergy from biased ones.

    Args:
        scale: Size of the experiment.
        name: Name of the column.
        pairing: Pairs of a single training from which all three are read, in place of two trainings.

    Raises:
        InputError: there are no such pairs.
    """
    if pairing is not None and pairing not in PAIRINGS:
        raise suggest(pairing, list(PAIRINGS), "source.pairing")
    trainings = PAIRINGS if pairing is None else {pairing: tuple(TASK_OF)}
    return DatasetColumn(
        name=name,
        dataset="trifeature",
        chosen={"source.image_size": scale.image_size, "source.pairs": scale.pairs, **scale.chosen},
        conditions={
            pairs: {
                "source.pairing": pairs,
                "training.epochs": scale.epochs[pairs],
                **scale.by_pairing.get(pairs, {}),
            }
            for pairs in trainings
        },
        readings={
            kind: Reading(condition=pairs, task=TASK_OF[kind]) for pairs, kinds in trainings.items() for kind in kinds
        },
    )


@dataclass(frozen=True)
class TrifeatureRuns:
    """Both trainings of one variant of COrAL, on unbiased and on biased pairs.

    Attributes:
        metrics: ``{pairing: content of metrics.json}``.
        summary: ``{kind of information: {"mean", "std", "values", "chance"}}``; shares, not percent.
    """

    metrics: dict[str, dict[str, Any]]
    summary: dict[str, dict[str, Any]]

    def synergy_auroc(self) -> list[float]:
        """Area under the ROC curve of the synergy probe, one value per seed."""
        values: list[float] = self.metrics["biased"]["tasks"][TASK_OF["synergy"]]["also"]["auroc"]["values"]
        return values


@dataclass(frozen=True)
class _TrainingJob:
    """One training with its folder, as it is sent to a process."""

    settings: RunSettings
    folder: Path
    label: str
    resume: bool
    threads: int


def run_variants(
    scale: Scale,
    variants: Mapping[str, Mapping[str, Any]],
    folders: Mapping[str, Path],
    *,
    seeds: tuple[int, ...] = (41,),
    resume: bool = False,
    workers: int | None = None,
) -> dict[str, TrifeatureRuns]:
    """Train and probe COrAL on unbiased and on biased pairs, with the settings of each variant.

    Without a GPU the trainings run in parallel, one single-threaded process per core: the networks are too small to
    share their arithmetic between threads.

    Args:
        scale: Image size, pairs, epochs.
        variants: ``{variant: settings of the method that differ from the paper's preset}``.
        folders: ``{variant: folder}``, which gets a run directory per training.
        seeds: Training seeds.
        resume: Whether runs in the folders are continued.
        workers: Number of processes; the number of cores by default, one with a GPU.
    """
    device = pick_device(scale.chosen.get("training.device", "auto"))
    workers = workers or (1 if device.type == "cuda" else os.cpu_count() or 1)
    jobs = {
        (name, pairing): _TrainingJob(
            _settings(scale, pairing, seeds, method),
            folders[name] / pairing,
            f"{name}, {pairing} pairs:" if len(variants) > 1 else f"{pairing} pairs:",
            resume,
            1 if workers > 1 else torch.get_num_threads(),
        )
        for name, method in variants.items()
        for pairing in PAIRINGS
    }
    results = map(_train, jobs.values()) if workers == 1 else _train_in_parallel(list(jobs.values()), workers)
    metrics = dict(zip(jobs, results, strict=True))
    by_variant = {name: {pairing: metrics[name, pairing] for pairing in PAIRINGS} for name in variants}
    return {name: TrifeatureRuns(both, information_summary(both)) for name, both in by_variant.items()}


def _train_in_parallel(jobs: list[_TrainingJob], workers: int) -> list[dict[str, Any]]:
    count, context = min(workers, len(jobs)), get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent) as pool:
        try:
            return list(pool.map(_train, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # a signal may have come to this process alone; theirs make them stop at their next step. An idle worker
            # dies of it with the lock of the queue in its hands, for which another one would wait for ever
            terminate(active_children(), _STEP_SECONDS)
            raise


def _settings(scale: Scale, pairing: str, seeds: tuple[int, ...], method: Mapping[str, Any]) -> RunSettings:
    row = MethodRow(name="coral", objective="coral", chosen={f"method.{key}": value for key, value in method.items()})
    return replace(run_settings(row, trifeature_column(scale), pairing, seeds[0]), seeds=seeds)


def _train(job: _TrainingJob) -> dict[str, Any]:
    torch.set_num_threads(job.threads)
    with stoppable(None):
        finished = run(job.settings, folder=job.folder, resume=job.resume, label=job.label, raw_baseline=False)
        draw_run(finished)
    return finished.metrics


def lengthened(scale: Scale, factor: int) -> Scale:
    """The same scale with ``factor`` times as many epochs."""
    return replace(scale, epochs={pairing: factor * epochs for pairing, epochs in scale.epochs.items()})


def clear(folder: Path) -> None:
    """Remove the run directories that an earlier run left in ``folder``, and nothing else there.

    Raises:
        InputError: ``folder`` is a file, or another process works in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --output.")
    for pairing in PAIRINGS:
        if (folder / pairing / CONFIG).is_file():
            refuse_locked(folder / pairing)
            shutil.rmtree(folder / pairing)


def information_summary(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Redundancy and uniqueness of the training on unbiased pairs, synergy of the one on biased pairs."""
    summary = {}
    for pairing, kinds in PAIRINGS.items():
        for kind in kinds:
            task = metrics[pairing]["tasks"][TASK_OF[kind]]
            summary[kind] = {key: task[key] for key in ("mean", "std", "values", "chance")}
    return summary


def information_table(variants: Mapping[str, TrifeatureRuns], title: str) -> Table:
    """One row per variant, one column per kind of information: balanced accuracy in percent, chance in the last row.

    One pair in ten is a match: the balanced accuracy of synergy leaves chance only where the probe finds a match
    likelier than not. The area under the ROC curve in the last column shows what it ranks correctly before that.
    """
    kinds = list(TASK_OF)
    first = next(iter(variants.values())).summary
    rows = [
        (name, *(cell(both.summary[kind]["values"]) for kind in kinds), cell(both.synergy_auroc()))
        for name, both in variants.items()
    ]
    rows.append(("chance", *(cell([first[kind]["chance"]]) for kind in kinds), cell([0.5])))
    columns = ("balanced accuracy, %", *(f"{kind} ↑" for kind in kinds), "synergy: AUROC ↑")
    return Table(columns=columns, rows=tuple(rows), title=title)
