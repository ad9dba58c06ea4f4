"""Both trainings of Trifeature, the demo and the ablation, at a scale of seconds."""

import json

import pytest

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.reproduce import trifeature as module
from coral_plugin.reproduce.ablation import ABLATIONS, leakage_table, run_ablation, slug
from coral_plugin.reproduce.trifeature import (
    PAIRINGS,
    PAPER,
    Scale,
    TrifeatureRuns,
    clear,
    information_summary,
    information_table,
    lengthened,
    run_variants,
)
from coral_plugin.runs.folder import open_run

TINY = Scale(
    image_size=16,
    pairs=64,
    epochs={"unbiased": 1, "biased": 1},
    chosen={
        "source.renders": 1,
        "source.probe_pairs": 300,
        # the linear probe takes ten times as long as the training; how it scores is tested where it lives
        "probe.kind": "knn",
        "network.width": 16,
        "network.head_hidden": 16,
        "network.head_output": 8,
        "training.batch_size": 32,
        "training.device": "cpu",
    },
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Textures are rendered once for all of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """Both trainings, one after the other: their folder and what came out."""
    folder = tmp_path_factory.mktemp("alone") / "trainings"
    return folder, variant(TINY, folder)


def variant(scale, folder, workers=1):
    return run_variants(scale, {"COrAL": {}}, {"COrAL": folder}, workers=workers)["COrAL"]


def saved(folder, name, pairing):
    return open_run(folder / slug(name) / pairing)[0]


def metrics(redundancy, uniqueness, synergy):
    def task(value, chance):
        return {
            "mean": value,
            "std": None,
            "values": [value],
            "chance": chance,
            "also": {"auroc": {"values": [value + 0.05]}},
        }

    return {
        "tasks": {
            "redundancy": task(redundancy, 0.1),
            "uniqueness1": task(uniqueness, 0.1),
            "synergy": task(synergy, 0.5),
        }
    }


def test_redundancy_and_uniqueness_come_from_unbiased_pairs_and_synergy_from_biased_ones():
    both = {"unbiased": metrics(0.9, 0.8, 0.1), "biased": metrics(0.2, 0.3, 0.7)}
    summary = information_summary(both)
    assert {kind: entry["mean"] for kind, entry in summary.items()} == {
        "redundancy": 0.9,
        "uniqueness": 0.8,
        "synergy": 0.7,
    }
    assert [entry["chance"] for entry in summary.values()] == [0.1, 0.1, 0.5]
    text = information_table({"COrAL": TrifeatureRuns(both, summary)}, "title").text()
    assert all(number in text for number in ("90.0", "80.0", "70.0", "75.0", "10.0", "50.0"))


def test_the_papers_scale_is_the_papers():
    assert (PAPER.image_size, PAPER.pairs, PAPER.epochs) == (224, 10_000, {"unbiased": 100, "biased": 100})
    assert lengthened(PAPER, 2).epochs == {"unbiased": 200, "biased": 200}


def test_both_trainings_differ_in_their_pairs_and_are_probed_on_the_same(alone):
    folder, both = alone
    records = [json.loads((folder / pairing / "data.json").read_text()) for pairing in ("unbiased", "biased")]
    assert records[0]["samples"] == records[1]["samples"]
    assert records[0]["fingerprint"] != records[1]["fingerprint"]
    for entry in both.summary.values():
        assert 0 <= entry["mean"] <= 1


def test_processes_find_what_one_after_the_other_finds(alone, tmp_path):
    together = variant(TINY, tmp_path / "together", workers=2)
    assert together.summary == alone[1].summary


def test_clear_removes_runs_and_nothing_else(tmp_path):
    for pairing in PAIRINGS:
        (tmp_path / pairing).mkdir()
        (tmp_path / pairing / "config.yaml").write_text("objective: coral\n")
    (tmp_path / "notes.txt").write_text("mine")
    clear(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "unbiased").exists()
    with pytest.raises(InputError, match="is a file"):
        clear(tmp_path / "notes.txt")


def test_the_demo_leaves_its_summary_table_and_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "SMALL", TINY)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert list(summary) == ["redundancy", "uniqueness", "synergy"]
    assert all(set(entry) == {"mean", "std", "values", "chance"} for entry in summary.values())
    assert f"{100 * summary['redundancy']['mean']:.1f}" in out
    assert "chance" in out
    assert (tmp_path / "demo" / "information.png").stat().st_size > 5_000


def test_the_ablation_trains_every_variant_with_its_own_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(module, "draw_run", lambda finished: None)  # the demo's test looks at pictures
    chosen = {name: ABLATIONS[name] for name in ("no masking", "no orthogonality")}
    found = run_ablation(TINY, variants=chosen, seeds=(41,), folder=tmp_path, resume=False)
    assert saved(tmp_path, "no masking", "biased").method.masking == "none"
    assert saved(tmp_path, "no orthogonality", "unbiased").method.orthogonality_weight == 0
    assert (tmp_path / slug("no masking") / "biased" / "metrics.json").exists()
    text = leakage_table(found, "leaks").text()
    assert all(name in text for name in ("no masking", "no orthogonality", "CKA"))
