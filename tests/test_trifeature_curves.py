"""The pure parts of benchmarks/trifeature_curves.py, and its record of two small trainings."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import trifeature_curves as curves

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.runs.settings import make_settings


def scores(value):
    score = {"metric": "balanced_accuracy", "value": value, "also": {"auroc": value + 0.1}}
    return dict.fromkeys(("redundancy", "uniqueness1", "synergy"), score)


BY_ROW = {
    "COrAL": {
        "unbiased": {0: {41: scores(0.1), 42: scores(0.2)}, 5: {41: scores(0.3), 42: scores(0.4)}},
        "biased": {0: {41: scores(0.5)}, 5: {41: scores(0.6)}},
    },
    "CoMM": {"unbiased": {5: {41: scores(0.7)}}},
}


def test_each_kind_is_read_from_its_training():
    assert curves.lines(BY_ROW, "uniqueness") == {
        "COrAL": [
            {"epochs": 0, "score": {"metric": "balanced_accuracy", "values": [0.1, 0.2]}},
            {"epochs": 5, "score": {"metric": "balanced_accuracy", "values": [0.3, 0.4]}},
        ],
        "CoMM": [{"epochs": 5, "score": {"metric": "balanced_accuracy", "values": [0.7]}}],
    }
    assert [point["score"]["values"] for point in curves.lines(BY_ROW, "synergy")["COrAL"]] == [[0.5], [0.6]]
    (_, last) = curves.lines(BY_ROW, curves.AUROC)["COrAL"]
    assert last["score"] == {"metric": "auroc", "values": [pytest.approx(0.7)]}
    assert "CoMM" not in curves.lines(BY_ROW, "synergy"), "its training on biased pairs is not finished"


def test_the_table_of_one_model_reads_all_from_the_biased_training():
    (row,) = curves.one_model(BY_ROW).rows
    assert row == ("COrAL", "60.0", "60.0", "60.0", "70.0")


def test_rows_are_named_by_what_differs():
    changed = make_settings("coral", "trifeature", preset="plus", method__masking="none")
    assert curves.row_name(changed) == "COrAL, alignment_weight=1.0, masking=none"
    assert curves.row_name(make_settings("comm", "trifeature")) == "CoMM"


@pytest.mark.slow
def test_a_record_and_what_cannot_be_told_apart(tmp_path, monkeypatch, capsys):
    command = [
        "bench", "--objectives", "coral", "--datasets", "trifeature", "--scale", "small", "--epochs", "2",
        "--seeds", "41", "--set", "source.pairs=64", "--set", "source.probe_pairs=60",
        "--set", "training.keep_every=1", "--workers", "1", "--output", str(tmp_path / "runs"), "--quiet",
    ]  # fmt: skip
    assert main(command) == 0
    monkeypatch.setattr(sys, "argv", ["x", "--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "record")])
    curves.main()
    curves.main()  # what is scored already is read
    record = json.loads((tmp_path / "record" / "curves.json").read_text())
    assert [point["epochs"] for point in record["panels"]["synergy"]["COrAL"]] == [0, 1, 2]
    assert (tmp_path / "record" / "curves.png").stat().st_size
    assert capsys.readouterr().out.count("scored after 3 numbers of epochs") == 2
    (folder,) = (tmp_path / "runs" / "runs").glob("coral-trifeature-biased-*")
    folder.rename(folder.with_name("another"))
    assert main(command) == 0
    with pytest.raises(InputError, match="Two runs are COrAL, biased pairs, seed 41"):
        curves.scored(tmp_path / "runs" / "runs")
