"""A script's ``train(...)`` under another objective: pre-training, a head of its task, a model for ``test``."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# before MultiBench's packages can be imported: it looks for torchvision, and would find what stands in for it there
import lightning_fabric  # noqa: F401
import torch
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from coral_plugin.data import MultimodalData, Split
from coral_plugin.data.loader_batches import in_order
from coral_plugin.errors import InputError, counted
from coral_plugin.evaluation.features import EMBED_BATCH, evaluating
from coral_plugin.io.files import write_json
from coral_plugin.multibench.encoders import wrapped
from coral_plugin.multibench.head import fit_head
from coral_plugin.multibench.isolation import bound
from coral_plugin.multibench.model import RepresentationModel, features, save_model
from coral_plugin.multibench.reading import Script, first_batch, read_script
from coral_plugin.multibench.record import ScriptRun
from coral_plugin.multibench.task import ScriptTask, output_shape, script_task
from coral_plugin.multibench.training import INTERCEPTED
from coral_plugin.multibench.tune import TuneSettings, tune
from coral_plugin.objectives import Objective
from coral_plugin.runs.run import run as train_run
from coral_plugin.runs.settings import RunSettings, make_settings
from coral_plugin.training import processes
from coral_plugin.training.randomness import generator

HEAD_FILE = "head.json"
_DATASET = "dataloaders"


@contextlib.contextmanager
def install(run: ScriptRun) -> Iterator[list[Path]]:
    """Inside, MultiBench's ``train`` pre-trains ``run.objective`` instead, for scripts that import it from then on.

    For use where MultiBench's packages can be imported. The signature of ``train`` stays, in any version of it. Yields
    a list that grows with every call, by the folder of its training.

    Raises:
        InputError: settings that do not fit each other, before the script reads its data.
    """
    _settings(run, script_epochs=1)
    module = import_module(INTERCEPTED)
    original = module.train
    folders: list[Path] = []

    @functools.wraps(original)
    def train(*arguments: Any, **named: Any) -> None:
        call = bound(original, arguments, named)
        folders.append(run.folder / f"train-{len(folders) + 1}" if folders else run.folder)
        train_script(call.arguments, run, folders[-1])

    module.train = train  # type: ignore[attr-defined]
    try:
        yield folders
    finally:
        module.train = original  # type: ignore[attr-defined]


def train_script(call: dict[str, Any], run: ScriptRun, folder: Path) -> None:
    """Replacement of one ``train(...)`` of a script.

    Args:
        call: Arguments of ``train`` by name, including defaults.
        run: Run of the script.
        folder: Run directory of this training.

    Raises:
        InputError: data, modules or settings that do not fit each other; the message says which.
        Interrupted: SIGTERM or Ctrl-C; nothing is saved under the script's file name, and ``resume`` goes on.
    """
    if processes.launcher() is not None:
        raise InputError("coral run works in one process; start it without torchrun or SLURM.")
    settings = _settings(run, int(call["total_epochs"]))
    packed = bool(call["is_packed"])
    values, lengths, truth = first_batch(in_order(call["train_dataloader"], "train")[0], packed)
    if len(call["encoders"]) < len(values):
        raise InputError(f"The script has {len(call['encoders'])} encoders for {len(values)} modalities.")
    shape = output_shape(call["encoders"], call["fusion"], call["head"], values, lengths)
    task = script_task(call["task"], call["objective"], shape, truth)
    script = read_script(
        call["train_dataloader"],
        call["valid_dataloader"],
        values,
        packed,
        kinds=settings.source.kinds,
        say=run.say,
    )
    # an encoder that --set names wins over the script's
    encoders = wrapped(call["encoders"], script.data, script.batches, leave=settings.network.encoders)
    run.say(_plan(settings, script.data))
    finished = train_run(
        settings, folder=folder, resume=run.resume, quiet=run.quiet, data=script.data, encoders=encoders
    )
    model, scores = _with_head(finished.objectives[run.seed], script, task, call, run)
    save_model(model, Path(call["save"]))
    record = {"objective": run.objective, "task": task.kind, "metric": task.metric, "saved": str(call["save"])}
    write_json(folder / HEAD_FILE, {"schema": 1, **record, **scores})
    run.say(
        f"{run.head} head on {scores['features']} features: {task.metric} on valid {scores['valid']:.4f}; saved to "
        f"{call['save']}, the run to {folder}"
    )


def _settings(run: ScriptRun, script_epochs: int) -> RunSettings:
    chosen = dict(run.chosen)
    settings = make_settings(run.objective, _DATASET, preset=run.preset, seeds=(run.seed,), **chosen)
    if settings.training.devices > 1:
        raise InputError(
            f"coral run works in one process; training.devices must be 1, got {settings.training.devices}."
        )
    if "training.epochs" not in chosen or run.epochs is not None:
        epochs = min(script_epochs, settings.training.epochs) if run.epochs is None else run.epochs
        chosen["training.epochs"] = epochs
        settings = make_settings(run.objective, _DATASET, preset=run.preset, seeds=(run.seed,), **chosen)
    return settings


def _with_head(
    objective: Objective, script: Script, task: ScriptTask, call: dict[str, Any], run: ScriptRun
) -> tuple[RepresentationModel, dict[str, Any]]:
    """The objective with a head of the task, frozen or trained further, and the scores for its record."""
    device = next((p.device for p in objective.parameters()), torch.device("cpu"))
    splits = {label: split.to(device) for label, split in script.data.splits().items()}
    truths = dict(script.truths)
    sampler = getattr(call["train_dataloader"], "sampler", None)
    if isinstance(sampler, WeightedRandomSampler):  # where the script draws some samples more often, the head does
        drawn = _drawn(sampler.weights, run.seed)
        splits["train"], truths["train"] = splits["train"].subset(drawn), truths["train"][drawn]
    features_of = {label: (_features(objective, split), truths[label]) for label, split in splits.items()}
    fitted = fit_head(features_of["train"], features_of["valid"], task, run.say)
    model = RepresentationModel(objective, script.batches, fitted.head.to(device))
    scores = {"features": features_of["train"][0].shape[1], "head": run.head, "penalty": fitted.penalty}
    score = fitted.score
    if run.head == "finetuned":
        settings = _tune_settings(call, run)
        score, scores["best_epoch"] = tune(model, splits, truths, task, settings, score, run.say)
    return model, {**scores, "valid": abs(score), "valid_frozen": abs(fitted.score)}


def _tune_settings(call: dict[str, Any], run: ScriptRun) -> TuneSettings:
    return TuneSettings(
        optimiser=call["optimtype"],
        learning_rate=call["lr"],
        weight_decay=call["weight_decay"],
        epochs=run.epochs or int(call["total_epochs"]),
        batch_size=getattr(call["train_dataloader"], "batch_size", None) or EMBED_BATCH,
        clip=call["clip_val"],
        early_stop=bool(call["early_stop"]),
        seed=run.seed,
    )


def _features(objective: Objective, split: Split) -> Tensor:
    """``(N, d)`` on the CPU, in evaluation mode."""
    with evaluating(objective):
        return torch.cat([features(objective, batch).cpu() for batch in split.batches(EMBED_BATCH)])


def _drawn(weights: Tensor, seed: int) -> Tensor:
    return torch.multinomial(
        weights.double(), len(weights), replacement=True, generator=generator(seed, "head-samples")
    )


def _plan(settings: RunSettings, data: MultimodalData) -> str:
    modalities = ", ".join(f"{m.name} {m.shape}" for m in data.modalities)
    return (
        f"{settings.objective} in place of the script's training: {counted(settings.training.epochs, 'epoch')} on "
        f"{len(data.train)} samples of {modalities}, without labels"
    )
