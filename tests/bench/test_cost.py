"""Costs that are measured by themselves: what is counted, kept, and shown in place of those of the runs."""

import csv
import io
import json
from functools import partial

import numpy as np
import pytest
import torch

from coral_plugin.bench import cost as module
from coral_plugin.bench.cells import cell_tables
from coral_plugin.bench.compare import compare
from coral_plugin.bench.cost import measure, measure_costs, read_costs, with_costs
from coral_plugin.bench.formats import as_json, latex, markdown, summary_csv
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow, run_settings
from coral_plugin.errors import InputError
from coral_plugin.evaluation.tables.model import cell
from coral_plugin.reproduce.protocol import PaperNumbers

OWN = {"seconds": 2.5, "memory": 3 * 2**20, "parameters": 77, "batch_size": 64, "device": "cpu"}


@pytest.fixture
def compared(make_job, metrics):
    """A comparison of two rows and the jobs behind it."""
    grid = Grid(
        rows=(MethodRow(name="a", objective="coral"), MethodRow(name="b", objective="coral")),
        columns=(DatasetColumn(name="d", dataset="digits"), DatasetColumn(name="e", dataset="digits")),
        seeds=(1, 2),
    )
    jobs, records = [], {}
    for i, (row, column) in enumerate((r, c) for r in "ab" for c in "de"):
        for seed in (1, 2):
            jobs.append(make_job(row, column, seed, **{"method.shared_weight": 1.0 + i}))
            records[jobs[-1].identity] = {"metrics": metrics(0.5 + i / 10)}
    return compare(grid, jobs, records, {}), jobs


def test_measured_costs_stand_in_every_format_for_those_of_the_runs(compared):
    comparison, jobs = compared
    measured = with_costs(comparison, jobs, {jobs[0].identity: OWN})
    first, second = measured.rows
    assert (first.costs["d"].seconds, first.costs["d"].memory, first.costs["d"].parameters) == ([2.5], [3 * 2**20], 77)
    assert "d" not in second.costs, "figures of two kinds in a column cannot be compared"
    assert second.costs["e"] == comparison.rows[1].costs["e"]
    _, d, e = cell_tables(measured, partial(PaperNumbers, []))
    assert f"| {cell([2.5], percent=False)} | 3 | 77 |" in markdown(d)
    assert f"{cell([2.5], percent=False)} & 3 & 77" in latex(d)
    assert any("by itself in a fresh process" in n and "64, cpu, processor time of one thread." in n for n in d.notes)
    assert any("may have shared the machine" in note for note in e.notes)
    rows = list(csv.DictReader(io.StringIO(summary_csv(measured, partial(PaperNumbers, [])))))
    figures = [(r["method"], r["data"], r["seconds_per_1000_samples"], r["peak_memory_bytes"]) for r in rows]
    assert figures[:2] == [("a", "d", "2.5", str(3 * 2**20)), ("a", "e", "10.0", str(2**30))]
    assert [r["cost_measured"] for r in rows] == [
        "batch size 64, cpu, processor time of one thread", "during the runs", "", "during the runs",
    ]  # fmt: skip
    written = json.loads(json.dumps(as_json(measured, partial(PaperNumbers, []))))["rows"][0]["cost"]["d"]
    assert (written["seconds"], written["alone"]) == ([2.5], rows[0]["cost_measured"])


def test_what_is_known_is_not_measured_again_and_a_failure_is_told(compared, tmp_path, monkeypatch):
    _, jobs = compared
    asked = []

    class Pool:
        def __init__(self, *arguments, **options): ...
        def __enter__(self):
            return self

        def __exit__(self, *arguments): ...
        def submit(self, function, job, steps):
            assert (function, steps) == (measure, 20)
            asked.append((job.row, job.column, job.seed))
            return type("Future", (), {"result": lambda self: result(job)})()

    def result(job):
        if job.row == "b" and job.column == "d":
            raise RuntimeError("no luck")
        return None if job.row == "b" else OWN

    monkeypatch.setattr(module, "ProcessPoolExecutor", Pool)
    said = []
    failed = measure_costs(jobs, tmp_path, say=said.append)
    assert asked == [("a", "d", 1), ("a", "e", 1), ("b", "d", 1), ("b", "e", 1)]
    assert failed == {"b on d, seed 1": "RuntimeError: no luck"}
    assert said == ["cost of a on d: 2.5 s, 3 MiB", "cost of a on e: 2.5 s, 3 MiB"]
    assert read_costs(tmp_path) == {jobs[0].identity: OWN, jobs[2].identity: OWN}
    measure_costs(jobs, tmp_path)
    assert asked[4:] == [("b", "d", 1), ("b", "e", 1)]
    monkeypatch.setattr(module, "pick_device", lambda name: torch.device("cuda"))
    measure_costs(jobs, tmp_path)
    assert asked[6:] == asked[:4], "figures of another device"

    def none(name):
        raise InputError("no GPU here")

    monkeypatch.setattr(module, "pick_device", none)
    measure_costs(jobs, tmp_path)
    assert asked[10:] == [("b", "d", 1), ("b", "e", 1)], "what is known is kept on a machine without the device"


def a_job(make_job, npz, objective, **chosen):
    small = {"training.batch_size": 8, "network.width": 8, "network.heads": 2, "network.head_hidden": 8}
    settings = run_settings(
        MethodRow(name="x", objective=objective, chosen={**small, "training.device": "cpu", **chosen}),
        DatasetColumn(name="mine", dataset="arrays", data=str(npz)), "", 41,
    )  # fmt: skip
    job = make_job()
    return type(job)(**{**vars(job), "settings": settings.as_dict()})


@pytest.fixture
def npz(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{split}/{name}": rng.standard_normal((40, 6)) for split in ("train", "valid") for name in "ab"}
    np.savez(tmp_path / "data.npz", **arrays)
    return tmp_path / "data.npz"


def test_a_real_measurement_in_a_process_of_its_own(make_job, npz, tmp_path):
    wide = a_job(make_job, npz, "simclr", **{"network.head_hidden": 2048, "network.head_output": 8})
    assert measure_costs([wide], tmp_path, steps=3) == {}
    (found,) = read_costs(tmp_path).values()
    assert (found["batch_size"], found["steps"], found["device"]) == (8, 3, "cpu")
    # one thread: processor time is wall time, less what others took, and what the clocks and a second thread differ by
    assert 0 < found["seconds"] < 1.2 * found["wall_seconds"] + 1
    # weights, gradients and two moments of two heads with a layer of 2048 x 2048, in float32
    assert 4 * 4 * 2 * 2048**2 < found["memory"] < 3 * 4 * 4 * 2 * 2048**2
    assert found["parameters"] > 2 * 2048**2


def test_what_does_not_train_has_no_cost(make_job, npz):
    assert measure(a_job(make_job, npz, "concat_raw"), 3) is None
