"""The run directory: what it holds, how it is opened, and when it is refused."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from coral_plugin.data import Modality, MultimodalData, Task
from coral_plugin.errors import CoralError, InputError, one_line, short
from coral_plugin.io.files import read_json, write_json, write_text
from coral_plugin.io.safetensors import saved_shapes, write_tensors
from coral_plugin.io.yamlfile import flat, read_yaml
from coral_plugin.networks.factory import EncoderLike, recorded_encoders, refuse_recorded
from coral_plugin.objectives import Objective
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.environment import ENVIRONMENT, environment, read_environment
from coral_plugin.runs.lock import LOCK, locked
from coral_plugin.runs.recipe import network_for
from coral_plugin.runs.result import incomplete, misfit
from coral_plugin.runs.settings import RunSettings, build, from_dict
from coral_plugin.training.checkpoint import Checkpoints, clear_asides, sync_folder
from coral_plugin.training.loggers import LIBRARIES
from coral_plugin.training.weights import OtherShapesError, built_with

CONFIG, DATA, METRICS = "config.yaml", "data.json", "metrics.json"
WEIGHTS, RESULT, PLOTS = "model.safetensors", "result.json", "plots"
_RECORD = f"{DATA} of the run"
_FOLDERS = (PLOTS, *LIBRARIES)  # what is written into a run directory
_SEED = ("seed-*", "seed-*/*.*", *map("seed-*/{}".format, LIBRARIES))
_OURS = ("*.yaml", "*.json", "*.csv", *_SEED, PLOTS, "plots/*.*", LOCK)
# settings that may differ when a run goes on: those that change no number of it, other seeds, and what becomes of a
# step that is not finite (a run that was stopped there has had none)
_FREE_OF_TRAINING = ("device", "checkpoint_seconds", "keep_every", "timeout_seconds", "on_nonfinite")
# entries of environment.json that a run keeps from its beginning
_KEPT = ("when", "workers", "threads")
_FREE = {"seeds", "data", *map("training.{}".format, _FREE_OF_TRAINING)}


def open_run(folder: Path) -> tuple[RunSettings, dict[str, Any]]:
    """Settings and the record of the data of a run directory.

    Raises:
        InputError: the folder holds no run, or a damaged one.
    """
    if not os.path.isfile(folder / CONFIG):  # noqa: PTH113 - False, not an error, for a name that is too long
        raise InputError(f"{folder} holds no run: there is no {CONFIG} in it. Give the folder that coral train wrote.")
    saved = read_yaml(folder / CONFIG)
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
    if wrong := misfit(result):
        raise InputError(f"{folder / RESULT} is damaged: {wrong}. Remove {folder} and go on with coral train --resume.")
    checked: dict[str, Any] = result
    return checked


def load_objective(
    folder: Path,
    seed: int | None = None,
    encoders: Mapping[str, EncoderLike] | None = None,
    settings: RunSettings | None = None,
    weights: str = WEIGHTS,
) -> Objective:
    """The trained objective of one seed of a run (the first finished one by default), in evaluation mode.

    Args:
        folder: Run directory.
        seed: Seed of the run; the first finished one by default.
        encoders: Modules or functions from Python, where the run was trained with them.
        settings: Settings that replace those of the run, for other losses on the same networks.
        weights: Name of the file of the seed, where it is not the last weights that are wanted
            (:func:`coral_plugin.training.checkpoint.kept_weights`).

    Raises:
        InputError: no such run or seed, or weights that do not fit.
    """
    trained, record = open_run(folder)
    path = folder / f"seed-{trained_seed(folder, trained, seed)}" / weights
    advice = "" if weights == WEIGHTS else f"Remove {path}; the others are scored without it"
    return restore(settings or trained, modalities_of(record), tasks_of(record), path, encoders, advice).eval()


def trained_seed(folder: Path, settings: RunSettings, seed: int | None) -> int:
    """``seed``, or the first finished one of the run in ``folder``.

    Raises:
        InputError: the run has no weights of it.
    """
    finished = [s for s in settings.seeds if (folder / f"seed-{s}" / WEIGHTS).is_file()]
    if seed is None and finished:
        return finished[0]
    if seed not in finished:
        raise InputError(
            f"{folder} has no trained seed{'' if seed is None else f' {seed}'}; it has {finished or 'none'}."
        )
    return seed


def modalities_of(record: Mapping[str, Any], source: Path | str = _RECORD) -> tuple[Modality, ...]:
    """Modalities from the record of the data.

    Raises:
        InputError: the record, which messages call ``source``, is damaged.
    """
    modalities: tuple[Modality, ...] = _rebuilt(Modality, record, "modalities", source)
    if not modalities or len({modality.name for modality in modalities}) < len(modalities):
        raise InputError(f"{source} is damaged (no modality, or one twice). Train the run again.")
    return modalities


def tasks_of(record: Mapping[str, Any], source: Path | str = _RECORD) -> tuple[Task, ...]:
    """Tasks from the record of the data, as :func:`modalities_of` reads the modalities."""
    return _rebuilt(Task, record, "tasks", source)


def _rebuilt(cls: type, record: Mapping[str, Any], key: str, source: Path | str) -> tuple[Any, ...]:
    entries = record.get(key)
    try:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{key} must be a list of mappings, got {short(entries)}")  # noqa: TRY301
        return tuple(build(cls, entry, cls.__name__.lower()) for entry in entries)
    except InputError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{source} is damaged ({reason}). Train the run again.") from error


def build_objective(
    settings: RunSettings,
    modalities: tuple[Modality, ...],
    tasks: tuple[Task, ...] = (),
    encoders: Mapping[str, EncoderLike] | None = None,
) -> Objective:
    """A fresh objective, its parameters drawn from torch's global generator."""
    network = network_for(settings, (modality.name for modality in modalities))
    objective: Objective = OBJECTIVES.get(settings.objective)(modalities, network, settings.method, encoders)
    objective.prepare(tasks)
    return objective


def restore(
    settings: RunSettings,
    modalities: tuple[Modality, ...],
    tasks: tuple[Task, ...],
    path: Path,
    encoders: Mapping[str, EncoderLike] | None,
    advice: str = "",
) -> Objective:
    """A fresh objective with the weights in ``path``; ``advice`` says what to do where they are damaged.

    Raises:
        InputError: the weights cannot be read, or are of another objective.
    """
    fresh = partial(build_objective, settings, modalities, tasks, encoders)
    try:
        objective = built_with(fresh, saved_shapes(path))
        state = load_file(path)
        if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
            raise ValueError(f"{bad[0]} holds values that are not finite")  # noqa: TRY301
        if odd := [name for name, tensor in state.items() if tensor.dtype != objective.state_dict()[name].dtype]:
            raise ValueError(f"{odd[0]} is of type {state[odd[0]].dtype}")  # noqa: TRY301
        objective.load_state_dict(state)
    except CoralError:
        raise
    except Exception as error:  # safetensors and torch raise types of their own
        reason = one_line(error)
        recorded = recorded_encoders(settings.network.encoders) if isinstance(error, OtherShapesError) else ""
        if recorded and not advice:
            advice = f"The run was trained with {recorded}: give the same in encoders="
        advice = advice or f"Remove {path.parent} and go on with coral train --resume"
        raise InputError(f"The weights {path} cannot be loaded: {reason}. {advice}.") from error
    return objective


def refuse_links_out(folder: Path) -> None:
    """Refuse a run directory in which something that we would write is a link to a place outside of it.

    Raises:
        InputError: there is such a link; or what must be a folder is none.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - False, not an error, for a name that is too long
        if os.path.exists(folder):  # noqa: PTH110
            raise InputError(f"{folder} is a file; choose another --output.")
        return
    home = Path(os.path.realpath(folder))
    for pattern in _OURS:
        for path in folder.glob(pattern):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
                raise InputError(
                    f"{path} is a link to {os.path.realpath(path)}, outside of {folder}, and is not written through; "
                    "remove it."
                )
            if path.name in _FOLDERS or path.name.startswith("seed-"):
                wrong = not path.is_dir()
            else:
                wrong = path.exists() and not path.is_file()
            if wrong and path.exists():
                raise InputError(f"{path} is in the way: a {'file' if path.is_file() else 'folder'}; remove it.")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run directory, which another process may not write into meanwhile.

    Raises:
        InputError: another process holds it, or it cannot be a run directory.
    """
    refuse_links_out(folder)
    with locked(folder):
        yield


def prepare_folder(folder: Path, settings: RunSettings, data: MultimodalData, resume: bool) -> None:
    """Write settings, record of the data and environment before a run begins; one that goes on keeps its date.

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
    refuse_links_out(folder)
    if os.path.exists(folder / CONFIG):  # noqa: PTH110 - False, not an error, for a name that is too long
        if not resume:
            raise InputError(
                f"{folder} holds a run already. Add --resume (in Python resume=True) to go on with it, or choose "
                f"another --output{_or_remove(folder)}."
            )
        _refuse_other_run(folder, settings, record)
        scored = [task.name for task in data.tasks] if data.test is not None else []
        for seed in settings.seeds:  # before the hours of the other seeds
            seed_folder = folder / f"seed-{seed}"
            if (seed_folder / RESULT).exists() and (wrong := incomplete(read_result(seed_folder), scored)):
                raise InputError(
                    f"{seed_folder / RESULT} is damaged: {wrong}. Remove {seed_folder} and go on with --resume."
                )
        clear_asides(folder)
    # the settings last: with them in it a folder holds a run, and a kill before that leaves none
    write_json(folder / DATA, record)
    kept = {key: value for key, value in read_environment(folder).items() if resume and key in _KEPT}
    write_json(folder / ENVIRONMENT, {**environment(), **kept})
    write_text(folder / CONFIG, settings.to_yaml())
    sync_folder(folder)


def _refuse_other_run(folder: Path, settings: RunSettings, record: Mapping[str, Any]) -> None:
    saved, data = open_run(folder)
    refuse_recorded(dict(saved.network.encoders.items() - settings.network.encoders.items()))
    was = flat(saved.as_dict()) | {"data fingerprint": data["fingerprint"]}
    now = flat(settings.as_dict()) | {"data fingerprint": record["fingerprint"]}
    differing = [k for k in {**was, **now} if k not in _FREE and was.get(k) != now.get(k)]
    # of a mapping that is empty on one side, the keys of the other are listed
    changed = [k for k in differing if not all(value in ({}, None) for value in (was.get(k), now.get(k)))]
    if changed:
        listed = "; ".join(f"{key}: saved {was.get(key)!r}, asked {now.get(key)!r}" for key in changed)
        raise InputError(f"{folder} holds another run ({listed}). Choose another --output{_or_remove(folder)}.")


def _or_remove(folder: Path) -> str:
    """What else to do with a run that was stopped before a seed was finished, as one that diverged."""
    return "" if any(folder.glob(f"*/{RESULT}")) else f", or remove {folder}: none of its seeds is finished"


def finish_seed(folder: Path, objective: Objective, result: dict[str, Any]) -> None:
    """Write weights and result of a seed, the result last: it says that the seed is complete."""
    write_tensors(folder / WEIGHTS, objective.state_dict())
    write_json(folder / RESULT, result)
    sync_folder(folder)  # before the checkpoints go
    Checkpoints(folder).remove()
