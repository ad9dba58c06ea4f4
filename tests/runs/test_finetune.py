"""Fine-tuning: what it starts from, what it may touch, when it stops, what it leaves."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch

from coral_plugin import fit
from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.runs import early_stopping
from coral_plugin.runs import finetune as F
from coral_plugin.runs import run as R
from coral_plugin.runs.evaluate import evaluate
from coral_plugin.runs.finetune import FinetuneSettings, finetune
from coral_plugin.runs.folder import load_objective
from coral_plugin.training.signals import Interrupted

SMALL = {
    "network__width": 8,
    "network__heads": 2,
    "network__head_hidden": 8,
    "network__head_output": 8,
    "training__batch_size": 16,
}
QUICK = {"epochs": 6, "patience": 6, "learning_rate": 1e-2, "batch_size": 16}


def arrays(labels=True):
    """Two noisy tables; the sign of their product of means says the class, which no single one tells."""
    generator = np.random.default_rng(5)
    made = {}
    for split, count in (("train", 96), ("valid", 48), ("test", 48)):
        signs = generator.choice([-1.0, 1.0], (count, 2))
        made[f"{split}/a"] = (signs[:, :1] + 0.3 * generator.normal(size=(count, 4))).astype(np.float32)
        made[f"{split}/b"] = (signs[:, 1:] + 0.3 * generator.normal(size=(count, 4))).astype(np.float32)
        if labels:
            made[f"{split}/labels"] = (signs.prod(axis=1) > 0).astype(np.int64)
    return made


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    np.savez(folder.parent / "data.npz", **arrays())
    from coral_plugin.runs.run import run
    from coral_plugin.runs.settings import make_settings

    chosen = {key.replace("__", "."): value for key, value in SMALL.items()}
    settings = make_settings(
        "coral", "arrays", data=str(folder.parent / "data.npz"), seeds=(41, 42), **chosen, **{"training.epochs": 2}
    )
    run(settings, folder=folder, quiet=True)
    return folder


@pytest.mark.parametrize("loss", ["contrastive", "cross_entropy"])
def test_learns_what_the_pretraining_could_not(pretrained, tmp_path, loss):
    settings = FinetuneSettings(loss=loss, epochs=40, patience=40, learning_rate=1e-2, batch_size=16)
    found = finetune(pretrained, settings, output=tmp_path / "tuned", quiet=True).record
    assert np.mean(found["after"]) > max(0.8, np.mean(found["before"]) + 0.1)
    assert len(found["after"]) == len(found["before"]) == len(found["best_epochs"]) == 2
    assert (found["classifier"] is None) == (loss == "contrastive")
    assert json.loads((tmp_path / "tuned" / F.RECORD).read_text()) == found


def test_heads_stay_and_all_else_moves(pretrained, tmp_path):
    finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "tuned", quiet=True)
    before, after = (dict(load_objective(f, 42).named_parameters()) for f in (pretrained, tmp_path / "tuned"))
    heads = {name for name in before if name.startswith(("shared_head", "unique_heads"))}
    assert heads
    assert all(torch.equal(before[name], after[name]) == (name in heads) for name in before)


def test_starts_from_the_trained_weights(pretrained, tmp_path, monkeypatch):
    begun = []
    original = F.train

    def spy(build, *arguments, **named):
        begun.append({k: v.clone() for k, v in build().state_dict().items()})
        return original(build, *arguments, **named)

    monkeypatch.setattr(F, "train", spy)
    finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "tuned", quiet=True)
    for seed, state in zip((41, 42), begun, strict=True):
        for name, value in load_objective(pretrained, seed).state_dict().items():
            assert torch.equal(state[name], value), name


def test_keeps_the_best_epoch_and_stops(pretrained, tmp_path, monkeypatch):
    scores = iter([0.5, 0.9, 0.6, 0.6, 0.6] * 2)
    states = []
    original = F.EarlyStopping.__call__

    def scripted(self, objective, epoch):
        states.append({k: v.clone() for k, v in objective.state_dict().items()})
        return original(self, objective, epoch)

    monkeypatch.setattr(F.EarlyStopping, "__call__", scripted)
    monkeypatch.setattr(early_stopping, "probe", lambda *_: type("Score", (), {"value": next(scores)}))
    settings = FinetuneSettings(**{**QUICK, "epochs": 30, "patience": 3})
    found = finetune(pretrained, settings, output=tmp_path / "tuned", quiet=True).record
    assert found["best_epochs"] == [1, 1]
    assert len(states) == 10  # epochs 0 to 4 of either seed
    kept = load_objective(tmp_path / "tuned", 41).state_dict()
    assert all(torch.equal(kept[name], states[1][name]) for name in kept)


def test_the_output_is_a_run(pretrained, tmp_path):
    finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "tuned", quiet=True)
    again = evaluate(tmp_path / "tuned", ProbeSettings(kind="linear")).metrics
    saved = json.loads((tmp_path / "tuned" / "metrics.json").read_text())
    assert again["tasks"]["label"]["values"] == pytest.approx(saved["tasks"]["label"]["values"])
    assert saved["seeds"] == [41, 42]


def test_test_labels_are_not_looked_at_before_the_end(pretrained, tmp_path, monkeypatch):
    """Whatever the test split holds, the networks that come out are the same."""
    finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "one", quiet=True)
    original = R.load_data

    def flipped(settings):
        data = original(settings)
        data.test.targets["label"].copy_(1 - data.test.targets["label"])
        return data

    monkeypatch.setattr(R, "load_data", flipped)
    finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "two", quiet=True)
    one, two = (load_objective(tmp_path / name, 41).state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_goes_on_to_the_same_bits_where_it_was_stopped(pretrained, tmp_path, monkeypatch):
    settings = FinetuneSettings(loss="cross_entropy", **QUICK)
    whole = finetune(pretrained, settings, output=tmp_path / "whole", quiet=True).record
    original, seeds = F.train, []

    def stopping(*arguments, **named):
        seeds.append(arguments[4])
        if len(seeds) == 2:
            named["after_epoch"] = lambda _, epoch: epoch == 1 and os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments, **named)

    monkeypatch.setattr(F, "train", stopping)
    with pytest.raises(Interrupted, match="after step"):
        finetune(pretrained, settings, output=tmp_path / "cut", quiet=True)
    assert seeds == [41, 42]
    assert not (tmp_path / "cut" / "metrics.json").exists()
    with pytest.raises(InputError, match="Add --resume"):
        finetune(pretrained, settings, output=tmp_path / "cut", quiet=True)
    other = FinetuneSettings(loss="cross_entropy", **{**QUICK, "patience": 5})
    with pytest.raises(InputError, match=r"fine-tuned otherwise \(patience: saved 6, asked 5\)"):
        finetune(pretrained, other, output=tmp_path / "cut", quiet=True, resume=True)
    began = {**json.loads((tmp_path / "cut" / "environment.json").read_text()), "when": "2020-01-01T00:00:00+00:00"}
    (tmp_path / "cut" / "environment.json").write_text(json.dumps(began))
    assert finetune(pretrained, settings, output=tmp_path / "cut", quiet=True, resume=True).record == whole
    assert json.loads((tmp_path / "cut" / "environment.json").read_text())["when"] == began["when"]
    assert seeds == [41, 42, 42]  # the finished one is read
    for seed in (41, 42):
        one, two = (tmp_path / name / f"seed-{seed}" / "model.safetensors" for name in ("whole", "cut"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("content", ["[]", "{}", '{"settings": 5, "pretrained": 1, "best_epoch": 1, "classifier": 1}'])
def test_a_damaged_mark_is_one_line(pretrained, tmp_path, content):
    settings = FinetuneSettings(**{**QUICK, "epochs": 1})
    finetune(pretrained, settings, output=tmp_path / "tuned", quiet=True)
    (tmp_path / "tuned" / "seed-41" / F.MARK).write_text(content)
    with pytest.raises(InputError, match=r"finetuned.json is damaged\. Remove .*seed-41 and go on with --resume"):
        finetune(pretrained, settings, output=tmp_path / "tuned", quiet=True, resume=True)


def test_what_cannot_be_tuned(pretrained, tmp_path):
    with pytest.raises(InputError, match="Fine-tuning needs a classification task 'mood'; data has label"):
        finetune(pretrained, FinetuneSettings(labels="mood"), output=tmp_path / "a", quiet=True)
    with pytest.raises(InputError, match="patience must be at least 1"):
        FinetuneSettings(patience=0)
    with pytest.raises(InputError, match="holds no run"):
        finetune(tmp_path, FinetuneSettings(), quiet=True)
    finetune(pretrained, FinetuneSettings(**{**QUICK, "epochs": 1}), output=tmp_path / "b", quiet=True)
    with pytest.raises(InputError, match="holds a run already"):
        finetune(pretrained, FinetuneSettings(**QUICK), output=tmp_path / "b", quiet=True)
    assert not (tmp_path / "a").exists()


def test_unlabelled_data(tmp_path):
    np.savez(tmp_path / "data.npz", **arrays(labels=False))
    fit(arrays(labels=False), epochs=1, output=tmp_path / "run", quiet=True, **SMALL)
    with pytest.raises(InputError, match="Fine-tuning needs a classification task; data has none"):
        finetune(tmp_path / "run", FinetuneSettings(), data_path=str(tmp_path / "data.npz"), quiet=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU: nothing is missing")
def test_a_run_of_a_gpu_is_used_where_there_is_none(pretrained, tmp_path, capsys):
    """Evaluated, embedded, gone on with and fine-tuned, with the flags that messages advise."""
    run = tmp_path / "run"
    shutil.copytree(pretrained, run)
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("device: auto", "device: cuda"))
    assert "device: cuda" in config.read_text()
    data = str(pretrained.parent / "data.npz")
    tuning = ["finetune", str(run), "--epochs", "1", "--batch-size", "16"]
    for command in (
        ["evaluate", str(run), "--probe", "knn"],
        ["embed", str(run), "--data", data, "--output", str(tmp_path / "z.npz")],
        [*tuning, "--output", str(tmp_path / "as-it-is")],
        [*tuning, "--output", str(tmp_path / "told"), "--device", "cpu", "--loss", "cross_entropy"],
        ["train", "--config", str(config), "--output", str(run), "--resume", "--device", "cpu", "--seeds", "41,43"],
    ):
        assert main(command) == 0, capsys.readouterr().err
        told = "fine-tuning on the CPU: this machine has no GPU" in capsys.readouterr().err
        assert told == (command[-1] == str(tmp_path / "as-it-is"))
    assert json.loads((run / "metrics.json").read_text())["seeds"] == [41, 42, 43]
    with pytest.raises(InputError, match=r"no GPU; take --device cpu or auto\.$"):
        finetune(run, FinetuneSettings(epochs=1), output=tmp_path / "none", chosen={"training.device": "cuda"})
    assert not (tmp_path / "none").exists()

    config.write_text(config.read_text().replace("precision: 32-true", "precision: 16-mixed"))
    half = [*tuning, "--output", str(tmp_path / "half")]
    capsys.readouterr()
    assert main(half) == 2
    assert "on a CPU take bf16-mixed or 32-true" in capsys.readouterr().err
    assert main([*half, "--precision", "32-true"]) == 0


@pytest.mark.parametrize("loss", ["contrastive", "cross_entropy"])
def test_a_run_in_double_precision(tmp_path, loss):
    np.savez(tmp_path / "data.npz", **arrays())
    fit(arrays(), epochs=1, output=tmp_path / "run", quiet=True, training__precision="64-true", **SMALL)
    settings = FinetuneSettings(**{**QUICK, "epochs": 2}, loss=loss)
    tuned = finetune(tmp_path / "run", settings, data_path=str(tmp_path / "data.npz"), quiet=True)
    assert len(tuned.record["after"]) == 1


def test_what_is_half_done_has_seen_labels_too(pretrained, tmp_path):
    output = tmp_path / "half"
    finetune(pretrained, FinetuneSettings(**{**QUICK, "epochs": 1}), output=output, quiet=True)
    for name in ("finetune.json", "metrics.json"):
        (output / name).unlink()
    assert F.is_finetuned(output)
    assert not F.is_finetuned(pretrained)
    metrics = evaluate(output, ProbeSettings(kind="knn")).metrics
    assert metrics["finetuned"] is True


@pytest.mark.parametrize("chosen", [{"positives": "class_neutral"}, {"mask_ratio": 0.5}, {"orthogonality_weight": 0.0}])
def test_cross_entropy_has_no_settings_of_the_contrast(chosen):
    with pytest.raises(InputError, match=f"{next(iter(chosen))} is a setting of COrAL's losses; .* leave it out"):
        FinetuneSettings(loss="cross_entropy", **chosen)
