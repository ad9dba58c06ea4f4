"""The head of a script's task on a frozen representation.

A linear map: its training is convex but for the choice of the penalty, so it has one solution, which depends neither on
a seed nor on a learning rate that the script chose for networks of another kind, and its score is that of the
representation.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coral_plugin.errors import DivergedError
from coral_plugin.multibench.task import ScriptTask

PENALTIES = tuple(10.0**i for i in range(0, -6, -1))
_ITERATIONS = 200
_SAY_EVERY = 5.0  # seconds


class LinearHead(nn.Module):
    """Standardised features ``(B, d)`` to outputs ``(B, *shape)`` by one linear map.

    Args:
        mean: Mean of each feature, ``(d,)``.
        std: Standard deviation of each feature, ``(d,)``; positive.
        shape: Shape of the output for one sample.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.shape = tuple(shape)
        self.linear = nn.Linear(len(mean), math.prod(shape))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, d)`` to ``(B, *shape)``."""
        out: Tensor = self.linear((features - self.mean) / self.std)
        return out.view(-1, *self.shape)


@dataclass(frozen=True)
class FittedHead:
    """A head and how it was chosen.

    Attributes:
        head: Linear head in 32-bit floats, on the CPU.
        score: Score on valid by the task's metric; greater is better.
        penalty: Penalty of the squared weights that scored best.
    """

    head: LinearHead
    score: float
    penalty: float


def fit_head(
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    task: ScriptTask,
    say: Callable[[str], None] = lambda _: None,
) -> FittedHead:
    """Fit a head for each penalty, from the greatest to the smallest, and keep the one that is best on valid.

    Minimises ``loss + penalty * |W|² / 2`` by L-BFGS in double precision, each fit from where the last one ended. Of
    equals the greater penalty wins.

    Args:
        train: Features ``(N, d)`` and labels as the loader gives them.
        valid: Features and labels of other samples.
        task: Task of the script.
        say: Function called with a line of progress where fitting takes long.

    Raises:
        DivergedError: no penalty gives a finite score.
    """
    features, truth = train[0].double(), train[1]
    std, mean = torch.std_mean(features, dim=0, correction=0)
    std = torch.where(std > 1e-8 * mean.abs(), std, torch.ones_like(std))
    head = LinearHead(mean, std, task.shape).double()
    loss = _in_double(task)
    nn.init.zeros_(head.linear.weight)
    nn.init.zeros_(head.linear.bias)
    best: tuple[float, float, dict[str, Tensor]] | None = None
    last_line = time.monotonic()
    for number, penalty in enumerate(PENALTIES):
        if time.monotonic() - last_line > _SAY_EVERY:
            last_line = time.monotonic()
            say(f"fitting the head: penalty {number + 1} of {len(PENALTIES)}")
        _minimise(head, lambda: loss.loss_of(head(features), truth) + penalty * head.linear.weight.square().sum() / 2)  # noqa: B023
        with torch.no_grad():
            score = loss.score(head(valid[0].double()), valid[1])
        if math.isfinite(score) and (best is None or score > best[0]):
            best = score, penalty, {name: value.clone() for name, value in head.state_dict().items()}
    if best is None:
        raise DivergedError(
            "The head's loss on valid is not finite for any penalty; look for odd labels in the script's data."
        )
    score, penalty, state = best
    head.load_state_dict(state)
    return FittedHead(head.float(), score, penalty)


def _minimise(head: LinearHead, loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(
        head.linear.parameters(), max_iter=_ITERATIONS, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)


def _in_double(task: ScriptTask) -> ScriptTask:
    """The task with its class weights, where it has any, in double precision on the CPU."""
    return ScriptTask(task.kind, copy.deepcopy(task.loss).double().cpu(), task.shape)
