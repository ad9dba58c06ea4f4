"""Memory of a step, before the first one: what is kept is counted, what does not fit is one line."""

import pytest
import torch
from torch import nn

from coral_plugin import machine
from coral_plugin.data import Modality, ModalityColumn, Split
from coral_plugin.errors import InputError
from coral_plugin.losses import chunked
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.training import memory
from coral_plugin.training.memory import memory_errors, step_memory
from coral_plugin.training.settings import TrainingSettings

NETWORK = NetworkSettings(width=8, heads=2, head_hidden=8, head_output=8)
CPU = torch.device("cpu")


class Square(nn.Module):
    """Keeps one number for each pair of steps (the exponential needs its own output), and one token for all."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x, mask=None):
        a = x.mean(dim=-1) * self.weight[0]
        return torch.exp(a[:, :, None] * a[:, None, :]).mean(dim=(1, 2))[:, None] * self.weight


class OneLength(Square):
    """The same for series of 80 steps alone."""

    def forward(self, x, mask=None):
        return super().forward(x.reshape(len(x), 80, 3))


def series(steps, encoder, count=6, **settings):
    modalities = tuple(Modality(name=name, kind="timeseries", shape=(steps, 3)) for name in ("a", "b"))
    values = torch.randn(count, steps, 3, generator=torch.Generator().manual_seed(0))
    split = Split({m.name: ModalityColumn(values) for m in modalities}, {})

    def build():
        return Coral(modalities, NETWORK, CoralSettings(), {"a": encoder(), "b": encoder()})

    return build, split, TrainingSettings(batch_size=count, device="cpu", **settings), CPU


@pytest.fixture
def always(monkeypatch):
    """However small the batches are, and however much memory there is."""
    monkeypatch.setattr(memory, "_NUMBERS", 1 << 60)


@pytest.mark.parametrize(
    ("steps", "encoder"),
    [(40, Square), (300, Square), (3000, Square), (80, OneLength)],
    ids=["short", "longer than what is measured", "too long to be measured", "of one length"],
)
def test_what_an_encoder_keeps_is_found(always, steps, encoder):
    found = step_memory(*series(steps, encoder))
    # two modalities, two pathways, two views, four bytes
    square = 2 * 2 * 2 * 4 * steps**2
    assert square <= found.sample < square + 8 * 4 * 100 * steps + 40_000
    assert (found.batch, found.steps) == (6, steps)
    assert found.need == pytest.approx(found.fixed + 6 * found.sample)


def test_double_precision_keeps_twice_as_much(always):
    single, double = (step_memory(*series(60, Square, precision=p)).sample for p in ("32-true", "64-true"))
    assert double == pytest.approx(2 * single, rel=0.02)


def test_what_does_not_fit_is_refused_in_one_line(always, monkeypatch):
    arguments = series(3000, Square)
    need = step_memory(*arguments).need
    said = []
    for memory_of_it, refused, told in ((2 * need, 0, 0), (1.1 * need, 0, 1), (0.9 * need, 1, 0)):
        monkeypatch.setattr(machine, "memory", lambda there=memory_of_it: int(there))
        said.clear()
        if refused:
            with pytest.raises(InputError) as caught:
                memory.check_step(*arguments, said.append)
            line = str(caught.value)
        else:
            memory.check_step(*arguments, said.append)
        assert len(said) == told
    assert line.startswith("A training step takes about ")
    assert "(training.batch_size 6, series of up to 3000 steps), and this machine has" in line
    assert line.endswith("take a smaller encoder, or cut the series.")
    assert "\n" not in line


def test_the_batch_size_that_is_advised_fits(always, monkeypatch):
    found = step_memory(*series(3000, Square))
    monkeypatch.setattr(machine, "memory", lambda: int((found.fixed + 3.5 * found.sample) / memory._TIGHT))
    few = step_memory(*series(3000, Square))
    assert "lower training.batch_size to 3, take" in few.line()


def test_nothing_of_the_training_is_changed(always, run, same, tmp_path, monkeypatch):
    measured = []
    original = memory.step_memory
    monkeypatch.setattr(memory, "step_memory", lambda *a: (measured.append(original(*a)), measured[-1])[1])
    torch.manual_seed(5)
    with_it = run(epochs=2)
    after = torch.rand(3)
    assert measured[0].sample > 0
    monkeypatch.setattr(memory, "_NUMBERS", 0)
    torch.manual_seed(5)
    without = run(epochs=2)
    assert measured[1] is None
    same(with_it, without)
    assert torch.equal(after, torch.rand(3))


def test_a_loss_that_fails_is_left_to_the_first_step(always, split):
    def build():
        raise RuntimeError("of its own")

    assert step_memory(build, split, TrainingSettings(device="cpu"), CPU) is None


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
    ],
)
def test_what_an_allocator_raises_is_one_line(run, split, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(Coral, "loss", fail)
    with pytest.raises(InputError, match=r"^There is not enough memory for a training step \(training.batch_size 16\)"):
        run()


def test_other_errors_stay_what_they_are(split):
    with pytest.raises(RuntimeError, match="of its own"), memory_errors(split, TrainingSettings()):
        raise RuntimeError("of its own")


def test_a_batch_whose_losses_are_in_chunks_keeps_what_was_foreseen(always):
    count = 1600
    modalities = tuple(Modality(name=name, kind="tabular", shape=(3,)) for name in ("a", "b"))
    split = Split({m.name: ModalityColumn(torch.randn(count, 3)) for m in modalities}, {})

    def build():
        return Coral(modalities, NETWORK, CoralSettings(), {})

    found = step_memory(build, split, TrainingSettings(batch_size=count, device="cpu"), CPU)
    kept = memory._Measure(build(), split.batch(torch.arange(count)), "32-true", count)._kept(count, 1.0)
    assert kept == pytest.approx(count * found.sample, rel=0.05)
    with chunked(False):  # a matrix for each of three terms
        whole = memory._Measure(build(), split.batch(torch.arange(count)), "32-true", count)._kept(count, 1.0)
    assert whole - kept > 0.95 * 3 * 4 * (2 * count) ** 2
