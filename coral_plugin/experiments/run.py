"""A run: train every seed, embed, probe, and leave a directory that says all of it."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

from coral_plugin.data import Modality, MultimodalData, Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.scoring import embed_data, score_floor, score_parts, separate
from coral_plugin.experiments.environment import environment
from coral_plugin.experiments.settings import RunSettings, from_dict
from coral_plugin.files import read_json, read_text, write_aside, write_json, write_text
from coral_plugin.networks import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.training.callbacks import table
from coral_plugin.training.fit import CHECKPOINT, Trained, pick_device, train
from coral_plugin.views import build_views

SCHEMA = 1
CONFIG, DATA, METRICS, ENVIRONMENT, LOG = "config.yaml", "data.json", "metrics.json", "environment.json", "metrics.csv"
WEIGHTS, RESULT = "model.safetensors", "result.json"
_RESULT_KEYS = {"scores": dict, "disentanglement": dict, "train": dict, "history": list}


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        settings: That decided on it.
        data: What it was trained and scored on.
        metrics: The content of ``metrics.json``.
        objectives: ``{seed: trained objective}``.
        histories: ``{seed: one record an epoch}``.
        folder: Where it was written; None if nowhere.
    """

    settings: RunSettings
    data: MultimodalData
    metrics: dict[str, Any]
    objectives: dict[int, Objective]
    histories: dict[int, list[dict[str, float]]]
    folder: Path | None


def load_data(settings: RunSettings) -> MultimodalData:
    """The data set of a run, with the modalities that it names."""
    data: MultimodalData = DATASETS.get(settings.dataset)(settings.data, settings.source)
    return data if settings.modalities is None else data.select(settings.modalities)


def run(
    settings: RunSettings,
    *,
    folder: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    label: str = "",
    floor: bool = True,
    data: MultimodalData | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    augmentations: Mapping[str, Callable[..., Any]] | None = None,
) -> Run:
    """Train and score every seed of ``settings``.

    Args:
        settings: Of the run.
        folder: Where it is written; None writes nothing.
        resume: Go on with what the folder holds: finished seeds are read, an unfinished one continues.
        quiet: Nothing on standard error.
        label: Said in front of every line on standard error, where several runs share it.
        floor: Probe the raw features too, which takes longer than the representation where they are wide.
        data: In place of what ``settings.dataset`` would load.
        encoders: Modules or functions from Python, by modality.
        augmentations: Functions from Python, by modality.

    Raises:
        InputError: settings and data that do not fit, or a folder that holds another run.
    """
    data = data if data is not None else load_data(settings)
    say = _silent if quiet else partial(_say, label)
    for note in data.notes:
        say(f"{data.name}: {note}")
    views = build_views(_views_spec(settings, augmentations), data.modalities)
    _check(settings, data, encoders)
    if folder is not None:
        _open_folder(folder, settings, data, resume)
    results, objectives, histories = {}, {}, {}
    raw = score_floor(data, settings.probe) if floor and _can_score(data) else {}
    for seed in settings.seeds:
        own = folder / f"seed-{seed}" if folder is not None else None
        if own is not None and resume and (own / RESULT).exists():
            results[seed] = read_result(own)
            objectives[seed] = _restore(settings, data.modalities, own / WEIGHTS, encoders)
            say(f"seed {seed}: finished already, not trained again")
        else:
            trained = train(
                lambda: build_objective(settings, data.modalities, encoders),
                data.unlabelled,
                views,
                settings.training,
                seed,
                folder=own,
                resume=resume,
                quiet=quiet,
                label=label,
            )
            results[seed] = _score(trained, seed, data, settings)
            objectives[seed] = trained.objective
            if own is not None:
                _finish_seed(own, trained.objective, results[seed])
        histories[seed] = results[seed]["history"]
    metrics = summarise(settings, data, results, raw)
    if folder is not None:
        rows = [{"seed": seed, **row} for seed, history in histories.items() for row in history]
        write_text(folder / LOG, table(rows))
        write_json(folder / METRICS, metrics)
    return Run(settings, data, metrics, objectives, histories, folder)


def build_objective(
    settings: RunSettings, modalities: tuple[Modality, ...], encoders: Mapping[str, EncoderLike] | None = None
) -> Objective:
    """A fresh objective, its parameters drawn from torch's global generator."""
    objective: Objective = OBJECTIVES.get(settings.objective)(modalities, settings.network, settings.method, encoders)
    return objective


def summarise(
    settings: RunSettings, data: MultimodalData, results: Mapping[int, Mapping[str, Any]], floor: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``metrics.json`` (DESIGN.md; schema 1) from the results of the seeds."""
    seeds = list(results)
    parts = {
        part: {
            task.name: _spread(task, [results[seed]["scores"][part][task.name] for seed in seeds])
            for task in data.tasks
        }
        for part in results[seeds[0]]["scores"]
    }
    training = [results[seed]["train"] for seed in seeds]
    return {
        "schema": SCHEMA,
        "objective": settings.objective,
        "dataset": settings.dataset,
        "data": data.name,
        "fingerprint": data.fingerprint,
        "preset": settings.preset,
        "modalities": [modality.name for modality in data.modalities],
        "samples": {label: len(split) for label, split in data.splits().items()},
        "seeds": seeds,
        "tasks": parts.pop(ALL, {}),
        "parts": parts,
        "floor": {part: {task.name: _spread(task, [floor[part][task.name]]) for task in data.tasks} for part in floor},
        "disentanglement": {str(seed): results[seed]["disentanglement"] for seed in seeds},
        "train": {
            "epochs": settings.training.epochs,
            "samples_per_second": statistics.mean(t["samples_per_second"] for t in training),
            "seconds": sum(t["seconds"] for t in training),
            "peak_memory_bytes": max(t["peak_memory_bytes"] for t in training),
            "parameters": training[0]["parameters"],
        },
    }


def open_run(folder: Path) -> tuple[RunSettings, dict[str, Any]]:
    """Settings and the record of the data of a run directory.

    Raises:
        InputError: the folder holds no run, or a damaged one.
    """
    if not os.path.isfile(folder / CONFIG):  # noqa: PTH113 - False, not an error, for a name that is too long
        raise InputError(f"{folder} holds no run: there is no {CONFIG} in it. Give the folder that coral train wrote.")
    try:
        saved = yaml.safe_load(read_text(folder / CONFIG))
    except yaml.YAMLError as error:
        raise InputError(f"{folder / CONFIG} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(saved, dict):
        raise InputError(f"{folder / CONFIG} must hold a mapping of settings.")
    try:
        settings = from_dict(saved)
    except InputError as error:
        raise InputError(f"{folder / CONFIG}: {error}") from error
    record = read_json(folder / DATA)
    if not isinstance(record, dict) or not {"fingerprint", "modalities"} <= set(record):
        raise InputError(f"{folder / DATA} is damaged: it lacks the record of the data. Train the run again.")
    return settings, record


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished seed from its folder.

    Raises:
        InputError: it is damaged.
    """
    result = read_json(folder / RESULT)
    if not isinstance(result, dict) or not all(isinstance(result.get(key), kind) for key, kind in _RESULT_KEYS.items()):
        raise InputError(
            f"{folder / RESULT} is damaged: it lacks one of {', '.join(_RESULT_KEYS)}. "
            f"Remove {folder} and go on with coral train --resume."
        )
    return result


def load_objective(
    folder: Path, seed: int | None = None, encoders: Mapping[str, EncoderLike] | None = None
) -> Objective:
    """The trained objective of one seed of a run (the first finished one by default), in evaluation mode.

    Raises:
        InputError: no such run or seed, or weights that do not fit.
    """
    settings, record = open_run(folder)
    finished = [s for s in settings.seeds if (folder / f"seed-{s}" / WEIGHTS).is_file()]
    if seed is None and finished:
        seed = finished[0]
    if seed not in finished:
        raise InputError(
            f"{folder} has no trained seed{'' if seed is None else f' {seed}'}; it has {finished or 'none'}."
        )
    return _restore(settings, modalities_of(record), folder / f"seed-{seed}" / WEIGHTS, encoders).eval()


def modalities_of(record: Mapping[str, Any]) -> tuple[Modality, ...]:
    """Modalities from the record of the data.

    Raises:
        InputError: the record is damaged.
    """
    modalities = []
    try:
        for entry in record["modalities"]:
            fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
            modalities.append(Modality(**fields))
    except (AttributeError, TypeError) as error:
        raise InputError(f"{DATA} of the run is damaged ({error}). Train the run again.") from error
    return tuple(modalities)


def _restore(
    settings: RunSettings, modalities: tuple[Modality, ...], path: Path, encoders: Mapping[str, EncoderLike] | None
) -> Objective:
    objective = build_objective(settings, modalities, encoders)
    try:
        objective.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise types of their own
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"The weights {path} cannot be loaded: {reason}. Remove {path.parent} and go on with coral train --resume."
        ) from error
    return objective


def _score(trained: Trained, seed: int, data: MultimodalData, settings: RunSettings) -> dict[str, Any]:
    scores, apart = {}, {}
    if _can_score(data):
        scores = score_parts(embed_data(trained.objective, data), data, settings.probe)
        apart = separate(trained.objective, data)
    return {
        "seed": seed,
        "scores": scores,
        "disentanglement": apart,
        "train": {
            "seconds": trained.seconds,
            "samples_per_second": trained.samples_per_second,
            "peak_memory_bytes": trained.peak_memory_bytes,
            "parameters": sum(p.numel() for p in trained.objective.parameters() if p.requires_grad),
        },
        "history": trained.history,
    }


def _finish_seed(folder: Path, objective: Objective, result: dict[str, Any]) -> None:
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in objective.state_dict().items()}
    with write_aside(folder / WEIGHTS) as aside:
        save_file(state, aside)
    write_json(folder / RESULT, result)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _check(settings: RunSettings, data: MultimodalData, encoders: Mapping[str, EncoderLike] | None) -> None:
    """Refuse what cannot be trained before anything is written, so that the mended command finds a free folder."""
    pick_device(settings.training.device)
    if len(data.unlabelled) < 2:
        raise InputError(f"Training needs at least two samples, {data.name} has {len(data.unlabelled)}.")
    with torch.random.fork_rng(devices=[]):
        build_objective(settings, data.modalities, encoders)


def _can_score(data: MultimodalData) -> bool:
    return bool(data.tasks) and data.test is not None


def _spread(task: Task, scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Values of the seeds with mean and sample deviation (null for one seed), other metrics beside them."""

    def summary(values: list[float]) -> dict[str, Any]:
        std = statistics.stdev(values) if len(values) > 1 else None
        return {"values": values, "mean": statistics.mean(values), "std": std}

    also = {
        name: summary([score["also"][name] for score in scores if name in score["also"]]) for name in scores[0]["also"]
    }
    chance = {} if task.chance is None else {"chance": task.chance}
    return {"metric": scores[0]["metric"], **chance, **summary([score["value"] for score in scores]), "also": also}


def _open_folder(folder: Path, settings: RunSettings, data: MultimodalData, resume: bool) -> None:
    record = {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "modalities": [asdict(modality) for modality in data.modalities],
        "tasks": [asdict(task) for task in data.tasks],
        "samples": {label: len(split) for label, split in data.splits().items()},
        "notes": list(data.notes),
    }
    if os.path.exists(folder / CONFIG):  # noqa: PTH110 - False, not an error, for a name that is too long
        if not resume:
            raise InputError(
                f"{folder} holds a run already. Add --resume to go on with it, or choose another --output."
            )
        _refuse_other_run(folder, settings, record)
    write_text(folder / CONFIG, settings.to_yaml())
    write_json(folder / DATA, record)
    write_json(folder / ENVIRONMENT, environment())


def _refuse_other_run(folder: Path, settings: RunSettings, record: Mapping[str, Any]) -> None:
    saved, data = open_run(folder)
    was = _flat(saved.as_dict()) | {"data fingerprint": data["fingerprint"]}
    now = _flat(settings.as_dict()) | {"data fingerprint": record["fingerprint"]}
    ignored = {"seeds", "data", "training.device", "training.checkpoint_seconds"}
    changed = [k for k in {**was, **now} if k not in ignored and was.get(k) != now.get(k)]
    if changed:
        listed = "; ".join(f"{key}: saved {was.get(key)!r}, asked {now.get(key)!r}" for key in changed)
        raise InputError(f"{folder} holds another run ({listed}). Choose another --output.")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _views_spec(settings: RunSettings, augmentations: Mapping[str, Callable[..., Any]] | None) -> Any:
    if not augmentations:
        return settings.views
    if isinstance(settings.views, str):
        raise InputError("Give views by modality where one of them is a function.")
    return {**settings.views, **augmentations}


def _say(label: str, line: str) -> None:
    sys.stderr.write(f"{label} {line}\n".lstrip())


def _silent(line: str) -> None:
    del line
