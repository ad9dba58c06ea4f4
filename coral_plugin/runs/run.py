"""A run: train every seed, embed, probe, and leave a directory with all records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from coral_plugin.data import MultimodalData
from coral_plugin.errors import CoralError, InputError, one_line, say
from coral_plugin.evaluation.raw_baseline import score_raw_baseline, too_large_note
from coral_plugin.evaluation.scoring import PartScores
from coral_plugin.io.files import write_json, write_text
from coral_plugin.io.yamlfile import flat
from coral_plugin.networks.factory import EncoderLike, python_encoders
from coral_plugin.objectives import Objective
from coral_plugin.registry import DATASETS
from coral_plugin.runs.folder import (
    METRICS,
    PLOTS,
    RESULT,
    WEIGHTS,
    finish_seed,
    held,
    open_run,
    prepare_folder,
    read_result,
    restore,
)
from coral_plugin.runs.seed import can_score, score_seed, untrained
from coral_plugin.runs.settings import RunSettings
from coral_plugin.runs.start import opening_lines, plan_run, with_saved_seeds
from coral_plugin.runs.summary import summarise
from coral_plugin.runs.workers import (
    choose_workers,
    raise_failures,
    record_workers,
    recorded_workers,
    train_together,
    trained_side_by_side,
)
from coral_plugin.training import processes
from coral_plugin.training.fit import pick_device
from coral_plugin.training.log import LOG, table
from coral_plugin.training.loggers import Loggers


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        settings: Run settings.
        data: Data set that it was trained and scored on.
        metrics: The content of ``metrics.json``.
        objectives: ``{seed: trained objective}``.
        histories: ``{seed: one record per epoch}``.
        scores: ``{seed: {part: {task: score}}}``; empty ones where there is nothing to score.
        folder: Run directory; None if nothing was written.
    """

    settings: RunSettings
    data: MultimodalData
    metrics: dict[str, Any]
    objectives: dict[int, Objective]
    histories: dict[int, list[dict[str, float]]]
    scores: dict[int, PartScores]
    folder: Path | None


def load_data(settings: RunSettings) -> MultimodalData:
    """The data set of a run, with the modalities that it names."""
    data: MultimodalData = DATASETS.get(settings.dataset).load(settings.data, settings.source)
    return data if settings.modalities is None else data.select(settings.modalities)


def open_finished(folder: Path, data_path: str | None) -> tuple[RunSettings, MultimodalData, tuple[int, ...]]:
    """Settings, data and finished seeds of a run directory.

    Args:
        folder: Run directory.
        data_path: New path of the data, if they were moved.

    Raises:
        InputError: no run, no finished seed, or other data than it was trained on.
    """
    settings, record = open_run(folder)
    if data_path is not None:
        settings = replace(settings, data=data_path)
    if settings.dataset == "arrays" and settings.data is None:
        raise InputError(
            f"The run in {folder} was trained from Python on data that it names no file of. Score it from Python, give "
            "--data FILE.npz with the same arrays, or train by name: fit('NAME', data=PATH)."
        )
    if data_path is None and settings.data is not None and not os.path.exists(settings.data):  # noqa: PTH110
        raise InputError(f"The run in {folder} was trained on {settings.data}, which is not there; give --data PATH.")
    data = load_data(settings)
    if data.fingerprint != record["fingerprint"]:
        what = f"{settings.data or settings.dataset} does not hold the data of the run in {folder}"
        raise InputError(f"{what}: their fingerprint differs. Give --data PATH with those that it was trained on.")
    seeds = tuple(seed for seed in settings.seeds if (folder / f"seed-{seed}" / RESULT).is_file())
    if not seeds:
        raise InputError(f"{folder} has no finished seed; go on with coral train --resume.")
    return settings, data, seeds


def run(
    settings: RunSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    label: str = "",
    workers: int | None = 1,
    raw_baseline: bool = True,
    data: MultimodalData | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    augmentations: Mapping[str, Callable[..., Any]] | None = None,
    loggers: tuple[str, ...] | None = None,
    opening: tuple[str, ...] = (),
) -> Run:
    """Train and score every seed of ``settings``.

    Args:
        settings: Run settings.
        folder: Run directory; None writes nothing.
        resume: Whether the run in ``folder`` goes on: finished seeds are read, unfinished and new ones are trained.
        quiet: Whether nothing is written to standard error.
        label: Text in front of every line on standard error, where several runs share it.
        workers: Seeds that are trained at a time, each in a process of its own; None measures what is faster, and a run
            that goes on keeps what it began with. 1 trains them one after the other, in this process.
        raw_baseline: Whether the raw features are probed too; where they are wide, their probe takes longer than that
            of the representation.
        data: Data set, in place of the one that ``settings`` names.
        encoders: Modules or functions from Python, by modality.
        augmentations: Functions from Python, by modality.
        loggers: Names of the loggers (:mod:`coral_plugin.training.loggers`) that write into ``folder``; no part of
            what identifies a run.
        opening: Lines of the caller that are written first, once the data are read.

    Raises:
        InputError: settings and data that do not fit, or a folder that holds another run.
        Interrupted: SIGTERM or Ctrl-C came; ``resume`` goes on.
        SystemExit: under torchrun or SLURM, in every process but the first, once all is trained.
    """
    if resume and folder is None:
        raise InputError("resume goes on with the run in a folder; give output=DIR.")
    if folder is None and settings.training.keep_every:
        raise InputError("training.keep_every keeps weights in the folder of a run; give output=DIR.")
    settings = with_saved_seeds(settings, folder) if resume else settings
    outside = processes.launcher()
    quiet = quiet or (outside is not None and outside.global_rank() > 0)
    title = f"{settings.objective} on {settings.dataset}"
    opened = Loggers(loggers, title, {key: value for key, value in flat(settings.as_dict()).items() if key != "seeds"})
    data = data if data is not None else load_data(settings)
    if encoders:
        record = {**settings.network.encoders, **python_encoders(encoders)}
        settings = replace(settings, network=replace(settings.network, encoders=record))
    write_line = partial(say, label=label, quiet=quiet)
    for line in opening_lines(settings, encoders):
        write_line(line)
    plan = plan_run(settings, data, encoders, augmentations, workers, quiet=quiet, measured=outside is None)
    train_seed = plan.train and partial(plan.train, quiet=quiet, label=label, loggers=opened)
    raw_note = too_large_note(data) if raw_baseline and can_score(data) else ""
    raw_baseline = raw_baseline and can_score(data) and not raw_note
    with contextlib.ExitStack() as holding:
        if outside is None and folder is not None:
            holding.enter_context(held(folder))
            prepare_folder(folder, settings, data, resume)
        for line in filter(None, (*opening, *plan.lines, raw_note)):
            write_line(line)
        base: Path | None = folder
        failures: dict[int, CoralError] = {}
        if outside is not None:
            train_together(settings, data, folder, resume, train_seed, holding)
            resume = True  # what is trained is scored by this process, from its checkpoints
        elif train_seed is not None:
            recorded = recorded_workers(folder) if resume and folder is not None else None
            chosen = choose_workers(workers, recorded, settings, plan.steps, train_seed, plan.memory, write_line)
            if folder is not None:
                record_workers(folder, chosen)
            if chosen.count > 1:
                training = trained_side_by_side(settings, chosen, folder, resume, train_seed, write_line)
                base, failures = holding.enter_context(training)
                resume = True  # as above
        results: dict[int, dict[str, Any]] = {}
        objectives: dict[int, Objective] = {}
        for seed in (seed for seed in settings.seeds if seed not in failures):
            seed_folder = folder / f"seed-{seed}" if folder is not None else None
            if seed_folder is not None and resume and (seed_folder / RESULT).exists():
                results[seed] = read_result(seed_folder)
                objectives[seed] = restore(settings, data.modalities, data.tasks, seed_folder / WEIGHTS, encoders)
                write_line(f"seed {seed}: finished already, not trained again")
                continue
            try:
                trained = (
                    train_seed(seed, folder=base / f"seed-{seed}" if base is not None else None, resume=resume)
                    if train_seed is not None
                    else untrained(plan.build, seed, pick_device(settings.training.device), data.train)
                )
            except CoralError as error:
                if len(settings.seeds) == 1:
                    raise
                write_line(f"seed {seed}: failed ({one_line(error, 300)})")
                failures[seed] = error
                continue
            write_line(f"seed {seed}: trained" + ("; now its probes" if can_score(data) else ""))
            results[seed], objectives[seed] = score_seed(trained, seed, data, settings), trained.objective
            if seed_folder is not None:
                finish_seed(seed_folder, trained.objective, results[seed])
        raise_failures(failures, list(results))
        if raw_baseline:  # last, so that the training begins at once
            write_line(f"{data.name}: probes of the raw features, for comparison")
        raw = score_raw_baseline(data, settings.probe) if raw_baseline else {}
        histories = {seed: result["history"] for seed, result in results.items()}
        metrics = summarise(settings, data, results, raw)
        if folder is not None:
            _write(folder, metrics, histories, logged=train_seed is not None)
    scores = {seed: result["scores"] for seed, result in results.items()}
    return Run(settings, data, metrics, objectives, histories, scores, folder)


def draw_run(finished: Run) -> list[Path]:
    """Draw the training curves, the scores of the parts and the embeddings of the first seed, by part and by class.

    The pictures go into ``plots/`` of the run's folder. The embeddings are of the samples that have every modality.
    """
    # matplotlib, which fit() does not need
    from coral_plugin.evaluation.pictures.run import draw_run_pictures
    from coral_plugin.runs.pictures import embedded_parts

    if finished.folder is None:
        return []
    embedded = embedded_parts(finished.objectives[finished.settings.seeds[0]], finished.data) or (None, None)
    return draw_run_pictures(finished.folder / PLOTS, finished.metrics, finished.histories, *embedded)


def _write(folder: Path, metrics: dict[str, Any], histories: Mapping[int, Any], *, logged: bool) -> None:
    """Write log and metrics of all seeds."""
    rows = [{"seed": seed, **row} for seed, history in histories.items() for row in history]
    if logged:
        write_text(folder / LOG, table(rows))
    write_json(folder / METRICS, metrics)
