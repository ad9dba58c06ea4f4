"""The picture and the tables of a robustness record."""

import csv

import numpy as np
import pytest
from PIL import Image

from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.picture import robustness_curves
from coral_plugin.evaluation.tables.model import NO_VALUE
from coral_plugin.evaluation.tables.multibench import performance_table, robustness_tables, training_table


def spread(values):
    return {"values": values, "mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}


def curve(*rows):
    return {"values": [list(row) for row in rows], "mean": [], "std": None, "also": {}}


@pytest.fixture
def record():
    condition = {
        "representation": curve((0.9, 0.7, 0.5), (0.8, 0.7, 0.4)),
        "raw": curve((0.6, 0.5, 0.5), (0.6, 0.5, 0.3)),
        "relative": spread([0.7, 0.65]),
        "raw_relative": spread([0.525, 0.475]),
        "effective": spread([-0.3, -0.1]),
    }
    published = {
        "key": "mosi text",
        "metric": "accuracy",
        "relative": spread([0.25, 0.75]),
        "effective": spread([1, 1]),
    }
    return {
        "objective": "coral", "preset": "paper", "dataset": "mosi", "seeds": [41, 42], "levels": [0.0, 0.5, 1.0],
        "noises": {"text": {"family": "text", "origin": "own (because)"}, "a$b": {"family": "visual", "origin": "x"}},
        "tasks": {
            "label": {
                "metric": "balanced_accuracy", "higher_is_better": True, "chance": 0.5,
                "conditions": {"text": {**condition, "published": published}, "a$b": condition, "all": condition},
            },
            "score": {"metric": "mse", "higher_is_better": False, "conditions": {"text": condition}},
        },
    }  # fmt: skip


@pytest.mark.parametrize(("task", "panels"), [("label", 3), ("score", 1)])
def test_picture(record, tmp_path, task, panels):
    robustness_curves(tmp_path / "deep" / "robustness", record, task)
    with Image.open(tmp_path / "deep" / "robustness.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.std() > 5
    assert (tmp_path / "deep" / "robustness.svg").stat().st_size > 1000
    rows = list(csv.DictReader((tmp_path / "deep" / "robustness.csv").read_text().splitlines()))
    assert len(rows) == panels * 2 * 2 * 3
    assert [row["value"] for row in rows[:3]] == ["0.9", "0.7", "0.5"]
    assert {row["seed"] for row in rows} == {"41", "42"}


def test_one_seed_and_no_curve(record, tmp_path):
    record["seeds"] = [41]
    for own in record["tasks"]["label"]["conditions"].values():
        for kind in ("representation", "raw"):
            own[kind]["values"] = own[kind]["values"][:1]
    robustness_curves(tmp_path / "one", record, "label")
    with pytest.raises(InputError, match="no curve of other"):
        robustness_curves(tmp_path / "none", record, "other")


def test_tables(record):
    label, score = robustness_tables(record)
    assert label.columns == (
        "noise on", "clean", "level 1", "area", "area: raw", "effective", "scaled area", "scaled effective",
    )  # fmt: skip
    text = label.rows[0]
    assert text[:6] == ("text", "85.0 ± 7.1", "45.0 ± 7.1", "67.5 ± 3.5", "50.0 ± 3.5", "-20.0 ± 14.1")
    assert text[6:] == ("0.50 ± 0.35", "1.00 ± 0.00")
    assert label.rows[1][6:] == (NO_VALUE, NO_VALUE)
    assert label.rows[2][0] == "all modalities"
    assert "Noise on text: text, own (because)." in label.caption
    assert "in accuracy, among its published curves of\nmosi text:" in label.caption
    assert "place of its late fusion" in label.caption
    assert "MSE ↓" in score.title
    assert len(score.columns) == 6
    assert score.rows[0][1] == "0.850 ± 0.071"
    assert max(map(len, label.text().splitlines())) <= 120


def test_performance_table(record):
    figures = {"accuracy": spread([0.5, 0.7]), "mse": spread([1.0, 2.0])}
    found = {"label": {"representation": figures, "raw": {"accuracy": {"values": [0.25]}}}}
    table = performance_table({**record, "performance": found})
    assert table.columns == ("figure", "label: all parts", "label: raw values")
    assert table.rows == (("accuracy, % ↑", "60.0 ± 14.1", "25.0"), ("MSE ↓", "1.50 ± 0.71", NO_VALUE))


@pytest.mark.parametrize(("memory", "said"), [("process", "whole process"), ("device", "GPU's allocator")])
def test_training_table(memory, said):
    cost = {
        "parameters": 1234, "flops_per_sample": 2.5e6, "seconds": [10.0], "samples_per_second": [100.0],
        "peak_memory_bytes": [3 * 2**20], "memory_of": memory, "epochs": 1, "samples": 1000, "batch_size": 64,
    }  # fmt: skip
    table = training_table(cost)
    assert [row[1] for row in table.rows] == ["1,234", "2.50", "10.0", "100", "3.0"]
    assert said in table.caption
    assert "1 epoch of 1,000 samples" in table.caption
