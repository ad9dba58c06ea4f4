"""The loop over steps. Lightning Fabric does precision and DDP; what happens between steps is here in full."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from coral_plugin.distributed import rank, world_size
from coral_plugin.objectives import Objective
from coral_plugin.training.finite import are_finite, diverged
from coral_plugin.training.loader import BatchLoader
from coral_plugin.training.log import EpochLog
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import Interrupted, StopRequest
from coral_plugin.training.step import TrainingStep, learning_rate, make_optimiser, set_learning_rate


@dataclass
class Engine:
    """One training: its networks, optimiser, batches and log, from step ``step`` on.

    Attributes:
        fabric: Lightning's Fabric, launched, or :class:`coral_plugin.training.alone.Alone`.
        training: Module that computes the loss of a step, on the fabric's device.
        loader: Batches of this process.
        settings: Training settings.
        log: Log of the epochs.
        save: Function that gets the whole state, in process 0; None keeps no checkpoint.
        keep: Function that gets the number of epochs that are over, before the first one too; in process 0.
        after_epoch: Function of the objective and the epoch that is over; the training ends where it returns True.
        after_step: Function of the number of steps that are over.
        step: Number of finished steps.
    """

    fabric: Any
    training: TrainingStep
    loader: BatchLoader
    settings: TrainingSettings
    log: EpochLog
    save: Callable[[dict[str, Any]], None] | None = None
    keep: Callable[[int], None] | None = None
    after_epoch: Callable[[Objective, int], bool] | None = None
    after_step: Callable[[int], None] | None = None
    step: int = 0

    def __post_init__(self) -> None:
        self.optimiser = make_optimiser(self.training.objective, self.settings)
        self.module, self.stepper = self.fabric.setup(self.training, self.optimiser)
        precision = self.fabric.strategy.precision if hasattr(self.fabric, "strategy") else self.fabric
        self._scaler = getattr(precision, "scaler", None)
        # signals are agreed on through the CPU, so that no GPU has to wait for it
        self._group = dist.new_group(backend="gloo") if world_size() > 1 else None

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self.training.steps

    def place(self) -> str:
        """The present step in words, for the user."""
        return f"after step {self.step} of {self.steps} of seed {self.training.seed}"

    def run(self, request: StopRequest) -> None:
        """Take all steps that are left.

        Raises:
            DivergedError: a loss or gradient is not finite.
            Interrupted: ``request`` came; a checkpoint is written.
        """
        if self.keep is not None and self.step == 0:
            self.keep(0)
        self.log.start()
        saved = time.monotonic()
        while self.step < self.steps:
            stopped = self._take_step(self.step, request)
            self.step += 1
            request.patient = True
            if self.step % len(self.loader) == 0:
                epoch = self.step // len(self.loader) - 1
                if self.keep is not None:  # within the time of its own epoch
                    self.keep(epoch + 1)
                self._end_epoch()
                if self.after_epoch is not None and self.after_epoch(self.training.objective, epoch):
                    return
            if self.after_step is not None:
                self.after_step(self.step)
            due = time.monotonic() - saved >= self.settings.checkpoint_seconds
            if self.save is not None and rank() == 0 and (due or stopped or self.step == self.steps):
                self.save(self.state())
                saved = time.monotonic()
            if stopped:
                raise Interrupted(stopped, self.place())

    def _take_step(self, number: int, request: StopRequest) -> int:
        """Take one step; returns the number of the signal that came to any process."""
        set_learning_rate(self.optimiser, learning_rate(self.settings, number, self.steps))
        batch = self.loader.batch(number)
        step = self.training.prepare(batch, number)
        before = self._buffers()
        self.optimiser.zero_grad(set_to_none=True)
        total, values = self.module(step)
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            self.module,
            self.stepper,
            max_norm=self.settings.gradient_clip or float("inf"),
            error_if_nonfinite=False,
        )
        loss_is_finite, finite = (bool(x) for x in are_finite(values, norm).tolist())
        loss_is_finite, finite, stopped = self._agree(loss_is_finite, finite, request.number)
        if finite:
            self.stepper.step()
            self.log.add(self.training.names, values, self.loader.size(number))
        elif loss_is_finite and self._scaler is not None and self._scaler.get_scale() >= 1:
            # in half precision a gradient overflows now and then: its scaler skips the step and lowers the scale
            self.stepper.step()
            self.log.skip()
        elif self.settings.on_nonfinite == "skip":
            self._skip(before)
        else:
            place = f"step {number} of epoch {number // len(self.loader)}"
            raise diverged(self.training, batch, step, values, place)
        return stopped

    def _agree(self, loss_is_finite: bool, finite: bool, signal: int) -> tuple[bool, bool, int]:
        """What all processes do at this step: the worst of what each has seen."""
        if self._group is None:
            return loss_is_finite, finite, signal
        words = torch.tensor([not loss_is_finite, not finite, signal])
        dist.all_reduce(words, op=dist.ReduceOp.MAX, group=self._group)
        return not words[0], not words[1], int(words[2])

    def _skip(self, before: dict[str, Tensor]) -> None:
        if self._scaler is not None:
            self.stepper.step()  # it skips by itself, but expects the call
        self.optimiser.zero_grad(set_to_none=True)
        buffers = dict(self.training.named_buffers())
        for name, value in before.items():
            buffers[name].copy_(value)
        self.log.skip()

    def _buffers(self) -> dict[str, Tensor]:
        """Running statistics, which a batch that is not finite would spoil."""
        if self.settings.on_nonfinite == "stop":
            return {}
        return {name: value.clone() for name, value in self.training.named_buffers()}

    def _end_epoch(self) -> None:
        last = self.step - 1
        used = {**self.training.objective.used, "learning_rate": self.optimiser.param_groups[0]["lr"]}
        self.log.end_epoch(last // len(self.loader), self.step, used)

    def state(self) -> dict[str, Any]:
        """Everything that determines the steps to come, in plain containers and tensors."""
        return {
            "seed": self.training.seed,
            "step": self.step,
            "steps": self.steps,
            "processes": world_size(),
            "weights": self.training.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
            "log": self.log.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        objective: nn.Module = self.training.objective
        objective.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self._scaler is not None and state["scaler"] is not None:
            self._scaler.load_state_dict(state["scaler"])
        self.log.restore(state["log"], self.fabric.device)
        self.step = state["step"]
