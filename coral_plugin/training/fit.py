"""Train one objective with one seed."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from coral_plugin.augmentations.pipeline import Augmenter
from coral_plugin.data import Split
from coral_plugin.distributed import rank, world_size
from coral_plugin.errors import InputError, say
from coral_plugin.io.safetensors import write_tensors
from coral_plugin.machine import forget_peak, peak_memory
from coral_plugin.networks.batchnorm import synchronise
from coral_plugin.objectives import Objective
from coral_plugin.training import processes
from coral_plugin.training.checkpoint import Checkpoints, kept_weights
from coral_plugin.training.engine import Engine
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.log import LOG, EpochLog
from coral_plugin.training.loggers import Loggers
from coral_plugin.training.memory import check_step, memory_errors
from coral_plugin.training.numerics import compiled, deterministic
from coral_plugin.training.progress import Progress
from coral_plugin.training.randomness import fold, own_random_state
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import Interrupted, StopRequest
from coral_plugin.training.step import TrainingStep


@dataclass(frozen=True)
class Trained:
    """One trained seed.

    Attributes:
        objective: The trained module, on the training device.
        history: One record per epoch (loss terms, schedules, learning rate, steps skipped, samples per second).
        seconds: Wall time of the epochs.
        samples_per_second: Mean rate over all epochs.
        peak_memory_bytes: Greatest memory of the process (CPU) or of the device's allocator (GPU).
        steps: Steps of the optimiser, including skipped ones.
        samples: Samples in the batches of these steps, of all processes together; repeated ones are counted again.
    """

    objective: Objective
    history: list[dict[str, float]]
    seconds: float
    samples_per_second: float
    peak_memory_bytes: int
    steps: int = 0
    samples: int = 0


def pick_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: a GPU is required and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, but torch sees no GPU; take --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_machine(settings: TrainingSettings) -> None:
    """Refuse settings that this machine cannot follow.

    Raises:
        InputError: there is no GPU, or the device does not have the precision.
    """
    device = pick_device(settings.device)
    if settings.precision == "16-mixed" and device.type == "cpu":
        raise InputError("training.precision 16-mixed needs a GPU; on a CPU take bf16-mixed or 32-true.")


def train(
    build: Callable[[], Objective],
    split: Split,
    augmenter: Augmenter,
    settings: TrainingSettings,
    seed: int,
    *,
    folder: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    label: str = "",
    after_epoch: Callable[[Objective, int], bool] | None = None,
    after_step: Callable[[int], None] | None = None,
    samples: int | None = None,
    loggers: Loggers | None = None,
    check_memory: bool = True,
) -> Trained:
    """Train the objective that ``build`` makes on the samples of ``split``.

    With several ``settings.devices`` this starts as many processes, and returns what they have trained; inside a group
    of processes that exists already, each of them calls this. The global random state of torch is used inside and
    restored afterwards.

    Args:
        build: Function that makes the objective; called once, under the seed. With several processes it must be
            picklable.
        split: Samples, with targets for an objective that needs labels.
        augmenter: Function that makes the two views of a batch.
        settings: Training settings.
        seed: Seed of initialisation, order, views, masks and dropout.
        folder: Folder of ``metrics.csv``, the checkpoints and what ``loggers`` write; None writes nothing. Checkpoints
            stay in it, so that a call with ``resume`` returns the same training again.
        resume: Whether to continue from the folder's checkpoint if there is one.
        quiet: Whether to print no progress on standard error.
        label: Words in front of every line, where several trainings share standard error; lines then, no bar.
        after_epoch: Function of the objective and the number of the epoch that is over; the training ends where it
            returns True. Only for one process that writes no folder: nothing of it is in a checkpoint.
        after_step: Function of the number of steps that are over; it may end the training by raising. Only for one
            process.
        samples: Samples per epoch; None is the split once, and more repeat it in new orders (:class:`BatchLoader`).
        loggers: Loggers of the run; by default TensorBoard's where it is installed.
        check_memory: Whether to measure first whether a step fits into memory; False where the caller has done it.

    Raises:
        DivergedError: the loss is not finite.
        InputError: settings or data that do not fit.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint is written.
    """
    check_machine(settings)
    if check_memory and world_size() == 1:
        check_step(build, split, settings, pick_device(settings.device), partial(say, label=label, quiet=quiet))
    if after_epoch is not None and (folder is not None or settings.devices > 1 or world_size() > 1):
        raise ValueError("after_epoch is for a training in one process that writes no folder")
    job = partial(
        _train, build, split, augmenter, settings, seed, folder=folder, resume=resume, quiet=quiet, label=label,
        after_epoch=after_epoch, after_step=after_step, samples=samples, loggers=loggers or Loggers(),
    )  # fmt: skip
    if settings.devices == 1 or world_size() > 1:
        return job()
    # refuses what each process would refuse
    BatchLoader(split, settings.batch_size, seed, 0, settings.devices, samples)
    with contextlib.ExitStack() as stack:
        if folder is None:
            job = partial(job, folder=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coral-"))))
        processes.train_in_processes(job, settings)
        # they have left a checkpoint of the finished training
        return job(resume=True, quiet=True)


def _train(
    build: Callable[[], Objective],
    split: Split,
    augmenter: Augmenter,
    settings: TrainingSettings,
    seed: int,
    *,
    folder: Path | None,
    resume: bool,
    quiet: bool,
    label: str,
    after_epoch: Callable[[Objective, int], bool] | None,
    after_step: Callable[[int], None] | None,
    samples: int | None,
    loggers: Loggers,
) -> Trained:
    """:func:`train` in this process, which may be one of a group."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_random_state(gpus=True))
        stack.enter_context(_quiet_lightning())
        stack.enter_context(deterministic(settings.deterministic))
        fabric = processes.fabric(settings, pick_device(settings.device).type)
        first = rank() == 0
        name, quiet = f"{label} seed {seed}".strip(), quiet or not first
        loader = BatchLoader(split.to(fabric.device), settings.batch_size, seed, rank(), world_size(), samples)
        steps = settings.epochs * len(loader)
        progress = Progress(name, settings.epochs, steps, quiet=quiet, bar=not label)
        stack.callback(progress.close)
        written = folder if first else None  # by one process of a group
        checkpoints = Checkpoints(written, progress.say) if written is not None else None
        if checkpoints is not None and not resume:
            checkpoints.remove()
        state = processes.first_from(lambda: checkpoints.load() if checkpoints and resume else None)
        torch.manual_seed(fold(seed, "weights"))
        objective = build().to(fabric.device)
        if world_size() > 1:
            synchronise(objective)
        double = settings.precision == "64-true"
        log = EpochLog(written / LOG if written else None, progress)
        stack.enter_context(compiled(objective, settings.compile))
        training = TrainingStep(objective, augmenter, seed, steps, rank(), double=double)
        save = None if checkpoints is None else partial(_save, checkpoints, fabric)
        keep = None if written is None or not settings.keep_every else partial(_keep, written, objective, settings)

        def ended_step(step: int) -> None:
            progress.step(step)
            if after_step is not None:
                after_step(step)

        engine = Engine(fabric, training, loader, settings, log, save, keep, after_epoch, ended_step)
        peak = 0
        if state is not None:
            _check_state(state, folder, seed=seed, steps=steps)
            engine.restore(state)
            peak = state["peak_memory_bytes"]
        if fabric.device.type == "cuda":
            forget_peak(str(fabric.device))
        if engine.step < steps:
            # before the first step of one process nothing is lost, and it may take long: torch imports and compiles
            with (
                StopRequest(patient=world_size() > 1) as request,
                memory_errors(split, settings),
                loggers.opened(written, seed, resume=resume) as write,
            ):
                log.listeners = (*log.listeners, write)
                engine.run(request)
            peak = peak_memory(str(fabric.device))
            if request.number:
                raise Interrupted(request.number, engine.place())
        engine.optimiser.zero_grad(set_to_none=True)
        if double:
            objective.float()  # the probe's features are float32 in any case
    log.end()
    seconds = sum(row["seconds"] for row in log.rows)
    rate = sum(row["seconds"] * row["samples_per_second"] for row in log.rows) / seconds
    seen = engine.step // len(loader) * loader.samples
    return Trained(objective, log.rows, seconds, rate, peak, engine.step, seen)


def _save(checkpoints: Checkpoints, fabric: Any, state: dict[str, Any]) -> None:
    checkpoints.save({**state, "peak_memory_bytes": peak_memory(str(fabric.device))})


def _keep(folder: Path, objective: Objective, settings: TrainingSettings, epochs: int) -> None:
    """Keep the weights after so many epochs where they are due; the last ones are kept in any case."""
    if epochs % settings.keep_every == 0 and epochs < settings.epochs:
        weights = objective.state_dict()
        if settings.precision == "64-true":  # as the last ones are kept
            weights = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        write_tensors(folder / kept_weights(epochs), weights)


def _check_state(state: dict[str, Any], folder: Path | None, **wanted: int) -> None:
    """Refuse a checkpoint of another training."""
    if state["step"] < state["steps"]:  # what is finished may be read by a single process
        wanted["processes"] = world_size()
    if changed := [f"{key}: saved {state[key]}, now {value}" for key, value in wanted.items() if state[key] != value]:
        raise InputError(
            f"The checkpoint in {folder} is of another training ({'; '.join(changed)}). Go on as it was begun, or "
            f"remove {folder} to train this seed anew."
        )


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Inside, Lightning prints errors only: its advice is for people who write a training loop."""
    loggers = [logging.getLogger(name) for name in ("lightning_fabric", "lightning_fabric.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        # a convolution in another memory layout: slower by a copy, not wrong
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
