"""A process that takes training steps of this package on command, for ``train_speed.py``.

``python speed_step.py '{"shape": "mosi", "method": "coral", "chosen": {}, "plain": {}}'``. It writes one line of JSON
when it is ready; then, for each number of steps that it reads, their seconds and the rate of a matrix product measured
right after them; and for ``end`` its peak memory and the floating-point operations of a step.

The steps are those of ``coral train``: its loader, its views, its engine. Operations are counted in the plain twin
(``plain``: settings that switch fast paths off), so that a result computed twice counts once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from speed_shapes import SHAPES, data_of, settings_of
from torch.utils.flop_counter import FlopCounterMode

from coral_plugin.data import MultimodalData
from coral_plugin.machine import peak_memory
from coral_plugin.objectives import Step
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.recipe import make_augmenter
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training import processes
from coral_plugin.training.engine import Engine
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.log import EpochLog
from coral_plugin.training.numerics import compiled
from coral_plugin.training.signals import StopRequest
from coral_plugin.training.step import TrainingStep

WARM_UP = 1


def matmul_rate(size: int = 2048, repeats: int = 4) -> float:
    """Greatest rate of a square float32 matrix product, in FLOP/s."""
    a, b = torch.randn(2, size, size)
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def answers() -> Callable[[Any], None]:
    """A function that writes a line of JSON to standard output, where nothing else is written from now on."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def answer(content: Any) -> None:
        print(json.dumps(content), file=lines, flush=True)

    return answer


class _Timed(TrainingStep):
    """A training step that notes when its views were ready."""

    ready = 0.0

    def prepare(self, *arguments: Any) -> Step:
        step = super().prepare(*arguments)
        self.ready = time.perf_counter()
        return step


class _Commands:
    """What happens between two steps: seconds are noted, and after a block of steps the next command is awaited."""

    def __init__(self, training: _Timed, loader: BatchLoader, finish: Callable[[], dict[str, Any]]) -> None:
        self.training, self.loader, self.finish = training, loader, finish
        self.answer = answers()
        self.wanted, self.whole, self.model = WARM_UP, [], []
        self.start = time.perf_counter()

    def __call__(self, steps: int) -> None:
        now = time.perf_counter()
        if self.loader.size(steps - 1) == self.loader.batch_size:  # the last batch of a pass is smaller
            self.whole.append(now - self.start)
            self.model.append(now - self.training.ready)
        if len(self.whole) == self.wanted:
            self.answer({"whole": self.whole, "model": self.model, "matmul": matmul_rate()})
            self._await()
        self.start = time.perf_counter()

    def _await(self) -> None:
        command = sys.stdin.readline().strip()
        if not command.isdigit():
            self._end()
        self.wanted, self.whole, self.model = int(command), [], []

    def _end(self) -> NoReturn:
        self.answer(self.finish())
        sys.exit(0)


def operations(settings: RunSettings, data: MultimodalData, loader: BatchLoader, batches: int) -> float:
    """Mean floating-point operations of the matrix products and convolutions of a step."""
    objective = build_objective(settings, data.modalities, data.tasks)
    training = TrainingStep(objective, make_augmenter(settings, data, None), 0, 100 * len(loader))
    torch.set_num_threads(1)  # the counter sees nothing of other threads
    with FlopCounterMode(display=False) as counter:
        for number in range(batches):
            training(training.prepare(loader.batch(number), number))[0].backward()
    return counter.get_total_flops() / batches


def main() -> None:
    wanted = json.loads(sys.argv[1])
    shape, method = wanted["shape"], wanted["method"]
    torch.set_num_threads(SHAPES[shape].threads)
    settings = settings_of(shape, method, wanted["chosen"])
    data = data_of(shape, settings)
    fabric = processes.fabric(settings.training, "cpu")
    loader = BatchLoader(data.unlabelled, settings.training.batch_size, 0)
    torch.manual_seed(0)
    objective = build_objective(settings, data.modalities, data.tasks)
    training = _Timed(objective, make_augmenter(settings, data, None), 0, 10_000 * len(loader))

    def finish() -> dict[str, Any]:
        peak = peak_memory()  # before the count, which needs memory of its own
        return {
            "peak_memory_bytes": peak,
            "operations": operations(
                settings_of(shape, method, wanted["plain"]), data, loader, min(3, SHAPES[shape].steps)
            ),
            "parameters": sum(p.numel() for p in objective.parameters()),
            "batch_size": loader.batch_size,
            "threads": torch.get_num_threads(),
        }

    commands = _Commands(training, loader, finish)
    engine = Engine(fabric, training, loader, settings.training, EpochLog(None), after_step=commands)
    with compiled(objective, settings.training.compile), StopRequest() as request:
        engine.run(request)


if __name__ == "__main__":
    main()
