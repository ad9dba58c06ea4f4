"""The contract of an objective: a loss on two views, and named parts of a representation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch, Split, Task
from coral_plugin.distributed import gather
from coral_plugin.errors import InputError
from coral_plugin.losses.chunks import full_precision
from coral_plugin.networks import EncoderBuilders, NetworkSettings
from coral_plugin.networks.factory import EncoderLike, default_width, resolve_encoders


class Step:
    """One training step, as :meth:`Objective.loss` is given it; it cannot be changed.

    No dataclass: Lightning and DDP would copy one and convert its values, where they hand on an object as it is.

    Args:
        first: One view of the batch.
        second: Another view of the same samples.
        progress: Share of the training that is over, in [0, 1]; drives schedules.
        generator: Source of the step's random numbers, on the batch's device; torch's global one if None.
        raw: The samples without augmentation, for a method whose ``needs_raw`` is true: images through the plain crop
            of the references, unless the run's ``plain_augmentations`` say otherwise. Without it, ``first``.
    """

    first: MultimodalBatch
    second: MultimodalBatch
    progress: float
    generator: torch.Generator | None
    raw: MultimodalBatch

    def __init__(
        self,
        first: MultimodalBatch,
        second: MultimodalBatch,
        progress: float,
        generator: torch.Generator | None = None,
        raw: MultimodalBatch | None = None,
    ) -> None:
        raw = first if raw is None else raw
        vars(self).update(first=first, second=second, progress=progress, generator=generator, raw=raw)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A step cannot be changed; make another one with step.replace({name}=...).")

    def replace(self, **changes: Any) -> Step:
        """A step with other values for the given attributes, for a method that wraps another one."""
        return Step(**{**vars(self), **changes})


@dataclass(frozen=True)
class NoSettings:
    """Settings of a method that has none."""


class Objective(nn.Module, ABC):
    """A self-supervised method. Training, probing, tables and plots use the calls below and nothing else.

    A subclass says what it is built of (:meth:`build`), what it minimises (:meth:`loss`) and what it represents a
    sample by (:meth:`embed`), and is registered in the entry-point group ``multibench.objectives``;
    docs/guides/objective.md shows one in full.

    Args:
        modalities: Modalities to encode, in order.
        network: Width, encoders by name, and sizes of fusion and heads.
        settings: Instance of the method's ``Settings``.
        encoders: Modules or functions from Python; they win over the names in ``network``.

    Attributes:
        Settings: Frozen dataclass of the method's settings; flags and ``config.yaml`` derive from it.
        presets: ``{preset: {"method.key" | "training.key" | "augmentations" | ...: value}}``, defaults that flags win
            over; what a preset leaves out stays at its default. The first preset is the default one, and there may be
            none. Ours state their whole training (:func:`training_recipe`). On data set ``d`` preset ``p`` is ``p_d``,
            if there is one.
        min_modalities: Smallest number of modalities that it can be built for.
        needs_raw: Whether ``loss`` reads ``step.raw``.
        needs_labels: Whether it trains on the labelled split and reads the batch's targets; others are given none.
        trains: Whether there is anything to train; False for raw features.
        deterministic: ``{setting: value}`` under which ``loss`` draws nothing, so that several processes can be
            compared with one, and longer padding with shorter.
        modalities: Those of the arguments, as ``network`` and ``settings`` are.
        width: Token width D: ``network.width``, or by the data where that is 0.
        used: Values of schedules that the last call of ``loss`` used, ``{name: number}``, for the log; ``loss`` itself
            writes them, so that the log cannot differ.

    Raises:
        InputError: fewer modalities than ``min_modalities``, or an unknown encoder.
    """

    Settings: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    min_modalities: ClassVar[int] = 2
    needs_raw: ClassVar[bool] = False
    needs_labels: bool = False
    trains: ClassVar[bool] = True
    deterministic: ClassVar[Mapping[str, Any]] = {}
    used: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        modalities: tuple[Modality, ...],
        network: NetworkSettings,
        settings: Any,
        encoders: Mapping[str, EncoderLike] | None = None,
    ) -> None:
        super().__init__()
        if len(modalities) < self.min_modalities:
            needed = {1: "one modality", 2: "two modalities"}.get(
                self.min_modalities, f"{self.min_modalities} modalities"
            )
            names = ", ".join(modality.name for modality in modalities) or "none"
            raise InputError(f"{type(self).__name__} needs at least {needed}, got {len(modalities)} ({names}).")
        self.modalities, self.network, self.settings = modalities, network, settings
        self.width = network.width or default_width(modalities)
        self.needs_labels = self.trains_on_labels(settings)
        self.build(resolve_encoders(modalities, {**network.encoders, **(encoders or {})}, self.width))

    @classmethod
    def trains_on_labels(cls, settings: Any) -> bool:
        """Whether a training with these settings reads labels: ``needs_labels``, unless a setting decides on it."""
        del settings
        return cls.needs_labels

    def build(self, builders: EncoderBuilders) -> None:
        """Make the networks; called at the end of the constructor. Nothing by default.

        Args:
            builders: ``{modality: function}``; each call makes a fresh encoder of the modality.
        """

    def prepare(self, tasks: tuple[Task, ...]) -> None:
        """Build what depends on the labels; called once, after construction and before training or loading weights.

        Args:
            tasks: Tasks of the data; empty where there are no labels.

        Raises:
            InputError: the method needs labels that the data do not have.
        """
        if self.needs_labels and not tasks:
            raise InputError("This objective trains on labels, but the data have none; give <split>/labels.")

    def observe(self, train: Split) -> None:
        """Take statistics of the training split into buffers, for a method that does not train. Nothing by default.

        Args:
            train: Samples of train, without labels.
        """

    @abstractmethod
    def loss(self, step: Step) -> dict[str, Tensor]:
        """Named scalar terms, unweighted, and their weighted sum ``"total"``.

        Under several processes each holds its share of the batch and the terms are those of the whole one
        (:func:`over_batch`).

        Args:
            step: Two views of a batch, how far the training is, and the source of random numbers.
        """

    @abstractmethod
    def embed(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """Named parts of the representation, each ``(B, d)``; concatenated in order they are the representation Z."""

    def projected(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """The parts behind their projection heads, ``(B, d)`` of one width; empty where a method has none."""
        del batch
        return {}


def over_batch(
    loss: Callable[..., Tensor], *embeddings: Tensor, present: Tensor | None = None, least: int = 2
) -> Tensor:
    """``loss`` of the embeddings ``(B, ...)`` of the whole batch, gathered from all processes.

    Half precision ends here: the loss is computed in float32 at least, outside autocast, which would take its products
    in half precision again.

    Args:
        loss: Function of as many tensors ``(N, ...)``; a scalar.
        embeddings: Rows of this process.
        present: ``(B,)`` of bool, which rows count (:meth:`MultimodalBatch.all_present`); None for all.
        least: Smallest number of rows; with fewer the loss is 0, because there is nothing to compare.
    """
    rows = [gather(part.float() if part.dtype in (torch.bfloat16, torch.float16) else part) for part in embeddings]
    if present is not None:
        counted = gather(present)
        rows = [part[counted] for part in rows]
    if len(rows[0]) < least:
        return torch.stack([part.sum() for part in rows]).sum() * 0.0
    with full_precision(rows[0]):
        return loss(*rows)


def training_recipe(
    learning_rate: float,
    weight_decay: float,
    *,
    epochs: int = 100,
    batch_size: int = 64,
    schedule: str = "constant",
    **more: float,
) -> dict[str, Any]:
    """Training part of a preset, whole: nothing of it is left to the defaults or to a data set.

    >>> training_recipe(1e-3, 1e-2, gradient_clip=1.0)["training.gradient_clip"]
    1.0
    """
    named = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "epochs": epochs,
        "batch_size": batch_size,
        "schedule": schedule,
        **more,
    }
    return {f"training.{name}": value for name, value in named.items()}


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with and without weight decay (specification 1.7): biases and vectors are not decayed."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            # without its path: a modality may be called "bias"
            last_name = name.rpartition(".")[2]
            (decayed if parameter.ndim >= 2 and "bias" not in last_name else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def check_numbers(settings: Any, *, positive: Iterable[str] = (), weights: Iterable[str] = ()) -> None:
    """Settings that are divided by must be positive, and weights cannot be negative.

    Raises:
        InputError: one is not; NaN and infinity are neither.
    """
    for name in positive:
        if not 0 < getattr(settings, name) < math.inf:
            raise InputError(f"method.{name} must be positive, got {getattr(settings, name)}.")
    for name in weights:
        if not 0 <= getattr(settings, name) < math.inf:
            raise InputError(f"method.{name} cannot be negative, got {getattr(settings, name)}.")
