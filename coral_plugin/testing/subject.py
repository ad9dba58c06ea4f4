"""The objective under test: how it is built, and the steps that the checks take with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError, short
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective, Step
from coral_plugin.registry import OBJECTIVES
from coral_plugin.testing.expect import expect
from coral_plugin.testing.samples import SAMPLE_TASK, make_modalities, make_samples, tiny_encoder, view

TINY = NetworkSettings(width=8, heads=2, head_hidden=16, head_output=8)


@dataclass(frozen=True)
class Subject:
    """An objective, and the arguments that it is built with.

    Attributes:
        kind: Class of the objective.
        settings: Settings of the method; None takes its defaults.
        network: Settings of the networks.
        encoders: Encoders by modality; they win over those in ``network``, and these over tiny ones.
        candidates: Tuples of modalities to build it for.
    """

    kind: type[Objective]
    settings: Any
    network: NetworkSettings
    encoders: Mapping[str, EncoderLike]
    candidates: tuple[tuple[Modality, ...], ...]

    @classmethod
    def of(
        cls,
        kind: type[Objective] | str,
        settings: Any = None,
        network: NetworkSettings | None = None,
        modalities: tuple[int | tuple[Modality, ...], ...] | None = None,
        encoders: Mapping[str, EncoderLike] | None = None,
    ) -> Subject:
        """Subject of the arguments of :func:`coral_plugin.testing.check_objective`.

        Raises:
            AssertionError: what is to be checked is no class of an objective.
        """
        kind = OBJECTIVES.get(kind) if isinstance(kind, str) else kind
        expect(isinstance(kind, type) and issubclass(kind, Objective), "a subclass of Objective", short(kind))
        numbers = sorted({kind.min_modalities, 2, 3, 4})
        candidates = tuple(make_modalities(m) if isinstance(m, int) else tuple(m) for m in modalities or numbers)
        return cls(kind, settings, network or TINY, encoders or {}, candidates)

    @cached_property
    def claimed(self) -> tuple[tuple[Modality, ...], ...]:
        """The candidates that the objective takes; one that it refuses with a one-line ``InputError`` is not claimed.

        Raises:
            AssertionError: it takes none.
        """
        taken, refusals = [], []
        for modalities in self.candidates:
            try:
                self.build(modalities)
            except InputError as error:
                expect("\n" not in str(error), "an InputError of one line", repr(str(error)))
                refusals.append(str(error))
            else:
                taken.append(modalities)
        expect(bool(taken), "an objective that can be built", f"only refusals: {' '.join(refusals)}")
        return tuple(taken)

    def build(
        self,
        modalities: tuple[Modality, ...],
        *,
        seed: int = 0,
        deterministic: bool = False,
        dropout: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> Objective:
        """A fresh objective in training mode.

        Args:
            modalities: Modalities to encode.
            seed: Seed of its weights.
            deterministic: Whether its loss draws nothing: the settings of ``deterministic``, and no dropout.
            dropout: Whether there is dropout, where it is not ``deterministic``.
            dtype: Type of its weights.
        """
        torch.manual_seed(seed)
        names = {modality.name for modality in modalities}
        named = {name: encoder for name, encoder in self.network.encoders.items() if name in names}
        network = replace(self.network, encoders=named)
        tiny = {name: tiny_encoder for name in names if name not in named}
        encoders = {**tiny, **{name: encoder for name, encoder in self.encoders.items() if name in names}}
        objective = self.kind(modalities, network, self.method_settings(deterministic=deterministic), encoders)
        objective.prepare((SAMPLE_TASK,))
        if deterministic or not dropout:
            without_dropout(objective)
        return objective.to(dtype).train()

    def method_settings(self, *, deterministic: bool = False) -> Any:
        """An instance of the method's settings."""
        settings = self.kind.Settings() if self.settings is None else self.settings
        return dataclasses.replace(settings, **self.kind.deterministic) if deterministic else settings


def without_dropout(module: nn.Module) -> nn.Module:
    """``module`` with every dropout in it switched off: ``nn.Dropout``, and attributes ``dropout`` that are numbers."""
    for part in module.modules():
        if isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0  # type: ignore[assignment]
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
    return module


def terms(
    objective: Objective,
    batch: MultimodalBatch,
    progress: float = 0.5,
    *,
    seed: int = 0,
    dropout_seed: int = 0,
    views: tuple[MultimodalBatch, MultimodalBatch] | None = None,
) -> dict[str, Tensor]:
    """The loss of two views of ``batch``, every random number in it decided by the two seeds."""
    first, second = views or (view(batch, 1), view(batch, 2))
    torch.manual_seed(dropout_seed)
    generator = torch.Generator().manual_seed(seed)
    losses: Any = objective.loss(Step(first, second, progress, generator, batch))
    what = "`loss` to return a dict of scalar tensors with 'total'"
    expect(isinstance(losses, Mapping), what, type(losses).__name__)
    expect("total" in losses, what, f"a dict of {', '.join(map(str, losses)) or 'nothing'}")
    for name, term in losses.items():
        expect(isinstance(term, Tensor), what, f"{name}: {type(term).__name__}")
        expect(term.ndim == 0, what, f"{name} of shape {tuple(term.shape)}")
    checked: dict[str, Tensor] = losses
    return checked


def values_of(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Terms without their graph."""
    return {name: term.detach() for name, term in losses.items()}


def embedded(objective: Objective, batch: MultimodalBatch) -> dict[str, Tensor]:
    """Parts of the representation and, as ``projected/<part>``, those behind the heads, in evaluation mode."""
    objective.eval()
    with torch.no_grad():
        heads = expect_parts(objective.projected(batch), batch.size, "projected")
        parts = expect_parts(objective.embed(batch), batch.size)
    return {**parts, **{f"projected/{name}": part for name, part in heads.items()}}


def expect_parts(parts: Any, size: int, method: str = "embed") -> dict[str, Tensor]:
    """``parts``, if they are named floating-point tensors ``(size, d)`` as ``embed`` must return them."""
    what = f"`{method}` to return a dict of tensors ({size}, d)"
    expect(isinstance(parts, Mapping), what, type(parts).__name__)
    for name, part in parts.items():
        expect(isinstance(part, Tensor), what, f"{name}: {type(part).__name__}")
        fits = part.ndim == 2 and part.shape[0] == size and part.shape[1] > 0 and part.is_floating_point()
        expect(fits, what, f"{name} of shape {tuple(part.shape)} and {part.dtype}")
    return dict(parts)


def trained(objective: Objective, modalities: tuple[Modality, ...], steps: int = 1) -> Objective:
    """The objective after a step or more, so that running statistics and whatever it keeps differ from the start."""
    if not objective.trains:
        return objective
    optimiser = torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], lr=1e-2)
    objective.train()
    for step in range(steps):
        optimiser.zero_grad()
        terms(objective, make_samples(modalities, seed=step), seed=step)["total"].backward()
        optimiser.step()
    return objective
