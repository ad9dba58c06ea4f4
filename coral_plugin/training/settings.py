"""Settings of a training run, the same for every objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coral_plugin.errors import InputError

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How the networks are trained; the defaults are those of the COrAL paper (specification 3).

    Attributes:
        epochs: Passes over the unlabelled samples.
        batch_size: Samples per step, of all processes together; every other sample of a batch is a negative.
        learning_rate: Learning rate of AdamW.
        weight_decay: Weight decay of parameters with at least two dimensions that are no biases
            (specification 1.7).
        schedule: Schedule of the learning rate: ``constant``, or ``cosine`` to zero after ``warmup`` of linear
            increase.
        warmup: Share of the steps that ``cosine`` spends on increasing.
        gradient_clip: Greatest norm of the gradient; 0 leaves it alone.
        device: ``auto`` takes a GPU where there is one.
        precision: Lightning's name of the floating-point format; losses are computed in float32 all the same.
            ``16-mixed`` needs a GPU.
        devices: Processes on this machine that share every batch, each with a GPU where there are GPUs. Under torchrun
            or SLURM leave it at 1: they set the number of processes.
        timeout_seconds: Seconds that processes wait for each other before the training ends.
        checkpoint_seconds: Minimum time between two checkpoints, in seconds; they are written between steps.
        keep_every: Epochs between weights that are kept beside the last ones, the untrained ones among them, for
            ``coral evaluate --over-training``; 0 keeps none. Each is a file as large as the last ones.
        on_nonfinite: Reaction to a loss or gradient that is not finite: ``stop`` the training, or ``skip`` the step.
        compile: Whether the networks are compiled with ``torch.compile``, which needs a C++ compiler.
        deterministic: Whether torch uses deterministic algorithms only, and refuses where it has none.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = 0.05
    gradient_clip: float = 0.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "32-true"
    devices: int = 1
    timeout_seconds: float = 1800.0
    checkpoint_seconds: float = 60.0
    keep_every: int = 0
    on_nonfinite: Literal["stop", "skip"] = "stop"
    compile: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"training.epochs must be at least 1, got {self.epochs}.")
        if self.batch_size < 2:
            raise InputError(
                f"training.batch_size must be at least 2, got {self.batch_size}: one sample has no negatives."
            )
        if not self.learning_rate > 0:
            raise InputError(f"training.learning_rate must be positive, got {self.learning_rate}.")
        for name in ("weight_decay", "gradient_clip", "checkpoint_seconds", "keep_every"):
            if getattr(self, name) < 0:
                raise InputError(f"training.{name} cannot be negative, got {getattr(self, name)}.")
        if not 1 <= self.devices <= self.batch_size:
            raise InputError(
                f"training.devices must be from 1 to training.batch_size ({self.batch_size}), got {self.devices}."
            )
        if not self.timeout_seconds > 0:
            raise InputError(f"training.timeout_seconds must be positive, got {self.timeout_seconds}.")
        if not 0 <= self.warmup < 1:
            raise InputError(f"training.warmup is a share in [0, 1), got {self.warmup}.")
