"""Our side of the twins: shapes, numbers given by formulas, our objective and its step.

Nothing here is random and nothing is stored: every weight, value and mask is a function of a name and an index, in
exact integer arithmetic, so that the authors' class gets the same numbers and a test gets them again years later.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from twins_names import align, pair_names

from coral_plugin.data import Modality, MultimodalBatch, Task
from coral_plugin.networks.encoders.images import AlexNet
from coral_plugin.objectives import Objective, Step
from coral_plugin.objectives.clip import SCALE
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.settings import RunSettings, make_settings
from coral_plugin.testing.subject import without_dropout
from coral_plugin.training.step import make_optimiser

STEPS = 3
EPOCHS = 100
EPOCH = 29  # of EPOCHS, counted from 0: what InfMasking scales its covariance by
LABELS = 3


@dataclass(frozen=True)
class Shape:
    """Modalities and sizes of a comparison.

    Attributes:
        modalities: Modalities, without statistics: values are taken as they are.
        dataset: Data set whose recipe and presets our side has.
        batch: Number of samples.
        sizes: Settings of the networks that differ from the recipe's.
        lengths: Whether sequences have different lengths, with zeros behind them.
    """

    modalities: tuple[Modality, ...]
    dataset: str
    batch: int = 8
    sizes: Mapping[str, int] = field(default_factory=dict)
    lengths: bool = False


def _sequences(steps: int, **features: int) -> tuple[Modality, ...]:
    return tuple(Modality(name=name, kind="sequence", shape=(steps, size)) for name, size in features.items())


def _stays(steps: int, static: int = 5, series: int = 12) -> tuple[Modality, ...]:
    return (
        Modality(name="static", kind="tabular", shape=(static,)),
        Modality(name="series", kind="timeseries", shape=(steps, series)),
    )


_TINY = {"width": 16, "head_hidden": 24, "head_output": 12}
SHAPES = {
    "mosi": Shape(_sequences(50, vision=20, text=300), "mosi"),
    "mosi, padded": Shape(_sequences(50, vision=20, text=300), "mosi", lengths=True),
    "humor": Shape(_sequences(50, vision=371, text=300, audio=81), "humor"),
    "mimic": Shape(_stays(24), "mimic"),
    "trifeature": Shape(
        tuple(Modality(name=name, kind="image", shape=(3, 224, 224)) for name in ("image1", "image2")),
        "trifeature",
        batch=6,
    ),
    "tiny": Shape(_stays(6, series=3), "mimic", batch=6, sizes=_TINY),
    "tiny, three": Shape(_sequences(5, vision=4, text=6, audio=3), "humor", batch=6),
    "tiny, sequences": Shape(_sequences(6, vision=4, text=5), "mosi", batch=6, sizes={"head_hidden": 24}),
    # a table whose encoder returns a vector of the width, which is one token
    "tiny, one token": Shape(_stays(6, series=3), "mimic", batch=6, sizes=_TINY),
}
PRESETS = {
    "coral": {"": "released"},
    "comm": {"": "mosi", "mimic": "mimic", "trifeature": "trifeature"},
    "infmasking": {"": "mosi", "mimic": "mimic", "trifeature": "trifeature"},
    "clip": {"": "paper", "trifeature": "trifeature"},
    "cmc": {"": "affect"},
}
CHOSEN: dict[str, dict[str, Any]] = {"factorcl": {"method__pool": "last"}}
TASK = Task(name="label", kind="multilabel", classes=("a", "b", "c"))
FLAT = ("clip", "cross_self", "cmc", "factorcl")  # one vector for each modality, no tokens


def numbers(shape: Sequence[int], name: str) -> Tensor:
    """Numbers in [-1, 1) of this shape, float64, standard deviation 1 / sqrt(3): a mixed-up index.

    >>> numbers((3,), "a")
    tensor([-0.7499,  0.7475, -0.1868], dtype=torch.float64)
    """
    x = np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()))
    # each line permutes the numbers below 2**32 (the constants: C. Wellons, lowbias32)
    x &= np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return torch.from_numpy(x.astype(np.float64) / 2**31 - 1).reshape(tuple(shape))


def weight(name: str, shape: Sequence[int]) -> Tensor:
    """The parameter that the authors call ``name``: matrices of standard deviation fan-in ** -0.5, norms near 1."""
    if not shape:
        return torch.tensor(SCALE, dtype=torch.float64)
    values = numbers(shape, name)
    if len(shape) > 1:
        return values * math.sqrt(3 / math.prod(shape[1:]))
    return 1 + values / 5 if name.endswith("weight") else values / 5


def views(shape: Shape) -> dict[str, dict[str, Tensor]]:
    """Values of both views and of the samples themselves, ``{"first" | "second" | "raw": {modality: (B, ...)}}``."""
    drawn = {
        view: {m.name: _values(m, shape.batch, f"{view} {m.name}") for m in shape.modalities}
        for view in ("first", "second", "raw")
    }
    if shape.lengths:
        steps = shape.modalities[0].shape[0]
        beyond = torch.arange(steps)[None, :] >= lengths(shape)[:, None]
        drawn = {
            view: {name: values.masked_fill(beyond[..., None], 0) for name, values in parts.items()}
            for view, parts in drawn.items()
        }
    return drawn


def _values(m: Modality, batch: int, name: str) -> Tensor:
    values = math.sqrt(3) * numbers((batch, *m.shape), name)
    if m.kind == "image":
        # pictures of noise are one picture for convolutions, and batch statistics would divide by next to nothing
        values = values * (1.5 + numbers((batch, 1, 1, 1), f"contrast {name}"))
        values = values + 2 * numbers((batch, m.shape[0], 1, 1), f"colour {name}")
    return values


def lengths(shape: Shape) -> Tensor:
    """Number of valid steps of each sample, from 5 to all; the longest sample fills the batch."""
    steps = shape.modalities[0].shape[0]
    some = 5 + ((numbers((shape.batch,), "lengths") + 1) / 2 * (steps - 5)).long()
    some[0] = steps
    return some


def targets(shape: Shape) -> Tensor:
    """Labels ``(B, 3)``, 0 or 1."""
    return (numbers((shape.batch, LABELS), "targets") > 0).long()


def noise(shape: Shape, tokens: Sequence[int], step: int, copies: int) -> dict[str, list[Tensor]]:
    """What masks are drawn from in one step, ``{"first" | "second": [(K, B, T) for each modality]}``, in [0, 1)."""
    return {
        view: [
            (numbers((copies, shape.batch, count), f"mask {step} {view} {place}") + 1) / 2
            for place, count in enumerate(tokens)
        ]
        for view in ("first", "second")
    }


def token_counts(shape: Shape, *, one: bool = False) -> list[int]:
    """Tokens of each modality at the fusion: steps, features of a table behind its encoder, cells of a map."""
    counts = {"tabular": 1 if one else 10, "image": 36}
    return [counts.get(m.kind, m.shape[0]) for m in shape.modalities]


@contextmanager
def drawing(draws: Sequence[Tensor]) -> Iterator[None]:
    """``torch.rand`` hands out ``draws`` in turn; their shapes are checked, and all must be used."""
    left, real = list(draws), torch.rand

    def rand(*size: Any, **_: Any) -> Tensor:
        wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
        drawn = left.pop(0)
        if tuple(drawn.shape) != wanted:
            raise AssertionError(f"numbers of shape {wanted} are drawn where {tuple(drawn.shape)} are ready")
        return drawn

    torch.rand = rand
    try:
        yield
    finally:
        torch.rand = real
    if left:
        raise AssertionError(f"{len(left)} of {len(draws)} sets of numbers were not drawn")


def run_settings(method: str, shape: Shape) -> RunSettings:
    """Settings of our run: the preset that has the authors' way, on the data set of the shape."""
    presets = PRESETS.get(method, {})
    settings = make_settings(
        method, shape.dataset, preset=presets.get(shape.dataset, presets.get("", "")), **CHOSEN.get(method, {})
    )
    names = {m.name for m in shape.modalities}
    encoders = {name: encoder for name, encoder in settings.network.encoders.items() if name in names}
    return replace(settings, network=replace(settings.network, encoders=encoders, **shape.sizes))


class Ours:
    """Our objective with the formulas' weights, and its optimiser.

    Args:
        method: Registered name.
        name: Key of ``SHAPES``.
        declared: Whether the batch says which steps are padding; the authors' code does not know of padding.
    """

    def __init__(self, method: str, name: str, *, declared: bool = False) -> None:
        self.method, self.shape, self.declared = method, SHAPES[name], declared
        self.one_token = name == "tiny, one token"
        self.settings = run_settings(method, self.shape)
        encoders: dict[str, Any] = {}
        if method in FLAT and name == "trifeature":  # the authors' encoder ends in a vector here, ours in a map
            encoders = dict.fromkeys((m.name for m in self.shape.modalities), flat_alexnet)
        if self.one_token:
            encoders = {"static": f"mlp(hidden=10, output={self.settings.network.width})"}
        objective: Objective = OBJECTIVES.get(method)(
            self.shape.modalities, self.settings.network, self.settings.method, encoders
        )
        if method == "supervised":
            objective.prepare((TASK,))
        self.objective = objective.double().train()
        without_dropout(self.objective)
        self.names = pair_names(method, self.shape.modalities, [n for n, _ in self.objective.named_parameters()])
        with torch.no_grad():
            for parameter_name, parameter in self.objective.named_parameters():
                theirs = self.names[parameter_name]
                parameter.copy_(align(theirs, weight(theirs, parameter.shape)))
        self.optimiser = make_optimiser(self.objective, self.settings.training)
        self.views = views(self.shape)

    def batch(self, view: str) -> MultimodalBatch:
        """One of the three views."""
        padding = {}
        if self.declared:
            steps = self.shape.modalities[0].shape[0]
            beyond = torch.arange(steps)[None, :] >= lengths(self.shape)[:, None]
            padding = {m.name: beyond for m in self.shape.modalities}
        return MultimodalBatch(self.views[view], padding, targets={TASK.name: targets(self.shape)})

    def draws(self, step: int) -> list[Tensor]:
        """The numbers that this step draws its masks from, in the order in which our code draws them."""
        counts = token_counts(self.shape, one=self.one_token)
        if self.method == "coral":  # the first view hides the first modality, the second view the second
            drawn = noise(self.shape, counts, step, 1)
            return [drawn["first"][0][0], drawn["second"][1][0]]
        if self.method == "infmasking":
            drawn = noise(self.shape, counts, step, self.settings.method.masks)
            return [*drawn["first"], *drawn["second"]]
        return []

    def backward(self, step: int) -> dict[str, Tensor]:
        """Terms of the loss of one step; gradients lie at the parameters."""
        first = self.batch("raw" if self.method == "supervised" else "first")
        second = self.batch("raw" if self.method == "supervised" else "second")
        # InfMasking's released code holds (e + 1) / E during epoch e
        progress = (EPOCH + 1) / EPOCHS
        with drawing(self.draws(step)):
            terms = self.objective.loss(Step(first, second, progress, raw=self.batch("raw")))
        self.optimiser.zero_grad()
        terms["total"].backward()
        terms = {name: term.detach() for name, term in terms.items()}
        if self.method == "coral":  # weighted there
            terms["orthogonality"] *= self.settings.method.orthogonality_weight
        return terms

    def update(self) -> None:
        """The optimiser's step."""
        self.optimiser.step()

    def embedding(self) -> Tensor:
        """All parts side by side, ``(B, d)``, in evaluation mode; the heads of FactorCL in the authors' order."""
        self.objective.eval()
        with torch.no_grad():
            parts = list(self.objective.embed(self.batch("raw")).values())
        self.objective.train()
        if self.method == "factorcl":
            # shared, unique, conditional, shared_bound, conditional_bound here
            parts = [torch.cat([part.chunk(5, dim=1)[i] for i in (0, 3, 1, 2, 4)], dim=1) for part in parts]
        return torch.cat(parts, dim=1)


def flat_alexnet(modality: Modality, width: int) -> nn.Module:
    """AlexNet's convolutions, flattened, and one linear layer: the authors' encoder where a vector is wanted."""
    return nn.Sequential(AlexNet(modality, width), nn.Flatten(), nn.Linear(9216, width))


def weighted_sum(embedding: Tensor) -> float:
    """Sum of an embedding (B, D) with a weight for each value: unlike a norm it changes where two parts are swapped."""
    return float((embedding * numbers(tuple(embedding.shape), "weights of the embedding")).sum())


def gradient_norm(gradients: Mapping[str, Tensor | None]) -> float:
    """Euclidean norm of all gradients together."""
    return math.sqrt(sum(float(g.double().square().sum()) for g in gradients.values() if g is not None))
