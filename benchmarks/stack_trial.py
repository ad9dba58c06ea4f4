"""Several seeds as one model, against the same seeds one after the other: a trial of what this would gain.

    python benchmarks/stack_trial.py --output benchmarks/records/stack_trial.json

One training step of five seeds. ``stacked`` is what ``torch.func`` makes of them: parameters with a leading axis of
seeds, one call under ``vmap``, one optimiser. Each seed has its initialisation, batch, views and masks, and its losses
are compared with those of the steps one after the other. Where ``vmap`` refuses an operation of the package, an equal
one stands in its place here; ``--refused`` lists what it refuses.

Both ways take turns in one process. With one thread their CPU time is compared, with more the wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from stack_cases import CASES, Case
from stack_refused import refusals
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from coral_plugin.data import MultimodalBatch, MultimodalData
from coral_plugin.io.files import write_json
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.networks.feedforward import feed_forward
from coral_plugin.objectives import Objective, Step
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.objectives.coral import Coral
from coral_plugin.objectives.coral_terms import coral_terms, view_masks
from coral_plugin.runs.environment import environment
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.recipe import make_augmenter
from coral_plugin.runs.settings import RunSettings
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.randomness import fold
from coral_plugin.training.step import TrainingStep, make_optimiser

STEPS = 10_000  # of the training that the measured ones belong to
FEED_FORWARD = "feed-forward"


@dataclass(frozen=True)
class Seed:
    """The training of one seed: its step and its batches."""

    training: TrainingStep
    loader: BatchLoader

    @classmethod
    def of(cls, seed: int, settings: RunSettings, data: MultimodalData, encoders: Mapping[str, EncoderLike]) -> Seed:
        """The training of ``seed`` as ``coral train`` begins it."""
        torch.manual_seed(fold(seed, "initialisation"))
        objective = build_objective(settings, data.modalities, data.tasks, encoders)
        training = TrainingStep(objective, make_augmenter(settings, data, None), seed, STEPS)
        return cls(training, BatchLoader(data.unlabelled, settings.training.batch_size, seed))

    def prepare(self, number: int) -> Step:
        """Batch and views of a step."""
        return self.training.prepare(self.loader.batch(number), number)


class OneByOne:
    """Seeds one after the other."""

    def __init__(self, seeds: list[Seed], settings: RunSettings) -> None:
        self.seeds = seeds
        self.optimisers = [make_optimiser(seed.training.objective, settings.training) for seed in seeds]

    def step(self, number: int) -> Tensor:
        """Losses ``(S,)`` of a step of every seed."""
        losses = []
        for seed, optimiser in zip(self.seeds, self.optimisers, strict=True):
            optimiser.zero_grad(set_to_none=True)
            total, _ = seed.training(seed.prepare(number))
            total.backward()
            optimiser.step()
            losses.append(total.detach())
        return torch.stack(losses)


class _Loss(nn.Module):
    """The total loss of two views; COrAL's masks are tensors here, since each seed masks other modalities."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, views: Any, padding: dict[str, Tensor], kept: Any) -> Tensor:
        batches = [MultimodalBatch(dict(view), dict(padding)) for view in views]
        objective = self.objective
        if not isinstance(objective, Coral):
            return objective.loss(Step(batches[0], batches[-1], 0.0))["total"]
        parts = []
        for batch, keep in zip(batches, kept, strict=True):
            tokens, masks = objective.shared.tokenise(batch)
            tokens = {name: token * keep[name].unsqueeze(-1) for name, token in tokens.items()}
            unique = {f"unique/{name}": objective._unique(batch, name) for name in batch}
            parts.append(objective._project({"shared": objective.shared.fusion(tokens, masks), **unique}, batch))
        return coral_terms(*parts, settings=objective.settings)["total"]


class Stacked:
    """Seeds as one model."""

    def __init__(self, seeds: list[Seed], settings: RunSettings) -> None:
        self.seeds = seeds
        module = _Loss(seeds[0].training.objective)
        stacked, self.buffers = stack_module_state([_Loss(seed.training.objective) for seed in seeds])
        self.parameters = {name: value.detach().requires_grad_() for name, value in stacked.items()}
        names = {id(value): name for name, value in module.named_parameters()}
        groups = parameter_groups(module.objective, settings.training.weight_decay)
        for group in groups:
            group["params"] = [self.parameters[names[id(value)]] for value in group["params"]]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.training.learning_rate, fused=True)
        self.tokens: dict[str, int] = {}
        if isinstance(module.objective, Coral):
            with torch.no_grad():
                tokens, _ = module.objective.eval().shared.tokenise(seeds[0].loader.batch(0))
            module.objective.train()
            self.tokens = {name: value.shape[1] for name, value in tokens.items()}
        self.loss = vmap(lambda *state_and_step: functional_call(module, state_and_step[:2], state_and_step[2:]))

    def step(self, number: int) -> Tensor:
        """Losses ``(S,)`` of a step of every seed."""
        steps = tree_map(_joined, *(self._prepare(seed, number) for seed in self.seeds))
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.loss(self.parameters, self.buffers, *steps)
        losses.sum().backward()
        self.optimiser.step()
        return losses.detach()

    def _prepare(self, seed: Seed, number: int) -> tuple[Any, ...]:
        """Views, padding and, for COrAL, which tokens each view keeps, from the seed's generator."""
        step, objective = seed.prepare(number), seed.training.objective
        views = (step.raw,) if objective.needs_raw else (step.first, step.second)
        kept: tuple[dict[str, Tensor], ...] = ()
        if self.tokens:
            # a batch of padded samples ends with its longest one
            tokens = self.tokens | {name: mask.shape[1] for name, mask in step.first.padding.items()}
            masks = view_masks(objective.settings, list(tokens), step.progress, step.generator)
            kept = tuple(
                {
                    name: torch.rand(step.first.size, count, generator=step.generator) >= mask[name]
                    if mask.get(name)
                    else torch.ones(step.first.size, count, dtype=torch.bool)
                    for name, count in tokens.items()
                }
                for mask in masks
            )
        return tuple(view.tensors for view in views), step.first.padding, kept


def _joined(*values: Tensor) -> Tensor:
    """Tensors of all seeds as one; shorter ones of padded samples get further steps of padding."""
    longest = max(value.shape[1:2] for value in values)
    more = [(0, 0) * (value.ndim - 2) + (0, longest[0] - value.shape[1]) if longest else () for value in values]
    return torch.stack(
        [F.pad(value, pad, value=value.dtype == torch.bool) for value, pad in zip(values, more, strict=True)]
    )


class _Count(TorchDispatchMode):
    """Operations that reach the kernels."""

    calls = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return function(*args, **(kwargs or {}))


class FeedForwards:
    """The feed-forward of a layer on as many valid steps as a batch of MOSI's shapes has, which no ``vmap`` pads."""

    def __init__(self, seeds: int, steps: int = 770, width: int = 40, hidden: int = 2048) -> None:
        torch.manual_seed(0)
        self.x = torch.randn(seeds, steps, width)
        self.layers = [(nn.Linear(width, hidden), nn.Linear(hidden, width)) for _ in range(seeds)]
        weights = [[layer.weight.t() for layer in place] for place in zip(*self.layers, strict=True)]
        biases = [[layer.bias.unsqueeze(0) for layer in place] for place in zip(*self.layers, strict=True)]
        self.weights = [torch.stack(part).detach().requires_grad_() for part in weights]
        self.biases = [torch.stack(part).detach().requires_grad_() for part in biases]

    def one_by_one(self, _: int) -> Tensor:
        """Output sums ``(S,)``, with the gradients of all weights."""
        inputs = [x.clone().requires_grad_() for x in self.x]
        sums = [feed_forward(x, *layers).sum() for x, layers in zip(inputs, self.layers, strict=True)]
        for total in sums:
            total.backward()
        return torch.stack(sums).detach()

    def stacked(self, _: int) -> Tensor:
        """The same by batched products."""
        x = self.x.clone().requires_grad_()
        hidden = torch.baddbmm(self.biases[0], x, self.weights[0]).relu_()
        sums = torch.baddbmm(self.biases[1], hidden, self.weights[1]).sum(dim=(1, 2))
        sums.sum().backward()
        return sums.detach()


def in_turns(
    ways: tuple[Callable[[int], Tensor], Callable[[int], Tensor]], threads: int, rounds: int
) -> dict[str, Any]:
    """Seconds, operations and first losses ``(S,)`` of two ways, which get the number of the step."""
    names = ("one by one", "stacked")
    first = [way(0) for way in ways]
    calls = []
    for way in ways:
        with _Count() as count:
            way(1)
        calls.append(count.calls)
    clock = time.process_time if threads == 1 else time.perf_counter
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(2, 2 + rounds):
        for way, times in zip(ways, taken, strict=True):
            start = clock()
            way(number)
            times.append(clock() - start)
    return {
        "rounds": rounds,
        "seconds": {name: statistics.median(times) for name, times in zip(names, taken, strict=True)},
        "gain": statistics.median(a / b for a, b in zip(*taken, strict=True)),
        "operations": dict(zip(names, calls, strict=True)),
        "relative_difference": ((first[0] - first[1]) / first[0]).abs().max().item(),
    }


def measure(case: Case, seeds: int, threads: int, rounds: int) -> dict[str, Any]:
    """A step of all seeds, views included."""
    settings, data = case.load()
    numbers = range(41, 41 + seeds)
    alone = OneByOne([Seed.of(n, settings, data, case.alone) for n in numbers], settings)
    together = Stacked([Seed.of(n, settings, data, case.together) for n in numbers], settings)
    return in_turns((alone.step, together.step), threads, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*CASES, FEED_FORWARD]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, help="5 by default, 2 of MOSI's shapes")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--refused", action="store_true", help="only list what vmap refuses")
    parser.add_argument("--output", type=Path, help="JSON record")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "There is a performance drop")
    refused = refusals()
    rows = []
    if arguments.refused:
        for operation, reason in refused.items():
            print(f"{operation}: {reason or 'taken'}")
        return
    for name in arguments.cases:
        for threads in arguments.threads:
            load = os.getloadavg()[0]
            torch.set_num_threads(threads)
            if name == FEED_FORWARD:
                words, seeds = "feed-forward of MOSI's valid steps, by hand", arguments.seeds or 5
                layers = FeedForwards(seeds)
                row = in_turns((layers.one_by_one, layers.stacked), threads, arguments.rounds)
            else:
                words, seeds = CASES[name].words, arguments.seeds or CASES[name].seeds
                row = measure(CASES[name], seeds, threads, arguments.rounds)
            rows.append({"case": words, "seeds": seeds, "threads": threads, "load_before": load, **row})
            print(
                f"{words}: {seeds} seeds, {threads} thread{'s' * (threads > 1)}: {row['gain']:.2f} times as fast "
                f"(load {load:.1f}, losses differ by {row['relative_difference']:.0e})",
                flush=True,
            )
            if arguments.output:
                write_json(arguments.output, {"environment": environment(), "refused": refused, "rows": rows})


if __name__ == "__main__":
    main()
