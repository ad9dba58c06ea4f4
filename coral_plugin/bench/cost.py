"""Costs of training, measured for one method after the other, each in a fresh process."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.bench.comparison import Comparison, Cost
from coral_plugin.bench.grid import Job
from coral_plugin.errors import InputError, one_line
from coral_plugin.io.files import read_json, write_json
from coral_plugin.machine import forget_peak, peak_memory
from coral_plugin.objectives import Objective
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import from_dict
from coral_plugin.training import processes
from coral_plugin.training.fit import pick_device, train
from coral_plugin.training.settings import TrainingSettings

COST_FILE = "cost.json"
MEASURED_STEPS = 20


def measure_costs(
    jobs: Sequence[Job], folder: Path, *, steps: int = MEASURED_STEPS, say: Callable[[str], None] | None = None
) -> dict[str, str]:
    """Measure each method on each data set that is not measured yet on its device, and keep the figures in ``folder``.

    Args:
        jobs: Runs of the grid; of each row and column the first condition and seed is measured, without its
            fine-tuning.
        folder: Folder of the grid, which gets ``cost.json``.
        steps: Steps per epoch; one epoch warms up, one is measured.
        say: Receiver of a line per measurement.

    Returns:
        ``{label: reason}`` of those that failed.
    """
    known, failed = read_costs(folder), {}
    for job in _first_of_each(jobs):
        if job.identity in known and known[job.identity]["device"] == _device_of(job, known[job.identity]["device"]):
            continue
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                figures = pool.submit(measure, job, steps).result()
        except Exception as error:  # of a plugin's method, or of a process that was killed
            failed[job.label] = one_line(error, 400, with_type=True)
            continue
        if figures is not None:
            known[job.identity] = figures
            write_json(folder / COST_FILE, known)
        if figures is not None and say is not None:
            say(f"cost of {job.row} on {job.column}: {figures['seconds']:.3g} s, {figures['memory'] / 2**20:.0f} MiB")
    return failed


def _device_of(job: Job, measured: str) -> str:
    """Kind of the device that a job would be measured on; ``measured`` where this machine has no such device."""
    try:
        return pick_device(from_dict(job.settings).training.device).type
    except InputError:
        return measured


def read_costs(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures that :func:`measure_costs` has kept, ``{identity of a run: figures}``."""
    path = folder / COST_FILE
    known = read_json(path) if path.is_file() else {}
    return known if isinstance(known, dict) else {}


def with_costs(comparison: Comparison, jobs: Sequence[Job], costs: Mapping[str, Mapping[str, Any]]) -> Comparison:
    """The comparison with measured costs in place of those of its runs, by column, as soon as one is measured there.

    A method that was not measured has no cost then: figures of two kinds in one column could not be compared.
    """
    by_cell = {
        (job.row, job.column): Cost(
            [figures["seconds"]], [figures["memory"]], figures["parameters"], alone=_circumstances(figures)
        )
        for job in _first_of_each(jobs)
        if (figures := costs.get(job.identity))
    }
    measured = {column for _, column in by_cell}
    rows = [
        dataclasses.replace(
            row,
            costs={
                column: cost
                for column, before in row.costs.items()
                if (cost := by_cell.get((row.method.name, column)) if column in measured else before)
            },
        )
        for row in comparison.rows
    ]
    return dataclasses.replace(comparison, rows=tuple(rows))


def measure(job: Job, steps: int) -> dict[str, Any] | None:
    """Figures of a training of ``2 * steps`` steps in this process; None for a method that does not train.

    ``seconds`` of 1,000 samples, on a CPU of processor time with one thread, which says the same on a quiet machine
    and on a busy one, on a GPU of wall time; ``memory``, bytes that the training adds to the process with its data
    loaded (GPU: peak of the allocator); ``parameters`` that are trained; and the circumstances.
    """
    settings = from_dict(job.settings)
    data = load_data(settings)
    build = partial(build_objective, settings, data.modalities, data.tasks, None)
    method = OBJECTIVES.get(settings.objective)
    if not method.trains:
        return None
    split = data.train if method.trains_on_labels(settings.method) else data.unlabelled
    batch = settings.training.batch_size
    split = split.subset(torch.arange(min(len(split), steps * batch)))
    training = dataclasses.replace(settings.training, epochs=2, devices=1)
    device = pick_device(training.device).type
    if device == "cpu":
        torch.set_num_threads(1)
    clock = _Clock()
    _warm_up()
    forget_peak()
    before = peak_memory()  # where nothing is forgotten the difference to it is a lower bound
    augmenter = build_augmenter(settings.augmentations, data.modalities, settings.plain_augmentations)
    trained = train(build, split, augmenter, training, job.seed, quiet=True, after_epoch=clock)
    wall, processor = clock.last_epoch()
    return {
        "seconds": 1000 / len(split) * (processor if device == "cpu" else wall),
        "memory": trained.peak_memory_bytes if device == "cuda" else peak_memory() - before,
        "parameters": sum(p.numel() for p in trained.objective.parameters() if p.requires_grad),
        "batch_size": batch,
        "steps": max(1, len(split) // batch),
        "device": device,
        "wall_seconds": 1000 / len(split) * wall,
    }


class _Clock:
    """Wall and processor time at the end of each epoch, as ``after_epoch`` of a training."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def __call__(self, objective: Objective, epoch: int) -> bool:
        del epoch
        if next(objective.parameters()).is_cuda:
            torch.cuda.synchronize()
        self.ends.append((time.perf_counter(), time.process_time()))
        return False

    def last_epoch(self) -> tuple[float, float]:
        (wall, processor), (end, processor_end) = self.ends[-2:]
        return end - wall, processor_end - processor


def _circumstances(figures: Mapping[str, Any]) -> str:
    clock = "processor time of one thread" if figures["device"] == "cpu" else "wall time"
    return f"batch size {figures['batch_size']}, {figures['device']}, {clock}"


def _warm_up() -> None:
    """Load what the first step of any training loads, whatever the method."""
    layer = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(layer.parameters(), fused=True)
    processes.fabric(TrainingSettings(), "cpu").setup(layer, optimiser)
    layer(torch.ones(2, 2)).sum().backward()
    optimiser.step()


def _first_of_each(jobs: Sequence[Job]) -> list[Job]:
    first: dict[tuple[str, str], Job] = {}
    for job in jobs:
        # fine-tuning replaces the settings' training; what is compared here is the training with the method's loss
        first.setdefault((job.row, job.column), job)
    return [job for job in first.values() if job.pretrained is None]
