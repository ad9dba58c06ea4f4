"""The runs of a grid and what makes two of them the same run."""

import hashlib
import json
from dataclasses import replace

import pytest

from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow, distinct, identity, plan
from coral_plugin.errors import InputError
from coral_plugin.evaluation.names import run_names
from coral_plugin.reproduce.trifeature import SMALL, trifeature_column


def jobs_of(grid, tmp_path, fingerprint="f", code="c"):
    return plan(
        grid, tmp_path, lambda settings: fingerprint, lambda objective, dataset, finetuned: code + "t" * finetuned
    )


def test_every_cell_has_its_run_and_seeds_come_one_after_the_other(grid, tmp_path):
    jobs = jobs_of(grid, tmp_path)
    assert [(j.seed, j.row) for j in jobs] == [(s, r) for s in (1, 2, 3) for r in ("coral", "other")]
    assert all(j.settings["seeds"] == [j.seed] for j in jobs)
    assert len({j.folder for j in jobs}) == len({j.identity for j in jobs}) == 6
    assert all(j.folder.name == f"coral-digits-s{j.seed}-{j.identity[:12]}" for j in jobs)


def test_identity_is_the_hash_of_settings_data_and_code(make_job):
    job = make_job()
    relevant = json.loads(json.dumps(job.settings))
    del relevant["data"]
    for key in ("device", "checkpoint_seconds", "keep_every"):
        del relevant["training"][key]
    text = json.dumps([relevant, "f", "c"], sort_keys=True)
    assert job.identity == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"data": "/elsewhere.npz"}, True),
        ({"training.device": "cpu"}, True),
        ({"training.checkpoint_seconds": 1.0}, True),
        ({"training.keep_every": 5}, True),
        ({"training.timeout_seconds": 7200.0}, True),
        ({"training.on_nonfinite": "skip"}, True),
        ({"training.epochs": 3}, False),
        ({"training.precision": "bf16-mixed"}, False),
        ({"method.temperature": 0.2}, False),
        ({"network.width": 8}, False),
        ({"probe.kind": "knn"}, False),
        ({"source.seed": 7}, False),
        ({"seeds": [2]}, False),
    ],
)
def test_only_what_matters_changes_the_identity(make_job, change, same):
    job = make_job()
    changed = json.loads(json.dumps(job.settings))
    for key, value in change.items():
        group, _, name = key.rpartition(".")
        (changed[group] if group else changed)[name] = value
    assert (identity(changed, "f", "c") == job.identity) == same
    assert len({identity(job.settings, f, c) for f in "fg" for c in "cd"}) == 4


def test_settings_of_the_row_win_over_those_of_the_column(tmp_path):
    column = DatasetColumn(name="d", dataset="digits", chosen={"training.epochs": 5, "training.batch_size": 9})
    row = MethodRow(
        name="r", objective="coral", preset="released", chosen={"training.epochs": 6},
        by_column={"d": {"training.batch_size": 7}, "e": {"training.epochs": 1}},
    )  # fmt: skip
    (job,) = jobs_of(Grid(rows=(row,), columns=(column,), seeds=(1,)), tmp_path)
    assert (job.settings["training"]["epochs"], job.settings["training"]["batch_size"]) == (6, 7)
    assert job.settings["method"]["orthogonality"] == "squared_cosine"


def test_trifeature_has_a_training_for_each_condition(tmp_path):
    grid = Grid(rows=(MethodRow(name="coral", objective="coral"),), columns=(trifeature_column(SMALL),), seeds=(1,))
    jobs = {job.condition: job for job in jobs_of(grid, tmp_path)}
    assert {condition: job.settings["source"]["pairing"] for condition, job in jobs.items()} == {
        "unbiased": "unbiased",
        "biased": "biased",
    }
    assert all(job.settings["source"]["image_size"] == SMALL.image_size for job in jobs.values())
    readings = grid.columns[0].readings
    assert {kind: (r.condition, r.task) for kind, r in readings.items()} == {
        "redundancy": ("unbiased", "redundancy"),
        "uniqueness": ("unbiased", "uniqueness1"),
        "synergy": ("biased", "synergy"),
    }


@pytest.mark.parametrize("pairing", ["unbiased", "biased"])
def test_trifeature_with_one_kind_of_pairs_reads_everything_from_one_training(pairing, tmp_path):
    column = trifeature_column(SMALL, pairing=pairing)
    grid = Grid(rows=(MethodRow(name="coral", objective="coral"),), columns=(column,), seeds=(1,))
    (job,) = jobs_of(grid, tmp_path)
    assert (job.condition, job.settings["source"]["pairing"]) == (pairing, pairing)
    both = {job.condition: job for job in jobs_of(replace(grid, columns=(trifeature_column(SMALL),)), tmp_path)}
    assert job.settings == both[pairing].settings
    assert {kind: (r.condition, r.task) for kind, r in column.readings.items()} == {
        "redundancy": (pairing, "redundancy"),
        "uniqueness": (pairing, "uniqueness1"),
        "synergy": (pairing, "synergy"),
    }


def test_rows_with_the_same_settings_are_one_run(grid, tmp_path):
    rows = (*grid.rows, MethodRow(name="again", objective="coral"))
    jobs = jobs_of(Grid(rows=rows, columns=grid.columns, seeds=(1,)), tmp_path)
    assert [job.row for job in distinct(jobs)] == ["coral", "other"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (MethodRow(name="r", objective="corall"), "corall"),
        (MethodRow(name="r", objective="coral", preset="mine"), "r on digits: Unknown preset"),
        (
            MethodRow(name="r", objective="coral", chosen={"method.temprature": 1}),
            "r on digits: Unknown method setting",
        ),
    ],
)
def test_a_wrong_name_is_said_before_anything_runs(grid, tmp_path, row, text):
    with pytest.raises(InputError, match=text):
        jobs_of(Grid(rows=(row,), columns=grid.columns, seeds=(1,)), tmp_path)


def test_a_grid_names_everything_once(grid):
    with pytest.raises(InputError, match="row once"):
        Grid(rows=(grid.rows[0],) * 2, columns=grid.columns, seeds=(1,))
    with pytest.raises(InputError, match="seeds"):
        Grid(rows=grid.rows, columns=grid.columns, seeds=(1, 1))


def test_a_fine_tuned_row_builds_on_the_same_run_as_the_row_without(grid, tmp_path):
    rows = (grid.rows[0], *(MethodRow(name=f"tuned {n}", objective="coral", finetune={"epochs": n}) for n in (3, 4)))
    plain, three, four = jobs_of(Grid(rows=rows, columns=grid.columns, seeds=(1,)), tmp_path)
    assert three.pretrained.identity == four.pretrained.identity == plain.identity
    assert three.pretrained.folder == plain.folder
    assert len({plain.identity, three.identity, four.identity}) == 3
    assert (plain.code, three.code) == ("c", "ct")


def test_arrays_are_titled_as_their_runs_name_them():
    column = DatasetColumn(name="arrays", dataset="arrays", data="a/wear.v2.npz")
    metrics = {"objective": "coral", "dataset": "arrays", "data": "wear.v2"}
    assert run_names(metrics) == f"COrAL on {column.dataset_title}" == "COrAL on wear.v2"
    assert DatasetColumn(name="m", dataset="mosi", data="a/raw.pkl").dataset_title == "MOSI"
