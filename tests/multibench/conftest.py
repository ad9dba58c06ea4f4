"""MultiBench's packages for a test: the double that lies beside it, and the real checkout where there is one."""

import importlib
import os
import sys
import types
import warnings
from pathlib import Path

import lightning_fabric  # noqa: F401 - it must not meet the empty torchvision
import pytest
import torch

from coral_plugin.multibench import find_checkout

DOUBLE = Path(__file__).parent / "double"
REAL = os.environ.get("MULTIBENCH_ROOT")
collect_ignore = ["double"]


class Bench:
    """The packages of one checkout, importable while a test runs."""

    def __init__(self, root):
        self.root = Path(root)

    def __call__(self, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)

    def model(self, name, *arguments, **options):
        return getattr(self("unimodals.common_models"), name)(*arguments, **options)

    def fusion(self, name, *arguments, **options):
        return getattr(self("fusions.common_fusions"), name)(*arguments, **options)

    @property
    def training(self):
        return self("training_structures.Supervised_Learning")


@pytest.fixture(
    params=[
        "double",
        pytest.param(
            "real",
            marks=[
                pytest.mark.multibench,
                pytest.mark.skipif(not REAL, reason="no MultiBench checkout: set MULTIBENCH_ROOT"),
            ],
        ),
    ]
)
def bench(request, monkeypatch, tmp_path):
    root = Path(REAL) if request.param == "real" else DOUBLE
    owned = {path.name for path in root.iterdir() if path.is_dir()}

    def mine(name):
        return name.partition(".")[0] in owned

    before = {name: sys.modules.pop(name) for name in list(sys.modules) if mine(name)}
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["torchvision"].models = sys.modules["torchvision.models"]
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Bench(root)
    for name in [name for name in sys.modules if mine(name)]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def packed():
    """Train and valid loaders of packed batches of three sequences that vary in length, with a score to regress."""

    def collate(samples):
        values = [torch.nn.utils.rnn.pad_sequence([s[i] for s in samples], batch_first=True) for i in range(3)]
        lengths = [torch.tensor([len(s[i]) for s in samples]) for i in range(3)]
        return values, lengths, torch.tensor([[s[3]] for s in samples]), torch.stack([s[4] for s in samples])

    return [torch.utils.data.DataLoader(_scored(count, seed), 8, shuffle=True, collate_fn=collate)
            for count, seed in ((48, 0), (16, 1))]  # fmt: skip


def _scored(count, seed):
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for number in range(count):
        score = torch.randn(1, generator=generator)
        steps = int(torch.randint(3, 9, (), generator=generator))
        parts = [score + 0.3 * torch.randn(steps, d, generator=generator) for d in (4, 3, 6)]
        samples.append([*parts, number, score])
    return samples


@pytest.fixture
def positional():
    """A function of a list of shapes: train and valid loaders of ``[x_1, ..., y]`` with two classes."""

    def make(*shapes, target="class", count=48, batch=8):
        loaders = []
        for size, seed in ((count, 0), (count // 3, 1)):
            generator = torch.Generator().manual_seed(seed)
            labels = torch.arange(size) % 2
            values = [0.5 * torch.randn(size, *shape, generator=generator) + labels.view(-1, *[1] * len(shape))
                      for shape in shapes]  # fmt: skip
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


@pytest.fixture(
    params=[
        "double",
        pytest.param(
            "real",
            marks=[
                pytest.mark.multibench,
                pytest.mark.skipif(not REAL, reason="no MultiBench checkout: set MULTIBENCH_ROOT"),
            ],
        ),
    ]
)
def checkout(request):
    """The double and the real checkout, for what opens its own context."""
    return find_checkout(REAL if request.param == "real" else DOUBLE)


@pytest.fixture
def double():
    """The double alone, where the real one is slow or does the same."""
    return find_checkout(DOUBLE)
