"""Pictures of a grid have a panel for each score, methods as rows, and raw features and labels as lines."""

import pytest

from coral_plugin.bench import pictures
from coral_plugin.bench.compare import compare
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow
from coral_plugin.bench.pictures import draw_scores


@pytest.fixture
def drawn(monkeypatch):
    """``(path, panels, title)`` of each picture that would be written."""
    written = []
    monkeypatch.setattr(pictures, "score_dots", lambda *arguments: written.append(arguments))
    return written


def test_methods_are_rows_and_levels_are_lines(comparison_of, drawn, tmp_path):
    comparison = comparison_of({"coral": (0.8, 0.7), "raw": (0.75, 0.75), "labelled": (0.9, 0.9)}, seeds=(1, 2))
    captions = draw_scores(tmp_path, comparison)
    ((path, panels, title),) = drawn
    assert captions == {title: tmp_path / "pictures" / "digits-balanced-accuracy.png"}
    assert title == "Balanced accuracy on digits"
    assert path == tmp_path / "pictures" / "digits-balanced-accuracy"
    assert panels["label"].rows == {"COrAL": [0.8, 0.7]}
    assert {line.kind: (line.label, line.values) for line in panels["label"].lines} == {
        "raw features": ("raw features", [0.75, 0.75]),
        "with labels": ("with labels", [0.9, 0.9]),
        "chance": ("chance", [0.1]),
    }


def test_levels_alone_are_rows(comparison_of, drawn, tmp_path):
    draw_scores(tmp_path, comparison_of({"raw": (0.75, 0.75), "labelled": (0.9, 0.9)}, seeds=(1, 2)))
    ((_, panels, _),) = drawn
    assert panels["label"].kinds == {"raw (raw features)": "raw features", "labelled (supervised)": "with labels"}
    assert list(panels["label"].rows) == list(panels["label"].kinds)
    assert [line.kind for line in panels["label"].lines] == ["chance"]


def test_data_sets_are_panels_and_metrics_are_pictures(make_job, metrics, drawn, tmp_path):
    columns = tuple(DatasetColumn(name=name, dataset="arrays", data=f"a/{name}.npz") for name in ("one", "two", "x"))
    grid = Grid(rows=(MethodRow(name="coral", objective="coral"),), columns=columns, seeds=(1,))
    jobs = [make_job("coral", column.name, **{"method.shared_weight": float(i)}) for i, column in enumerate(columns)]
    records = {job.identity: {"metrics": metrics(0.7, "mse" if job.column == "x" else "accuracy")} for job in jobs}
    draw_scores(tmp_path, compare(grid, jobs, records, {}))
    assert [(path.name, title) for path, _, title in drawn] == [
        ("accuracy", "Accuracy on 2 data sets"),
        ("MSE", "MSE on x"),
    ]
    assert [list(panels) for _, panels, _ in drawn] == [["one", "two"], ["label"]]


def test_rows_with_names_of_their_own_name_their_method(make_job, metrics, drawn, tmp_path):
    rows = (MethodRow(name="no_masking", objective="coral"), MethodRow(name="clip", objective="clip"))
    grid = Grid(rows=rows, columns=(DatasetColumn(name="digits", dataset="digits"),), seeds=(1,))
    jobs = [make_job(row.name, **{"method.shared_weight": float(i)}) for i, row in enumerate(rows)]
    draw_scores(tmp_path, compare(grid, jobs, {job.identity: {"metrics": metrics(0.5)} for job in jobs}, {}))
    assert list(drawn[0][1]["label"].rows) == ["no_masking (COrAL)", "CLIP"]


def test_a_label_that_is_the_name_of_another_method_stays_a_row_of_its_own(make_job, metrics, drawn, tmp_path):
    rows = (MethodRow(name="comm", objective="coral"), MethodRow(name="CoMM", objective="coral"))
    grid = Grid(rows=rows, columns=(DatasetColumn(name="digits", dataset="digits"),), seeds=(1,))
    jobs = [make_job(row.name, **{"method.shared_weight": float(i)}) for i, row in enumerate(rows)]
    draw_scores(tmp_path, compare(grid, jobs, {job.identity: {"metrics": metrics(0.5)} for job in jobs}, {}))
    assert list(drawn[0][1]["label"].rows) == ["comm", "CoMM"]
