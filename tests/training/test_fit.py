"""Training of one seed: it learns, it repeats itself, it resumes to the same bits, and it stops on NaN."""

import csv
import math
import os
import signal

import pytest
import torch

from coral_plugin.data import Column, Modality, Split
from coral_plugin.errors import DivergedError, InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.training.callbacks import TimedCheckpoint
from coral_plugin.training.fit import CHECKPOINT, pick_device, train
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.views import build_views

MODALITIES = (
    Modality(name="a", kind="tabular", shape=(6,)),
    Modality(name="b", kind="sequence", shape=(5, 3)),
)
NETWORK = NetworkSettings(
    width=16,
    heads=2,
    head_hidden=16,
    head_output=8,
    encoders={"b": "affect_transformer(layers=1, feedforward=32)"},
)


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(0)
    cause = torch.randn(40, 1, generator=generator)
    a = cause + 0.3 * torch.randn(40, 6, generator=generator)
    b = cause[:, None] + 0.3 * torch.randn(40, 5, 3, generator=generator)
    lengths = torch.randint(1, 6, (40,), generator=generator)
    b[torch.arange(5)[None, :] >= lengths[:, None]] = 0
    return Split({"a": Column(a), "b": Column(b, lengths)}, {})


def build():
    return Coral(MODALITIES, NETWORK, CoralSettings())


def run(split, folder=None, epochs=6, seed=41, resume=False, build=build, **settings):
    settings = {"checkpoint_seconds": 0.0, "learning_rate": 1e-3, "batch_size": 16, **settings}
    return train(
        build,
        split,
        build_views("auto", MODALITIES),
        TrainingSettings(epochs=epochs, device="cpu", **settings),
        seed,
        folder=folder,
        resume=resume,
        quiet=True,
    )


def without_times(history):
    return [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")} for row in history]


def test_the_loss_falls(split):
    history = run(split, epochs=30).history
    assert history[-1]["loss/total"] < 0.8 * history[0]["loss/total"]


def test_the_log_has_terms_schedule_and_speed(split, tmp_path):
    history = run(split, tmp_path, epochs=8).history
    assert [row["mask_ratio"] for row in history] == [0.05, 0.05, 0.35, 0.35, 0.55, 0.55, 0.75, 0.75]
    for row in history:
        total = row["loss/shared"] + row["loss/unique"] + row["loss/orthogonality"]
        assert row["loss/total"] == pytest.approx(total, rel=1e-5)
        assert row["samples_per_second"] > 0
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(8))
    assert float(rows[3]["loss/total"]) == pytest.approx(history[3]["loss/total"])


def test_same_seed_same_bits_other_seed_other_weights(split):
    one, two, other = run(split), run(split), run(split, seed=42)
    for a, b in zip(one.objective.state_dict().values(), two.objective.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert without_times(one.history) == without_times(two.history)
    assert one.history[-1]["loss/total"] != other.history[-1]["loss/total"]


def test_global_random_state_is_left_as_it_was(split):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    run(split, epochs=1)
    assert torch.equal(torch.rand(3), wanted)


def test_a_stopped_run_resumes_to_the_same_bits(split, tmp_path, monkeypatch):
    whole = run(split, tmp_path / "whole")

    class Stop(RuntimeError):
        pass

    original = TimedCheckpoint.on_train_epoch_end

    def stopping(self, trainer, module):
        original(self, trainer, module)
        if trainer.current_epoch == 2:
            raise Stop

    monkeypatch.setattr(TimedCheckpoint, "on_train_epoch_end", stopping)
    with pytest.raises(Stop):
        run(split, tmp_path / "stopped")
    monkeypatch.setattr(TimedCheckpoint, "on_train_epoch_end", original)
    assert (tmp_path / "stopped" / CHECKPOINT).exists()
    resumed = run(split, tmp_path / "stopped", resume=True)
    for a, b in zip(whole.objective.state_dict().values(), resumed.objective.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert without_times(whole.history) == without_times(resumed.history)
    rows = (tmp_path / "stopped" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 6


def test_a_checkpoint_holds_nothing_but_plain_data(split, tmp_path):
    run(split, tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["epoch"] == 4


class Poisoned(Coral):
    def loss(self, first, second, progress, generator=None):
        terms = super().loss(first, second, progress, generator)
        return terms | {"total": terms["total"] * (math.nan if progress >= 0.5 else 1.0)}


def test_a_loss_that_is_not_finite_stops_with_step_and_term(split):
    with pytest.raises(DivergedError, match=r"step 9 of epoch 3 \(terms: total; samples \[\d+"):
        run(split, build=lambda: Poisoned(MODALITIES, NETWORK, CoralSettings()))


def test_cosine_schedule_rises_and_falls(split):
    rates = [row["learning_rate"] for row in run(split, epochs=10, schedule="cosine", warmup=0.2).history]
    assert max(rates) == pytest.approx(1e-3, rel=0.2)
    assert rates[-1] < 1e-4
    assert rates.index(max(rates)) in (1, 2)


def test_bfloat16_agrees_with_float32(split):
    full = run(split, epochs=1).history[-1]["loss/total"]
    half = run(split, epochs=1, precision="bf16-mixed").history[-1]["loss/total"]
    assert half == pytest.approx(full, rel=0.05)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="torch sees no GPU"):
        pick_device("cuda")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_interruption_and_not_a_finished_training(split, tmp_path, monkeypatch, sent):
    def stop(self, trainer, module):
        os.kill(os.getpid(), sent)

    monkeypatch.setattr(TimedCheckpoint, "on_train_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        run(split, tmp_path)
