"""Every picture of a run is drawn, holds something, and leaves its numbers beside it."""

import numpy as np
import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.pictures.run import draw_run_pictures, training_curves


def history(epochs, shift=0.0):
    return [
        {
            "epoch": epoch,
            "loss/shared": 2.0 / (epoch + 1) + shift,
            "loss/unique": 1.0,
            "loss/total": 3.0 + shift,
            "mask_ratio": 0.05 if epoch < 2 else 0.75,
            "learning_rate": 1e-4,
            "samples_per_second": 900.0,
        }
        for epoch in range(epochs)
    ]


def result(tasks):
    return {
        "objective": "coral",
        "dataset": "a $100 set",
        "seeds": [41, 42],
        "tasks": tasks,
        "parts": {"shared": tasks, "unique/a": {}},
        "raw_features": {"all": tasks},
    }


def scores(values, metric="balanced_accuracy", **chance):
    return {"metric": metric, "values": values, "also": {}, **chance}


def test_training_curves(tmp_path, check_picture):
    histories = {41: history(4), 42: history(4, 0.5)}
    training_curves(tmp_path / "curves", histories)
    rows = check_picture(tmp_path / "curves")
    expected = [{"seed": seed, **row} for seed, rows in histories.items() for row in rows]
    assert [{key: float(value) for key, value in row.items()} for row in rows] == expected


@pytest.mark.parametrize(
    "histories",
    [
        {41: history(1)},
        {41: history(3), 42: history(1), 43: []},
        {41: [{"epoch": 0, "loss/total": 1.0}]},
        {41: [{"epoch": e, "loss/total": float("nan"), "loss/$a_$": 1.0, "loss/b": 2.0} for e in range(3)]},
    ],
    ids=["one epoch", "seeds of unlike length", "no mask", "not finite, odd names"],
)
def test_training_curves_of_little(tmp_path, histories, check_picture):
    training_curves(tmp_path / "curves", histories)
    assert check_picture(tmp_path / "curves")


@pytest.mark.parametrize("histories", [{}, {41: []}])
def test_no_epoch_is_refused(tmp_path, histories):
    with pytest.raises(InputError, match="no epoch"):
        training_curves(tmp_path / "curves", histories)


def test_run_pictures(tmp_path):
    tasks = {"label": scores([0.6, 0.8], chance=0.5), "x": scores([9.0, 8.0], "mse")}
    rng = np.random.default_rng(0)
    embeddings = tuple({name: rng.normal(size=(rows, 16)) for name in ("shared", "unique/a")} for rows in (40, 30))
    written = draw_run_pictures(tmp_path / "plots", result(tasks), {41: history(3)}, embeddings)
    assert sorted(written) == sorted((tmp_path / "plots").iterdir())
    assert {path.stem for path in written} == {"training", "parts", "embeddings"}


@pytest.mark.parametrize(
    ("tasks", "embeddings", "expected"),
    [
        ({}, None, set()),
        ({"x": scores([9.0], "mse")}, None, {"parts"}),
        ({}, ({"a": np.eye(9), "b": np.ones((9, 3))},) * 2, set()),
    ],
    ids=["nothing", "numbers only", "no common width"],
)
def test_run_pictures_of_what_there_is(tmp_path, tasks, embeddings, expected):
    assert {path.stem for path in draw_run_pictures(tmp_path, result(tasks), {41: []}, embeddings)} == expected
