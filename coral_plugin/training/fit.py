"""Train one objective with one seed."""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from coral_plugin.augmentations import Augmenter
from coral_plugin.data import Split
from coral_plugin.distributed import rank, world_size
from coral_plugin.errors import InputError
from coral_plugin.machine import forget_peak, peak_memory
from coral_plugin.networks.batchnorm import synchronise
from coral_plugin.objectives import Objective
from coral_plugin.training import processes
from coral_plugin.training.checkpoint import Checkpoints
from coral_plugin.training.engine import Engine
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.log import LOG, EpochLog
from coral_plugin.training.memory import check_step, memory_errors
from coral_plugin.training.numerics import compiled, deterministic
from coral_plugin.training.progress import Progress
from coral_plugin.training.randomness import fold
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import Interrupted, StopRequest
from coral_plugin.training.step import TrainingStep


@dataclass(frozen=True)
class Trained:
    """One trained seed.

    Attributes:
        objective: The trained module, on the training device.
        history: One record an epoch (loss terms, schedules, learning rate, steps skipped, samples per second).
        seconds: Wall time of the epochs.
        samples_per_second: Over all epochs.
        peak_memory_bytes: Greatest memory of the process (CPU) or of the device's allocator (GPU).
        steps: Steps of the optimiser, those that were skipped included.
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
    """``auto``, ``cpu`` or ``cuda`` to a device.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, but torch sees no GPU; take --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_machine(settings: TrainingSettings) -> None:
    """Refuse settings that this machine cannot follow.

    Raises:
        InputError: no GPU, or a precision that the device does not have.
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
    samples: int | None = None,
) -> Trained:
    """Train the objective that ``build`` makes on the samples of ``split``.

    With ``settings.devices`` processes these are started here, and this one gets what they have trained; inside a group
    of processes that exists already, each of them calls this. The global random state of torch is used inside and
    restored afterwards.

    Args:
        build: Makes the objective; called once, under the seed. With several processes it must be picklable.
        split: Samples, with targets for an objective that needs labels.
        augmenter: Makes the two views of a batch.
        settings: Of the training.
        seed: Decides on initialisation, order, views, masks and dropout.
        folder: For ``metrics.csv``, the checkpoints and TensorBoard's log (where it is installed); None writes nothing.
            Checkpoints stay in it, so that what was trained can be asked for again with ``resume``.
        resume: Go on from the folder's checkpoint if there is one.
        quiet: No progress on standard error.
        label: Said in front of every line, where several trainings share standard error; lines then, no bar.
        after_epoch: Called with the objective and the number of the epoch that is over; the training ends where it
            returns True. For one process that writes no folder: nothing of it is in a checkpoint.
        samples: Samples of an epoch; None is the split once, and more repeat it in new orders (:class:`BatchLoader`).

    Raises:
        DivergedError: the loss is not finite.
        InputError: settings or data that do not fit.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint is written.
    """
    check_machine(settings)
    if world_size() == 1:
        check_step(build, split, settings, pick_device(settings.device), partial(_warn, label, quiet=quiet))
    if after_epoch is not None and (folder is not None or settings.devices > 1 or world_size() > 1):
        raise ValueError("after_epoch is for a training in one process that writes no folder")
    if settings.devices == 1 or world_size() > 1:
        return _train_here(build, split, augmenter, settings, seed, folder, resume, quiet, label, after_epoch, samples)
    BatchLoader(
        split, settings.batch_size, seed, 0, settings.devices, samples
    )  # refuses what the processes would refuse
    with contextlib.ExitStack() as stack:
        at = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coral-")))
        job = partial(_train_here, build, split, augmenter, settings, seed, at, resume, quiet, label, samples=samples)
        processes.train_in_processes(job, settings)
        # they have left a checkpoint of the finished training
        return _train_here(
            build, split, augmenter, settings, seed, at, resume=True, quiet=True, label=label, samples=samples
        )


def _train_here(
    build: Callable[[], Objective],
    split: Split,
    augmenter: Augmenter,
    settings: TrainingSettings,
    seed: int,
    folder: Path | None,
    resume: bool,
    quiet: bool,
    label: str,
    after_epoch: Callable[[Objective, int], bool] | None = None,
    samples: int | None = None,
) -> Trained:
    """:func:`train` in this process, which may be one of a group."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=range(torch.cuda.device_count())))
        stack.enter_context(_quiet_lightning())
        stack.enter_context(deterministic(settings.deterministic))
        fabric = processes.fabric(settings, pick_device(settings.device).type)
        first = rank() == 0
        progress = Progress(f"{label} seed {seed}".strip(), settings.epochs, quiet=quiet or not first, bar=not label)
        stack.callback(progress.close)
        kept = Checkpoints(folder, progress.say) if folder is not None and first else None
        if kept is not None and not resume:
            kept.remove()
        state = processes.first_from(lambda: kept.load() if kept is not None and resume else None)
        torch.manual_seed(fold(seed, "weights"))
        objective = build().to(fabric.device)
        if world_size() > 1:
            synchronise(objective)
        loader = BatchLoader(split.to(fabric.device), settings.batch_size, seed, rank(), world_size(), samples)
        steps = settings.epochs * len(loader)
        double = settings.precision == "64-true"
        log = EpochLog(folder / LOG if folder and first else None, progress, *_board(folder if first else None, stack))
        stack.enter_context(compiled(objective, settings.compile))
        training = TrainingStep(objective, augmenter, seed, steps, rank(), double=double)
        save = None if kept is None else partial(_keep, kept, fabric)
        engine = Engine(fabric, training, loader, settings, log, save, after_epoch)
        peak = 0
        if state is not None:
            _check_state(state, folder, seed=seed, steps=steps)
            engine.restore(state)
            peak = state["peak_memory_bytes"]
        if fabric.device.type == "cuda":
            forget_peak(str(fabric.device))
        if engine.step < steps:
            # before the first step of one process nothing is lost, and it may take long: torch imports and compiles
            with StopRequest(patient=world_size() > 1) as request, memory_errors(split, settings):
                engine.run(request)
            peak = peak_memory(str(fabric.device))
            if request.number:
                raise Interrupted(request.number, engine.place())
        engine.optimiser.zero_grad(set_to_none=True)
        if double:
            objective.float()  # the probe's features are float32, whatever the training
    seconds = sum(row["seconds"] for row in log.rows)
    rate = sum(row["seconds"] * row["samples_per_second"] for row in log.rows) / seconds
    seen = engine.step // len(loader) * loader.samples
    return Trained(objective, log.rows, seconds, rate, peak, engine.step, seen)


def _warn(label: str, line: str, *, quiet: bool) -> None:
    if not quiet:
        sys.stderr.write(f"{label} {line}\n".lstrip())


def _keep(kept: Checkpoints, fabric: Any, state: dict[str, Any]) -> None:
    kept.save({**state, "peak_memory_bytes": peak_memory(str(fabric.device))})


def _check_state(state: dict[str, Any], folder: Path | None, **wanted: int) -> None:
    """Refuse a checkpoint of another training than this."""
    if state["step"] < state["steps"]:  # what is finished may be read by a single process
        wanted["processes"] = world_size()
    if changed := [f"{key}: saved {state[key]}, now {value}" for key, value in wanted.items() if state[key] != value]:
        raise InputError(
            f"The checkpoint in {folder} is of another training ({'; '.join(changed)}). Go on as it was begun, or "
            f"remove {folder} to train this seed anew."
        )


def _board(folder: Path | None, stack: contextlib.ExitStack) -> list[Callable[[dict[str, float]], None]]:
    """TensorBoard's log, where it is installed."""
    if folder is None or find_spec("tensorboard") is None:
        return []
    from lightning_fabric.loggers import TensorBoardLogger

    logger = TensorBoardLogger(folder, name="tensorboard", version="")
    stack.callback(logger.finalize, "success")
    return [lambda record: logger.log_metrics(record, step=int(record["step"]))]


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's advice is for people who write a loop; those who run this package get errors only."""
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
