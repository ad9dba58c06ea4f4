"""Before the first step of a run: what cannot be trained is refused, and a few lines say what comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coral_plugin.data import MultimodalData
from coral_plugin.data.dataset import describe_modalities
from coral_plugin.errors import InputError, counted
from coral_plugin.evaluation.scoring import check_scoring
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.folder import CONFIG, build_objective, open_run
from coral_plugin.runs.recipe import make_augmenter, preset_note
from coral_plugin.runs.seed import can_score
from coral_plugin.runs.settings import RunSettings
from coral_plugin.runs.workers import check_workers
from coral_plugin.training import processes
from coral_plugin.training.fit import Trained, check_machine, pick_device, train
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.memory import StepMemory, check_step
from coral_plugin.training.weights import parameters_that_fit


def with_saved_seeds(settings: RunSettings, folder: Path | None, *, more: bool = True) -> RunSettings:
    """Settings for going on with the run in ``folder``: its seeds first, which stay in its records.

    Args:
        settings: Settings of the call.
        folder: Run directory; nothing changes where it holds no run yet.
        more: Whether the seeds of the call are added to those of the run.
    """
    if folder is None or not os.path.isfile(folder / CONFIG):  # noqa: PTH113 - False for a name that is too long
        return settings
    saved = open_run(folder)[0].seeds
    return replace(settings, seeds=(*saved, *(seed for seed in settings.seeds if more and seed not in saved)))


def check_run(settings: RunSettings, data: MultimodalData, encoders: Mapping[str, EncoderLike] | None) -> int:
    """Refuse what cannot be trained before anything is written, so that the mended command finds a free folder.

    Returns:
        Number of parameters of the method's networks.
    """
    check_machine(settings.training)
    if len(data.unlabelled) < 2:
        raise InputError(f"Training needs at least two samples, {data.name} has {len(data.unlabelled)}.")
    _require_modalities(settings.objective, data)
    if can_score(data):
        check_scoring(data, settings.probe)
    return parameters_that_fit(partial(build_objective, settings, data.modalities, data.tasks, encoders))


def _require_modalities(objective: str, data: MultimodalData) -> None:
    """Refuse fewer modalities than a method needs, with the methods that take as few."""
    count, needed = len(data.modalities), _fewest_modalities(objective)
    if count >= needed:
        return
    names = ", ".join(modality.name for modality in data.modalities)
    usable = (name for name in OBJECTIVES.names() if OBJECTIVES.fault(name) is None)
    others = ", ".join(name for name in usable if _fewest_modalities(name) <= count)
    least, few = ({1: "one", 2: "two"}.get(number, number) for number in (needed, count))
    raise InputError(
        f"{objective} needs at least {least} modalities, got {count} ({names}). Methods that take {few}: {others}."
    )


def _fewest_modalities(objective: str) -> int:
    # a plugin's method need not derive from Objective
    return int(getattr(OBJECTIVES.get(objective), "min_modalities", 1))


def opening_lines(settings: RunSettings, encoders: Mapping[str, EncoderLike] | None) -> Iterator[str]:
    """What a user may not expect of encoders from Python, of a SLURM allocation and of a preset on this data set."""
    if copied := [name for name, encoder in (encoders or {}).items() if isinstance(encoder, nn.Module)]:
        yield (
            f"encoder of {', '.join(copied)}: a module, so every pathway and seed starts from a copy of its weights; a "
            "class or a function of (modality, width) starts afresh"
        )
    if alone := processes.without_srun():
        yield alone
    if line := preset_note(settings.objective, settings.dataset, settings.preset):
        yield f"{settings.objective}: {line}"


def data_lines(data: MultimodalData) -> Iterator[str]:
    """How each modality was read, the samples of each split, notes of the data set, and why nothing will be scored."""
    counts = [f"{len(split):,} of {name}" for name, split in data.splits().items()]
    for line in (*describe_modalities(data), f"samples: {', '.join(counts)}", *data.notes, *_without_scores(data)):
        yield f"{data.name}: {line}"


def _without_scores(data: MultimodalData) -> list[str]:
    if not data.tasks:
        return ["no labels: the run trains and embeds, nothing will be scored"]
    if data.test is None:
        return ["no test split: nothing will be scored; give test/<modality> and test/labels"]
    return []


def training_line(settings: RunSettings, samples: int, steps: int, parameters: int, memory: StepMemory | None) -> str:
    """Parameters, steps, device and memory of the training of one seed.

    Args:
        settings: Run settings.
        samples: Samples per epoch.
        steps: Steps per epoch.
        parameters: Number of parameters of the method's networks.
        memory: Memory of a step; None where it is not known.
    """
    training = settings.training
    preset = f" ({settings.preset})" if settings.preset else ""
    size = min(training.batch_size, samples)
    facts = [
        f"{parameters:,} parameters",
        f"{counted(training.epochs, 'epoch')} of {counted(steps, 'step')}, {counted(size, 'sample')} each",
        f"{_device(training.device)}, {training.precision}",
    ]
    if training.devices > 1:
        facts.append(f"{training.devices} processes")
    if memory is not None:
        facts.append(f"about {memory.need / 2**30:.1f} GiB of memory")
    if len(settings.seeds) > 1:
        facts.append(f"{len(settings.seeds)} seeds")
    return f"{settings.objective}{preset}: {'; '.join(facts)}"


def _device(name: str) -> str:
    device = pick_device(name)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU with {counted(threads, 'thread')}"


@dataclass(frozen=True)
class Plan:
    """What the seeds of a run have in common, checked before anything is written.

    Attributes:
        build: Function that makes the objective.
        train: :func:`coral_plugin.training.fit.train` without seed and folder; None for a method that does not train.
        lines: Lines that say what comes.
        steps: Steps of the training of one seed; 0 where they are not counted.
        memory: Memory of a step; None where it is not measured.
    """

    build: Callable[[], Objective]
    train: Callable[..., Trained] | None
    lines: list[str]
    steps: int = 0
    memory: StepMemory | None = None


def plan_run(
    settings: RunSettings,
    data: MultimodalData,
    encoders: Mapping[str, EncoderLike] | None,
    augmentations: Mapping[str, Callable[..., Any]] | None,
    workers: int | None,
    *,
    quiet: bool,
    measured: bool,
) -> Plan:
    """Check everything that a run needs; ``measured`` where the memory of a step is to be measured here."""
    augmenter = make_augmenter(settings, data, augmentations)
    parameters = check_run(settings, data, encoders)
    method = OBJECTIVES.get(settings.objective)
    on_labels = method.trains_on_labels(settings.method)
    split, samples = data.train if on_labels else data.unlabelled, len(data.unlabelled)
    lines = [*data_lines(data)]
    if on_labels and samples != len(data.train):
        lines.append(
            f"{settings.objective} trains on the {len(data.train)} labelled samples, as many steps as on the {samples} "
            f"unlabelled ones"
        )
    build = partial(build_objective, settings, data.modalities, data.tasks, encoders)
    if not method.trains:
        return Plan(build, None, lines)
    training = settings.training
    train_seed = partial(train, build, split, augmenter, training, samples=samples, check_memory=not measured)
    if not measured:
        return Plan(build, train_seed, lines)
    always = not quiet or (workers != 1 and len(settings.seeds) > 1)
    memory = check_step(build, split, training, pick_device(training.device), lines.append, always=always)
    check_workers(workers, settings, memory)
    steps = len(BatchLoader(split, training.batch_size, settings.seeds[0], samples=samples))
    lines.append(training_line(settings, samples, steps, parameters, memory))
    return Plan(build, train_seed, lines, steps * training.epochs, memory)
