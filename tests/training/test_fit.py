"""Training of one seed: it learns, it repeats itself, and it resumes to the same bits wherever it was stopped."""

import csv
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from coral_plugin.errors import InputError
from coral_plugin.training.checkpoint import CHECKPOINT, PREVIOUS, Checkpoints, kept_weights
from coral_plugin.training.engine import Engine
from coral_plugin.training.fit import pick_device, train
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import SIGNALS, Interrupted


def test_the_loss_falls(run):
    history = run(epochs=25).history
    assert history[-1]["loss/total"] < 0.8 * history[0]["loss/total"]


def test_the_log_has_terms_schedule_and_speed(run, tmp_path):
    history = run(tmp_path, epochs=8).history
    assert [row["mask_ratio"] for row in history] == [0.05, 0.05, 0.35, 0.35, 0.55, 0.55, 0.75, 0.75]
    for row in history:
        total = row["loss/shared"] + row["loss/unique"] + row["loss/orthogonality"]
        assert row["loss/total"] == pytest.approx(total, rel=1e-5)
        assert row["samples_per_second"] > 0
        assert row["skipped"] == 0
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(8))
    assert float(rows[3]["loss/total"]) == pytest.approx(history[3]["loss/total"])


def test_same_seed_same_bits_other_seed_other_weights(run, same):
    one, two, other = run(), run(), run(seed=42)
    same(one, two)
    assert one.history[-1]["loss/total"] != other.history[-1]["loss/total"]


def test_what_is_drawn_elsewhere_changes_nothing(run, same, build):
    def drawing():
        objective = build()
        torch.rand(7)
        return objective

    torch.manual_seed(9)
    same(run(), run(build=drawing))


def test_global_random_state_is_left_as_it_was(run):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    run(epochs=1)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_killed_run_resumes_to_the_same_bits_from_any_step(run, same, tmp_path, killed, schedule):
    whole = run(tmp_path / "whole", schedule=schedule, epochs=2)
    csv_of_whole = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    for step in range(6) if schedule == "constant" else (4,):
        folder = tmp_path / f"at-{step}"
        killed(step, lambda at=folder: run(at, schedule=schedule, epochs=2))
        same(whole, run(folder, schedule=schedule, epochs=2, resume=True))
        lines = (folder / "metrics.csv").read_text().splitlines()
        assert [line.split(",")[:8] for line in lines] == [line.split(",")[:8] for line in csv_of_whole]


def test_a_run_killed_again_and_again_ends_with_the_same_bits(run, same, tmp_path, killed):
    for step in (2, 5, 6, 11):
        killed(step, lambda: run(tmp_path, resume=True))
    same(run(), run(tmp_path, resume=True))


def test_checkpoints_by_the_clock_only(run, tmp_path, monkeypatch):
    saved = []
    original = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, state: (saved.append(state["step"]), original(self, state)))
    run(tmp_path, checkpoint_seconds=3600.0)
    assert saved == [12]  # what is trained is kept for the probe


def test_a_finished_training_is_not_repeated(run, same, tmp_path, monkeypatch):
    whole = run(tmp_path)
    monkeypatch.setattr(Engine, "_take_step", None)
    same(whole, run(tmp_path, resume=True))


def test_a_damaged_newest_checkpoint_costs_one_step(run, same, tmp_path, killed):
    whole = run()
    killed(7, lambda: run(tmp_path))
    os.truncate(tmp_path / CHECKPOINT, 1000)
    assert Checkpoints(tmp_path).load()["step"] == 6
    same(whole, run(tmp_path, resume=True))


def test_without_any_whole_checkpoint_it_begins_anew_and_says_so(run, same, tmp_path, killed, capsys):
    whole = run()
    killed(5, lambda: run(tmp_path))
    for name in (CHECKPOINT, PREVIOUS):
        os.truncate(tmp_path / name, 1000)
    capsys.readouterr()
    same(whole, run(tmp_path, resume=True, quiet=False))
    lines = capsys.readouterr().err.splitlines()
    assert f"{CHECKPOINT} is damaged" in lines[0]
    assert lines[0].endswith("going on from the checkpoint before it")
    assert f"{PREVIOUS} is damaged" in lines[1]
    assert lines[1].endswith("going on from the start")


def test_a_fresh_start_forgets_an_old_checkpoint(run, same, tmp_path):
    run(tmp_path, seed=7)
    same(run(), run(tmp_path))


def test_a_checkpoint_of_another_training_is_refused(run, tmp_path, killed):
    killed(5, lambda: run(tmp_path))
    with pytest.raises(InputError, match=r"another training \(seed: saved 41, now 42\)"):
        run(tmp_path, seed=42, resume=True)
    with pytest.raises(InputError, match=r"\(steps: saved 12, now 15\)"):
        run(tmp_path, epochs=5, resume=True)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_the_next_step_with_a_checkpoint(run, same, tmp_path, monkeypatch, number):
    whole = run()
    before = [signal.getsignal(each) for each in SIGNALS]
    original = Engine._buffers  # in the middle of a step

    def buffers(self):
        if self.step == 4:
            os.kill(os.getpid(), number)
        return original(self)

    monkeypatch.setattr(Engine, "_buffers", buffers)
    with pytest.raises(Interrupted, match="after step 5 of 12 of seed 41") as stopped:
        run(tmp_path, checkpoint_seconds=3600.0)
    assert stopped.value.number == number
    assert [signal.getsignal(each) for each in SIGNALS] == before
    monkeypatch.setattr(Engine, "_buffers", original)
    assert Checkpoints(tmp_path).load()["step"] == 5
    same(whole, run(tmp_path, resume=True))


def test_cosine_schedule_rises_and_falls(run):
    rates = [row["learning_rate"] for row in run(epochs=10, schedule="cosine", warmup=0.2).history]
    assert max(rates) == pytest.approx(1e-3, rel=0.2)
    assert rates[-1] < 1e-4
    assert rates.index(max(rates)) in (1, 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="torch sees no GPU"):
        pick_device("cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_half_precision_without_a_gpu_is_refused(run):
    with pytest.raises(InputError, match="16-mixed needs a GPU; on a CPU take bf16-mixed"):
        run(precision="16-mixed")


def test_labels_of_progress_are_lines(split, build, capsys):
    from coral_plugin.augmentations import build_augmenter

    modalities = build().modalities
    settings = TrainingSettings(epochs=1, device="cpu", batch_size=16)
    train(build, split, build_augmenter("auto", modalities), settings, 41, label="here:")
    assert capsys.readouterr().err.startswith("here: seed 41  epoch 1/1  loss ")


def test_weights_are_kept_now_and_then_and_a_resumed_training_keeps_the_same(run, tmp_path, killed, monkeypatch):
    ended, seen = Engine._end_epoch, {}

    def end_epoch(self):
        ended(self)
        seen[self.step // len(self.loader)] = {k: v.clone() for k, v in self.training.objective.state_dict().items()}

    monkeypatch.setattr(Engine, "_end_epoch", end_epoch)
    run(tmp_path / "whole", keep_every=2)
    names = sorted(path.name for path in (tmp_path / "whole").glob("*.safetensors"))
    assert names == [kept_weights(0), kept_weights(2)], "the last ones, after four epochs, are kept by the run"
    kept = {epochs: load_file(tmp_path / "whole" / kept_weights(epochs)) for epochs in (0, 2)}
    assert all(torch.equal(kept[2][name], value) for name, value in seen[2].items())
    assert any(not torch.equal(kept[0][name], value) for name, value in kept[2].items())
    killed(4, lambda: run(tmp_path / "killed", keep_every=2))
    assert not (tmp_path / "killed" / kept_weights(2)).exists(), "an epoch has three steps"
    run(tmp_path / "killed", keep_every=2, resume=True)
    for epochs in kept:
        again = load_file(tmp_path / "killed" / kept_weights(epochs))
        assert all(torch.equal(kept[epochs][name], value) for name, value in again.items())
    run(tmp_path / "none")
    assert not list((tmp_path / "none").glob("*.safetensors"))


def test_weights_of_double_precision_are_kept_as_the_last_ones_are(run, tmp_path):
    run(tmp_path, keep_every=1, epochs=2, precision="64-true")
    kept = load_file(tmp_path / kept_weights(1))
    assert {value.dtype for value in kept.values() if value.is_floating_point()} == {torch.float32}
