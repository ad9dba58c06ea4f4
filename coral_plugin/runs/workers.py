"""The processes that train the seeds of a run: how many at a time, what the record says of it, and the training."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from coral_plugin import machine
from coral_plugin.data import MultimodalData
from coral_plugin.errors import CoralError, InputError, counted, one_line
from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import ENVIRONMENT, read_environment
from coral_plugin.runs.folder import RESULT, held, prepare_folder
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training import processes
from coral_plugin.training.fit import Trained
from coral_plugin.training.jobs import UnsendableError
from coral_plugin.training.loggers import Loggers
from coral_plugin.training.memory import StepMemory
from coral_plugin.training.progress import duration
from coral_plugin.training.side_by_side import (
    Team,
    TrainSeed,
    Workers,
    divide,
    time_here,
    time_together,
    visible_gpus,
)
from coral_plugin.training.signals import Interrupted

_SHORT = 60.0  # seconds of all trainings, below which the start of processes is not worth while
_GAIN = 0.9  # greatest share of the time for which processes are started
_ROOM = 0.8  # share of the memory that trainings side by side may take
_SERIAL = "one after the other"


def recorded_workers(folder: Path) -> Workers | None:
    """How the seeds of a run that goes on were trained so far; None where none has begun."""
    if not any(folder.glob("seed-*")):
        return None
    record = read_environment(folder)
    saved = [record.get(key) for key in ("workers", "threads")]
    # a run of an earlier version trained one seed after the other
    count, threads = (value if isinstance(value, int) and value > 0 else None for value in saved)
    return Workers(count or 1, threads or torch.get_num_threads())


def record_workers(folder: Path, workers: Workers) -> None:
    """Write the choice where a run that goes on finds it."""
    write_json(folder / ENVIRONMENT, {**read_environment(folder), "workers": workers.count, "threads": workers.threads})


def choose_workers(
    workers: int | None,
    recorded: Workers | None,
    settings: RunSettings,
    steps: int,
    train_seed: Callable[..., Trained],
    memory: StepMemory | None,
    say: Callable[[str], None],
) -> Workers:
    """How many seeds are trained at a time, and with how many threads; one line says it.

    On a CPU steps are measured: some of one training with all threads, then the same ones in processes side by side.

    Args:
        workers: Trainings at a time that the user wants; None leaves the choice to this function.
        recorded: Choice with which the run began; None for a new run.
        settings: Run settings.
        steps: Steps of the training of one seed.
        train_seed: Function that trains a seed.
        memory: Memory of a training step; None where it is not known.
        say: Function that gets the line.

    Raises:
        Interrupted: a signal came while steps were measured.
    """
    seeds, threads = len(settings.seeds), torch.get_num_threads()
    alone = Workers(1, threads)
    if recorded is not None and workers in (None, recorded.count):
        if recorded.count > 1:
            say(f"seeds: {_at_a_time(recorded)}, as the run began")
        return alone if recorded.count == 1 else recorded
    if workers == 1 or seeds == 1:
        return alone
    if settings.training.devices > 1:
        return alone
    gpus = visible_gpus(settings.training.device)
    if workers is not None:
        count = min(workers, seeds)
        chosen = Workers(count, max(1, threads // count))
        say(f"seeds: {_at_a_time(chosen)}")
        return chosen
    if gpus:
        chosen = Workers(min(len(gpus), seeds), max(1, threads // min(len(gpus), seeds)))
        several = chosen.count > 1
        way = f"{_at_a_time(chosen)}, each on a GPU" if several else f"{_SERIAL} (--workers N: N at a time on this GPU)"
        say(f"seeds: {way}")
        return chosen
    try:
        chosen, why = _measured(settings, steps, train_seed, memory, alone)
    except Interrupted as stopped:
        raise Interrupted(stopped.number) from stopped  # at a step of no training
    say(f"seeds: {_SERIAL if chosen.count == 1 else _at_a_time(chosen)}: {why}")
    return chosen


def _at_a_time(workers: Workers) -> str:
    return f"{workers.count} at a time, {counted(workers.threads, 'thread')} each"


def _measured(
    settings: RunSettings, steps: int, train_seed: Callable[..., Trained], memory: StepMemory | None, alone: Workers
) -> tuple[Workers, str]:
    """The faster way on a CPU, and why."""
    seeds = settings.seeds
    if alone.threads == 1:
        return alone, "there is one thread"
    if settings.training.compile:
        return alone, "compiling takes too long to be measured; --workers N trains N at a time"
    fits = len(seeds)
    if memory is not None:
        fits = min(fits, int((_ROOM * memory.available - machine.resident()) / memory.need))
    if fits < 2:
        return alone, "two at a time do not fit into memory"
    chosen = divide(len(seeds), alone.threads)
    chosen = divide(fits, alone.threads) if fits < chosen.count else chosen
    try:
        measured = time_here(train_seed, seeds[0])
        if measured is None or len(seeds) * steps * measured[0] < _SHORT:
            return alone, f"together they take less than {duration(_SHORT)}"
        with Team(train_seed, chosen) as team:
            seconds, start = time_together(team, seeds[0], measured[1])
    except UnsendableError as error:
        return alone, f"something from Python cannot be sent to other processes ({error})"
    except CoralError as error:
        return alone, f"other ways could not be measured ({one_line(error, 120)})"
    serial = len(seeds) * steps * measured[0]
    full, rest = divmod(len(seeds), chosen.count)
    # the last few have no more than all threads
    last = min(1.0, max(rest * chosen.threads, alone.threads) / (chosen.count * chosen.threads)) if rest else 0.0
    estimate = (full + last) * steps * seconds + (full + (rest > 0)) * start
    times = f"about {duration(estimate)} in place of {duration(serial)}, measured over {measured[1]} steps"
    if estimate < _GAIN * serial:
        return chosen, f"{times} (--workers 1: {_SERIAL})"
    return alone, f"{chosen.count} at a time would take {times}"


def check_workers(workers: int | None, settings: RunSettings, memory: StepMemory | None) -> None:
    """Refuse what the user wants of :func:`choose_workers` and cannot have; called before anything is written.

    Raises:
        InputError: fewer than one at a time, processes within processes, or more than fit into the memory of the
            machine, or of each of its GPUs.
    """
    if workers is None or workers == 1:
        return
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    count = min(workers, len(settings.seeds))
    if count > 1 and settings.training.devices > 1:
        raise InputError("--workers and training.devices both start processes; leave one of them at 1.")
    devices = max(1, len(visible_gpus(settings.training.device)))
    if count > 1 and memory is not None and (need := -(-count // devices) * memory.need) > memory.available:
        raise InputError(
            f"--workers {count}: the trainings take about {need / 2**30:.1f} GiB of memory, and {memory.owner} has "
            f"{memory.available / 2**30:.1f}; take at most {int(memory.available / memory.need) * devices}."
        )


@contextlib.contextmanager
def trained_side_by_side(
    settings: RunSettings,
    workers: Workers,
    folder: Path | None,
    resume: bool,
    train_seed: Callable[..., Trained],
    say: Callable[[str], None],
) -> Iterator[tuple[Path, dict[int, CoralError]]]:
    """Train the seeds that are not finished, each in a process of its own.

    Yields:
        Folder of the seeds, which exists inside the block, and why seeds have failed; the others are trained to their
        last checkpoint.

    Raises:
        InputError: the training cannot be sent to another process.
        Interrupted: a signal came; each training has left a checkpoint.
    """
    failures: dict[int, CoralError] = {}
    with contextlib.ExitStack() as stack:
        if folder is None:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coral-")))
            train_seed = partial(train_seed, loggers=Loggers(()))
        else:
            base = folder
        seeds = [seed for seed in settings.seeds if not (base / f"seed-{seed}" / RESULT).exists()]

        def failed(number: int, error: CoralError) -> None:
            failures[seeds[number]] = error
            say(f"seed {seeds[number]}: failed ({one_line(error, 300)})")

        tasks = [TrainSeed(seed, base / f"seed-{seed}", resume) for seed in seeds]
        try:
            if tasks:
                with Team(train_seed, workers, visible_gpus(settings.training.device)) as team:
                    team.run(tasks, failed)
        except UnsendableError as error:
            raise InputError(
                f"--workers {workers.count} starts processes, and something given from Python cannot be sent to them "
                f"({error}); define it at the top of a module, or take --workers 1."
            ) from error
        yield base, failures


def raise_failures(failures: dict[int, CoralError], finished: list[int]) -> None:
    """Raise why a seed has failed, once the others are kept.

    Raises:
        CoralError: of the kind of the first failure.
    """
    if not failures:
        return
    seed, error = min(failures.items())
    more = f" Seeds {', '.join(map(str, sorted(failures)))} failed." if len(failures) > 1 else ""
    kept = f" Finished: {', '.join(map(str, finished))}." if finished else ""
    raise type(error)(f"Seed {seed}: {error}{more}{kept}") from error


def train_together(
    settings: RunSettings,
    data: MultimodalData,
    folder: Path | None,
    resume: bool,
    train_seed: Callable[..., Trained] | None,
    holding: contextlib.ExitStack,
) -> None:
    """Train every seed in the processes that torchrun or SLURM started; only the first of them comes back.

    Args:
        settings: Run settings.
        data: Data set.
        folder: Run directory.
        resume: Whether the run in ``folder`` is continued.
        train_seed: Function that trains a seed; None for a method that does not train.
        holding: Stack that keeps the folder held.

    Raises:
        InputError: there is no folder.
        SystemExit: in every process but the first.
    """
    if folder is None:
        raise InputError("Under torchrun or SLURM a run needs an output folder, where its checkpoints are kept.")

    def prepare() -> list[int]:
        holding.enter_context(held(folder))
        prepare_folder(folder, settings, data, resume)
        return [seed for seed in settings.seeds if not (folder / f"seed-{seed}" / RESULT).exists()]

    processes.join_outside(settings.training)
    for seed in processes.first_from(prepare):
        if train_seed is not None:
            train_seed(seed, folder=folder / f"seed-{seed}", resume=resume)
    if not processes.leave():
        raise SystemExit(0)
