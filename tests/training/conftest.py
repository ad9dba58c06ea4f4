"""Two small modalities with a common cause, and a training of them that takes milliseconds a step."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality, ModalityColumn, Split
from coral_plugin.losses import nt_xent
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.base import Objective, over_batch
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.training.engine import Engine
from coral_plugin.training.fit import train
from coral_plugin.training.log import TIMES
from coral_plugin.training.settings import TrainingSettings

MODALITIES = (
    Modality(name="a", kind="tabular", shape=(6,)),
    Modality(name="b", kind="sequence", shape=(5, 3)),
)
NETWORK = NetworkSettings(
    width=8,
    heads=2,
    head_hidden=8,
    head_output=8,
    encoders={"b": "affect_transformer(layers=1, feedforward=16)"},
)


@dataclass(frozen=True)
class ToySettings:
    """None."""


class Map(nn.Module):
    """Linear, and a function that a compiler can fuse."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 4)

    def forward(self, x):
        return self.linear(x).tanh() * 2


class Toy(Objective):
    """Contrasts two maps; ``spoil(self, terms)`` may change the terms."""

    Settings = ToySettings
    presets: ClassVar = {"paper": {}}

    def __init__(self, modalities, network=NETWORK, settings=None, encoders=None, spoil=None):
        super().__init__(modalities, network, settings, encoders)
        self.maps = nn.ModuleDict({m.name: Map(m.shape[-1]) for m in modalities})
        self.norm = nn.BatchNorm1d(4)
        self.spoil = spoil
        self.calls = 0

    def embed(self, batch):
        def pooled(value):
            return value if value.ndim == 2 else value.mean(dim=1)

        return {name: self.norm(self.maps[name](pooled(batch[name]))) for name in batch}

    def loss(self, step):
        one, two = self.embed(step.first), self.embed(step.second)
        self.calls += 1
        terms = {name: over_batch(nt_xent, one[name], two[name]) for name in one}
        terms["total"] = torch.stack(list(terms.values())).sum()
        return terms if self.spoil is None else self.spoil(self, terms)


class Kill(BaseException):
    """Nothing is saved any more."""


@pytest.fixture
def toy():
    """``toy(spoil)`` makes a fresh :class:`Toy`."""
    return lambda spoil=None: Toy(MODALITIES, spoil=spoil)


@pytest.fixture
def killed(monkeypatch):
    """``killed(step, call)`` runs ``call`` up to ``step``, and there something happens that saves nothing."""

    def until(step, call):
        original = Engine._take_step

        def one(self, number, request):
            if number == step:
                raise Kill
            return original(self, number, request)

        with monkeypatch.context() as patch:
            patch.setattr(Engine, "_take_step", one)
            with pytest.raises(Kill):
                call()

    return until


@pytest.fixture
def build():
    """Makes a fresh objective with dropout, masks and batch normalisation."""
    return lambda: Coral(MODALITIES, NETWORK, CoralSettings())


@pytest.fixture
def still():
    """The same without dropout and masks."""
    network = replace(NETWORK, encoders={"b": "affect_transformer(layers=1, feedforward=16, dropout=0.0)"})
    return lambda: Coral(MODALITIES, network, CoralSettings(masking="none"))


@pytest.fixture
def split():
    """40 samples; with batches of 16 an epoch has three steps, the last with 8."""
    generator = torch.Generator().manual_seed(0)
    cause = torch.randn(40, 1, generator=generator)
    a = cause + 0.3 * torch.randn(40, 6, generator=generator)
    b = cause[:, None] + 0.3 * torch.randn(40, 5, 3, generator=generator)
    lengths = torch.randint(1, 6, (40,), generator=generator)
    b[torch.arange(5)[None, :] >= lengths[:, None]] = 0
    return Split({"a": ModalityColumn(a), "b": ModalityColumn(b, lengths)}, {})


@pytest.fixture
def run(split, build):
    """Train; keywords that are no arguments of ``train`` are settings."""

    def call(folder=None, *, seed=41, resume=False, build=build, split=split, augmenter="auto", quiet=True, **settings):
        chosen = {"epochs": 4, "checkpoint_seconds": 0.0, "learning_rate": 1e-3, "batch_size": 16, "device": "cpu"}
        made = build_augmenter(augmenter, MODALITIES) if isinstance(augmenter, str) else augmenter
        settings = TrainingSettings(**{**chosen, **settings})
        return train(build, split, made, settings, seed, folder=folder, resume=resume, quiet=quiet)

    return call


@pytest.fixture
def same():
    """Whether two trainings ended with the same bits, what the clock says left out."""

    def compare(one, two):
        for a, b in zip(one.objective.state_dict().items(), two.objective.state_dict().items(), strict=True):
            assert a[0] == b[0]
            assert torch.equal(a[1], b[1]), a[0]
        plain = [[{k: v for k, v in row.items() if k not in TIMES} for row in each.history] for each in (one, two)]
        assert plain[0] == plain[1]

    return compare
