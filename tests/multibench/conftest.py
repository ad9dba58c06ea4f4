"""MultiBench's packages for a test: the double that lies beside it, and the real checkout where there is one."""

import importlib
import os
import warnings
from pathlib import Path

import pytest
import pytorch_lightning  # noqa: F401 - it must not meet what stands in for torchvision
import torch

from coral_plugin.multibench import multibench
from coral_plugin.multibench.checkout import find_checkout

DOUBLE = Path(__file__).parent / "double"
REAL = os.environ.get("MULTIBENCH_ROOT")
collect_ignore = ["double"]


class Bench:
    """The packages of one checkout, importable while a test runs."""

    def __init__(self, root):
        self.root = Path(root)

    def __call__(self, name):
        return importlib.import_module(name)

    def model(self, name, *arguments, **options):
        return getattr(self("unimodals.common_models"), name)(*arguments, **options)

    def fusion(self, name, *arguments, **options):
        return getattr(self("fusions.common_fusions"), name)(*arguments, **options)

    @property
    def training(self):
        return self("training_structures.Supervised_Learning")


CHECKOUTS = [
    pytest.param(DOUBLE, id="double"),
    pytest.param(
        REAL,
        id="real",
        marks=[
            pytest.mark.multibench,
            pytest.mark.skipif(not REAL, reason="no MultiBench checkout: set MULTIBENCH_ROOT"),
        ],
    ),
]


@pytest.fixture(params=CHECKOUTS)
def bench(request, monkeypatch, tmp_path):
    """Either, with its packages importable."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), multibench(str(request.param), say=lambda _: None):
        warnings.simplefilter("ignore")  # of a stack of 2024
        yield Bench(request.param)


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """The double alone, with its packages importable."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), multibench(str(DOUBLE), say=lambda _: None):
        warnings.simplefilter("ignore")
        yield Bench(DOUBLE)


@pytest.fixture(params=CHECKOUTS)
def checkout(request):
    """Either, for what opens its own context."""
    return find_checkout(request.param)


@pytest.fixture
def double():
    """The double alone, where the real one is slow or does the same."""
    return find_checkout(DOUBLE)


def collate(samples):
    """Samples of series and a label to a packed batch, as MultiBench's affect loaders make it."""
    count = len(samples[0]) - 2
    values = [torch.nn.utils.rnn.pad_sequence([s[i] for s in samples], batch_first=True) for i in range(count)]
    lengths = [torch.tensor([len(s[i]) for s in samples]) for i in range(count)]
    return values, lengths, torch.tensor([[s[-2]] for s in samples]), torch.stack([s[-1] for s in samples])


def scored(count, seed):
    """Series of different lengths that tell a score."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for number in range(count):
        score = torch.randn(1, generator=generator)
        steps = int(torch.randint(3, 9, (), generator=generator))
        samples.append([*(score + 0.3 * torch.randn(steps, d, generator=generator) for d in (4, 3, 6)), number, score])
    return samples


@pytest.fixture
def packed():
    """Train and valid loaders of packed batches of three series that vary in length, with a score to regress."""
    return [
        torch.utils.data.DataLoader(scored(count, seed), 8, shuffle=True, collate_fn=collate)
        for count, seed in ((48, 0), (16, 1))
    ]


@pytest.fixture
def positional():
    """A function of shapes: train and valid loaders of ``[x_1, ..., y]``, whose values tell one of two classes."""

    def make(*shapes, target="class", count=48, batch=8):
        loaders = []
        for size, seed in ((count, 0), (count // 3, 1)):
            generator = torch.Generator().manual_seed(seed)
            labels = torch.arange(size) % 2
            values = [
                0.5 * torch.randn(size, *shape, generator=generator) + labels.view(-1, *[1] * len(shape))
                for shape in shapes
            ]
            truth = {
                "class": labels,
                "float": labels.float()[:, None],
                "labels": torch.stack([labels, 1 - labels, labels], 1),
                "steps": labels.float().view(-1, 1, 1).expand(-1, 5, 2).clone(),
            }[target]
            rows = [[*(v[i].double() for v in values), truth[i]] for i in range(size)]
            loaders.append(torch.utils.data.DataLoader(rows, batch, shuffle=True))
        return loaders

    return make


@pytest.fixture
def real():
    """The real checkout alone, for what the double does not have."""
    if not REAL:
        pytest.skip("no MultiBench checkout: set MULTIBENCH_ROOT")
    return find_checkout(REAL)
