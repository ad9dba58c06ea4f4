"""A whole run: what is written, what is scored, what is resumed, what is refused."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import embed_split
from coral_plugin.runs.folder import load_objective, open_run
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings


@pytest.fixture
def settings(tiny):
    return make_settings("coral", "arrays", seeds=(41, 42), training__epochs=2, **tiny)


@pytest.fixture
def data(arrays):
    return from_arrays(arrays, name="tiny")


def test_the_run_directory_is_complete(settings, data, tmp_path):
    finished = run(settings, folder=tmp_path, data=data, quiet=True)
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.yaml", "data.json", "environment.json", "metrics.json", "metrics.csv", "seed-41", "seed-42",
    }  # fmt: skip
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(finished.metrics))
    assert (metrics["schema"], metrics["objective"], metrics["modalities"]) == (2, "coral", ["table", "wave"])
    task = metrics["tasks"]["label"]
    assert (task["metric"], task["chance"], len(task["values"])) == ("balanced_accuracy", pytest.approx(1 / 3), 2)
    assert task["mean"] == pytest.approx(np.mean(task["values"]))
    assert task["std"] == pytest.approx(np.std(task["values"], ddof=1))
    assert {"accuracy", "macro_f1", "auroc"} <= set(task["also"])
    assert set(metrics["parts"]) == {"shared", "unique/table", "unique/wave"}
    assert set(metrics["raw_features"]) == {"all", "table", "wave"}
    assert metrics["width"] == settings.network.width * 2  # of two modalities: (1 + 2 / 2) D
    matched = metrics["matched_width"]
    assert (matched["width"], set(matched["tasks"])) == (settings.network.width, {"label"})
    assert set(matched["tasks"]["label"]) == set(task)
    assert (len(matched["tasks"]["label"]["values"]), matched["tasks"]["label"]["chance"]) == (2, task["chance"])
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["training"]["epochs"] == 2
    assert not list(tmp_path.rglob("*.tmp*"))
    assert not list(tmp_path.rglob("last.ckpt"))


def test_the_csv_has_a_row_for_each_seed_and_epoch(settings, data, tmp_path):
    run(settings, folder=tmp_path, data=data, quiet=True)
    with (tmp_path / "metrics.csv").open() as file:
        rows = [(int(r["seed"]), int(r["epoch"])) for r in csv.DictReader(file)]
    assert rows == [(41, 0), (41, 1), (42, 0), (42, 1)]


def test_chance_is_over_the_classes_that_test_has(arrays):
    """Everywhere that a score stands: of the seven classes of case 23 three occur in test."""
    train = np.arange(60) % 7
    data = from_arrays(arrays | {"train/labels": train, "valid/labels": train[:30], "test/labels": np.arange(30) % 3})
    assert any("test has no sample of class 3, 4, 5, 6" in note for note in data.notes)
    metrics = run(make_settings("concat_raw", "arrays", network__width=4), data=data, quiet=True).metrics
    rows = [
        metrics["tasks"],
        metrics["matched_width"]["tasks"],
        *metrics["parts"].values(),
        *metrics["raw_features"].values(),
    ]
    assert [row["label"]["chance"] for row in rows] == [pytest.approx(1 / 3)] * len(rows)
    assert metrics["tasks"]["label"]["also"]["accuracy"]["chance"] == pytest.approx(1 / 3)


def test_the_matched_width_is_that_of_the_networks(data):
    """Of raw features too; a representation that is no wider stands as it is. Off leaves it out."""
    for width, matched in ((4, 4), (1000, 4 + 12 * 2)):
        finished = run(make_settings("concat_raw", "arrays", network__width=width), data=data, quiet=True).metrics
        assert finished["matched_width"]["width"] == matched
    assert finished["matched_width"]["tasks"] == finished["tasks"]
    off = make_settings("concat_raw", "arrays", probe__matched_width=False)
    assert "matched_width" not in run(off, data=data, quiet=True).metrics


def test_a_separable_task_is_solved(settings, data):
    assert run(settings, data=data, quiet=True).metrics["tasks"]["label"]["mean"] > 0.9


def test_loaded_weights_give_the_same_representation(settings, data, tmp_path):
    finished = run(settings, folder=tmp_path, data=data, quiet=True)
    for seed in (41, 42):
        loaded = embed_split(load_objective(tmp_path, seed), data.test)
        for name, part in embed_split(finished.objectives[seed], data.test).items():
            np.testing.assert_array_equal(part, loaded[name])


def test_resume_trains_only_what_is_missing(settings, data, tmp_path, monkeypatch):
    whole = run(settings, folder=tmp_path / "whole", data=data, quiet=True)
    from coral_plugin.runs import start as module

    trained = []
    original = module.train

    def counting(build, split, augmenter, training, seed, **options):
        trained.append(seed)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return original(build, split, augmenter, training, seed, **options)

    monkeypatch.setattr(module, "train", counting)
    with pytest.raises(KeyboardInterrupt):
        run(settings, folder=tmp_path / "stopped", data=data, quiet=True)
    assert not (tmp_path / "stopped" / "metrics.json").exists()
    resumed = run(settings, folder=tmp_path / "stopped", data=data, quiet=True, resume=True)
    assert trained == [41, 42, 42]
    assert resumed.metrics["tasks"] == whole.metrics["tasks"]


def test_a_folder_with_a_run_is_not_overwritten(settings, data, tmp_path):
    run(settings, folder=tmp_path, data=data, quiet=True)
    with pytest.raises(InputError, match=r"holds a run already\. Add --resume"):
        run(settings, folder=tmp_path, data=data, quiet=True)


def test_resume_refuses_other_settings_and_other_data(settings, data, arrays, tiny, tmp_path):
    run(settings, folder=tmp_path, data=data, quiet=True)
    other = make_settings("coral", "arrays", seeds=(41, 42), training__epochs=2, method__temperature=0.2, **tiny)
    with pytest.raises(InputError, match=r"method.temperature: saved 0.1, asked 0.2"):
        run(other, folder=tmp_path, data=data, quiet=True, resume=True)
    arrays["train/table"][0, 0] += 1
    with pytest.raises(InputError, match="data fingerprint"):
        run(settings, folder=tmp_path, data=from_arrays(arrays, name="tiny"), quiet=True, resume=True)


def test_labels_are_not_needed(settings, arrays, tmp_path):
    unlabelled = from_arrays({k: v for k, v in arrays.items() if k.startswith("train") and "labels" not in k})
    metrics = run(settings, folder=tmp_path, data=unlabelled, quiet=True).metrics
    assert (metrics["tasks"], metrics["raw_features"]) == ({}, {})
    assert (tmp_path / "seed-42" / "model.safetensors").exists()


def test_training_never_sees_the_labels(settings, arrays):
    rng = np.random.default_rng(1)
    shuffled = {k: rng.permutation(v) if k == "train/labels" else v for k, v in arrays.items()}
    one = run(settings, data=from_arrays(arrays), quiet=True).objectives[41].state_dict()
    two = run(settings, data=from_arrays(shuffled), quiet=True).objectives[41].state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda p: (p / "config.yaml").unlink(), "holds no run"),
        (lambda p: (p / "config.yaml").write_text("{"), "not valid YAML"),
        (lambda p: (p / "config.yaml").write_text("[1]"), "must hold a mapping"),
        (lambda p: (p / "data.json").write_text("{"), "data.json"),
        (lambda p: (p / "seed-41" / "model.safetensors").write_bytes(b"xx"), "cannot be loaded"),
        (lambda p: (p / "seed-41" / "model.safetensors").unlink(), "no trained seed 41; it has"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(settings, data, tmp_path, damage, match):
    run(settings, folder=tmp_path, data=data, quiet=True)
    damage(tmp_path)
    with pytest.raises(InputError, match=match):
        load_objective(tmp_path, 41)


def test_open_run_tells_settings_and_data(settings, data, tmp_path):
    run(settings, folder=tmp_path, data=data, quiet=True)
    saved, record = open_run(tmp_path)
    assert saved == settings
    assert record["fingerprint"] == data.fingerprint


def test_with_labels_trains_as_many_steps_as_without(tiny, tmp_path, capsys):
    """On Trifeature the labelled pairs are far fewer than the unlabelled ones."""
    source = {"image_size": 16, "pairs": 150, "probe_pairs": 60, "texture_period": 8, "renders": 1, "cache": False}
    found, weights = {}, {}
    for objective in ("coral", "supervised"):
        chosen = {**tiny, **{f"source__{key}": value for key, value in source.items()}, "training__epochs": 2}
        settings = make_settings(objective, "trifeature", seeds=(41,), **chosen)
        run(settings, folder=tmp_path / objective, raw_baseline=False)
        found[objective] = json.loads((tmp_path / objective / "metrics.json").read_text())
        result = json.loads((tmp_path / objective / "seed-41" / "result.json").read_text())["train"]
        weights[objective] = (result["steps"], result["samples"])
    assert found["supervised"]["samples"]["train"] == 36
    # 150 pairs in batches of 32: five steps an epoch
    assert weights == {"coral": (10, 300), "supervised": (10, 300)}
    assert [(each["train"]["steps"], each["train"]["samples"]) for each in found.values()] == [(10, 300)] * 2
    said = "supervised trains on the 36 labelled samples, as many steps as on the 150 unlabelled ones"
    assert capsys.readouterr().err.count(said) == 1


def test_a_run_without_training_records_no_steps(tiny, data):
    metrics = run(make_settings("concat_raw", "arrays", **tiny), data=data, quiet=True).metrics
    assert (metrics["train"]["steps"], metrics["train"]["samples"]) == (0, 0)
