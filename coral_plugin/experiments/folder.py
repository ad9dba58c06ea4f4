"""The run directory: what it holds, how it is opened, and when it is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save_file

from coral_plugin.data import Modality, MultimodalData, Task
from coral_plugin.errors import InputError
from coral_plugin.experiments.environment import environment
from coral_plugin.experiments.settings import RunSettings, from_dict
from coral_plugin.files import read_json, read_text, write_aside, write_json, write_text
from coral_plugin.networks import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.registry import OBJECTIVES
from coral_plugin.training.fit import CHECKPOINT

CONFIG, DATA, METRICS, ENVIRONMENT, LOG = "config.yaml", "data.json", "metrics.json", "environment.json", "metrics.csv"
WEIGHTS, RESULT = "model.safetensors", "result.json"
_RESULT_KEYS = {"scores": dict, "disentanglement": dict, "train": dict, "history": list}


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
    path = folder / f"seed-{seed}" / WEIGHTS
    return restore(settings, modalities_of(record), tasks_of(record), path, encoders).eval()


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


def tasks_of(record: Mapping[str, Any]) -> tuple[Task, ...]:
    """Tasks from the record of the data.

    Raises:
        InputError: the record is damaged.
    """
    try:
        return tuple(Task(**{**entry, "classes": tuple(entry["classes"])}) for entry in record["tasks"])
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{DATA} of the run is damaged ({error}). Train the run again.") from error


def build_objective(
    settings: RunSettings,
    modalities: tuple[Modality, ...],
    tasks: tuple[Task, ...] = (),
    encoders: Mapping[str, EncoderLike] | None = None,
) -> Objective:
    """A fresh objective, its parameters drawn from torch's global generator."""
    objective: Objective = OBJECTIVES.get(settings.objective)(modalities, settings.network, settings.method, encoders)
    objective.prepare(tasks)
    return objective


def restore(
    settings: RunSettings,
    modalities: tuple[Modality, ...],
    tasks: tuple[Task, ...],
    path: Path,
    encoders: Mapping[str, EncoderLike] | None,
) -> Objective:
    """A fresh objective with the weights in ``path``.

    Raises:
        InputError: the weights cannot be read, or are of another objective.
    """
    objective = build_objective(settings, modalities, tasks, encoders)
    try:
        objective.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise types of their own
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"The weights {path} cannot be loaded: {reason}. Remove {path.parent} and go on with coral train --resume."
        ) from error
    return objective


def prepare_folder(folder: Path, settings: RunSettings, data: MultimodalData, resume: bool) -> None:
    """Write what a run is before it begins: settings, record of the data, environment.

    Raises:
        InputError: the folder holds a run and ``resume`` is false, or another run than this one.
    """
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


def finish_seed(folder: Path, objective: Objective, result: dict[str, Any]) -> None:
    """Write weights and result of a seed, the result last: it says that the seed is complete."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in objective.state_dict().items()}
    with write_aside(folder / WEIGHTS) as aside:
        save_file(state, aside)
    write_json(folder / RESULT, result)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
