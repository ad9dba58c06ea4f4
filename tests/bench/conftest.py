"""A grid of two rows and one column, and jobs and records as an engine would leave them."""

import pytest

from coral_plugin.bench.compare import compare
from coral_plugin.bench.grid import DatasetColumn, Grid, Job, MethodRow, run_settings

from ..runs.conftest import arrays, tiny

__all__ = ["arrays", "tiny"]


@pytest.fixture
def grid():
    rows = (
        MethodRow(name="coral", objective="coral"),
        MethodRow(name="other", objective="coral", chosen={"method.masking": "none"}),
    )
    return Grid(rows=rows, columns=(DatasetColumn(name="digits", dataset="digits"),), seeds=(1, 2, 3))


@pytest.fixture
def make_job(tmp_path):
    def make(row="coral", column="digits", seed=1, condition="", **chosen):
        own = {"training.epochs": 2, "method.temperature": 0.1 + seed / 100, **chosen}
        settings = run_settings(
            MethodRow(name=row, objective="coral", chosen=own), DatasetColumn(name=column, dataset="digits"), "", seed
        )
        folder = tmp_path / f"{row}-{column}-{condition}-{seed}"
        return Job(
            row=row, column=column, condition=condition, seed=seed, settings=settings.as_dict(), fingerprint="f",
            code="c", folder=folder,
        )  # fmt: skip

    return make


@pytest.fixture
def metrics():
    """What a run with one seed leaves, with one task."""

    def make(value, metric="balanced_accuracy", task="label", speed=100.0, matched=None, width=8, **train):
        summary = {"metric": metric, "values": [value], "mean": value, "std": None}
        if metric != "mse":
            summary["chance"] = 0.1
        summary["also"] = {"accuracy": {"values": [value / 2], "mean": value / 2, "std": None}}
        cost = {"seconds": 7.0, "peak_memory_bytes": 2**30, "parameters": 1234, "epochs": 2}
        found = {"tasks": {task: summary}, "train": {"samples_per_second": speed, **cost, **train}}
        if matched is not None:
            narrow = {**summary, "values": [matched], "mean": matched}
            found |= {"width": 12, "matched_width": {"width": width, "tasks": {task: narrow}}}
        return found

    return make


@pytest.fixture
def comparison_of(make_job, metrics):
    """A comparison of ``{row: values by seed}``; the rows raw and labelled are raw features and trained with labels."""

    def make(values, seeds=(1, 2, 3, 4), metric="balanced_accuracy", failed=None, train=None, by_row=None, **column):
        objectives = {"raw": "concat_raw", "labelled": "supervised"}
        rows = tuple(
            MethodRow(name=name, objective=objectives.get(name, "coral"), chosen=(by_row or {}).get(name, {}))
            for name in values
        )
        grid = Grid(rows=rows, columns=(DatasetColumn(name="digits", dataset="digits", **column),), seeds=seeds)
        jobs, records = [], {}
        for i, (name, own) in enumerate(values.items()):
            for seed, value in zip(seeds, own, strict=True):
                job = make_job(name, seed=seed, **{"method.shared_weight": float(i), **(by_row or {}).get(name, {})})
                jobs.append(job)
                if value is not None:
                    told = metrics(value, metric, speed=100.0 * (i + 1), **(train or {}).get(name, {}))
                    records[job.identity] = {"metrics": told}
        return compare(grid, jobs, records, failed or {})

    return make
