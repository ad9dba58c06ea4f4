"""Tables hold what the values say, in every format."""

import csv
import io
import json
import re
from functools import partial
from statistics import fmean, stdev

import pytest

from coral_plugin.bench.cells import cell_tables
from coral_plugin.bench.compare import compare
from coral_plugin.bench.formats import as_json, latex, markdown, scores_csv, summary_csv, text
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow
from coral_plugin.bench.report import write_report
from coral_plugin.reproduce.protocol import PaperNumbers

VALUES = {
    "coral": {"mosi": (0.67, 0.69), "humor": (0.60, 0.62)},
    "clip": {"mosi": (0.51, 0.52), "humor": (0.62, 0.63)},
    "concat_raw": {"mosi": (0.4, 0.4), "humor": (0.9, 0.9)},
}


@pytest.fixture
def comparison(make_job, metrics):
    columns = tuple(DatasetColumn(name=name, dataset=name, modalities=("vision", "text")) for name in ("mosi", "humor"))
    grid = Grid(
        rows=tuple(MethodRow(name=n, objective=n) for n in VALUES), columns=columns, seeds=(1, 2), title="A & B"
    )
    jobs, records = [], {}
    for i, (row, by_column) in enumerate(VALUES.items()):
        for j, (column, values) in enumerate(by_column.items()):
            for seed, value in zip((1, 2), values, strict=True):
                job = make_job(row, column, seed, **{"method.shared_weight": 10.0 * i + j})
                jobs.append(job)
                records[job.identity] = {"metrics": metrics(value)}
    return compare(grid, jobs, records, {"clip on mosi, seed 3": "no luck"})


def test_an_overview_and_a_table_for_each_data_set(comparison):
    overview, mosi, humor = cell_tables(comparison, partial(PaperNumbers, ["coral-table2"]))
    told = "balanced accuracy, % ↑ (linear probe)"
    assert overview.head == ("method", f"mosi: {told}", f"humor: {told}", "average")
    cells = {row[0].text: row[1:] for block in overview.blocks for row in block}
    mean, spread = 100 * fmean((0.67, 0.69)), 100 * stdev((0.67, 0.69))
    assert cells["coral"][0].text == f"{mean:.1f} ± {spread:.1f}"
    assert cells["coral"][2].text == f"{(68.0 + 61.0) / 2:.1f}"
    assert (cells["coral"][0].rank, cells["clip"][0].rank, cells["clip"][1].rank) == (1, 2, None)
    assert cells["concat_raw (raw features)"][0].rank is None
    assert cells["chance"][0].text == "10.0"
    assert "No method reaches the raw features (90.0) on humor, label: none is in bold." in overview.notes
    assert not any("mosi" in note and "raw features" in note for note in overview.notes)
    assert mosi.head == (
        "method", "balanced accuracy, % ↑ (linear probe)", "n", "s / 1,000 samples ↓", "peak MiB ↓", "parameters",
    )  # fmt: skip
    row = next(row for block in mosi.blocks for row in block if row[0].text == "coral")
    assert [c.text for c in row[2:]] == ["2", "10.0", "1024", "1,234"]
    for table, failed in ((overview, True), (mosi, True), (humor, False)):
        assert ("1 run failed and is missing." in table.notes) == failed


def test_formats_show_best_and_second(comparison):
    overview = cell_tables(comparison, partial(PaperNumbers, []))[0]
    assert "| coral | **68.0 ± 1.4** | 61.0 ± 1.4 | 64.5 |" in markdown(overview)
    assert "| clip | <u>51.5 ± 0.7 †</u> | 62.5 ± 0.7 | 57.0 |" in markdown(overview)
    assert "*68.0 ± 1.4" in text(overview)
    assert "Best method marked with *, unless it is worse than the raw features." in text(overview)
    tex = latex(overview)
    assert r"\textbf{68.0 $\pm$ 1.4} & 61.0 $\pm$ 1.4 " in tex
    assert r"\underline{51.5 $\pm$ 0.7 $^\dagger$} & 62.5 $\pm$ 0.7 " in tex
    assert r"No method reaches the raw features (90.0) on humor, label: none is in bold." in tex
    assert r"\caption{A \& B}" in tex
    assert "p \\textless{} 0.05" in tex
    assert "<" not in tex
    assert tex.count(r"\midrule") == len(overview.blocks)
    assert not re.search(r"(?<!\\)[%&_#](?! )", tex.replace(" & ", ""))


def test_a_score_far_from_the_best_is_marked(make_job, metrics):
    grid = Grid(
        rows=(MethodRow(name="a", objective="coral"), MethodRow(name="b", objective="coral")),
        columns=(DatasetColumn(name="d", dataset="digits"),), seeds=(1, 2, 3),
    )  # fmt: skip
    jobs, records = [], {}
    for row, values in {"a": (0.9, 0.91, 0.92), "b": (0.5, 0.52, 0.5)}.items():
        for seed, value in zip((1, 2, 3), values, strict=True):
            jobs.append(make_job(row, "d", seed, **{"method.shared_weight": float(row == "b")}))
            records[jobs[-1].identity] = {"metrics": metrics(value)}
    written = markdown(cell_tables(compare(grid, jobs, records, {}), partial(PaperNumbers, []))[0])
    assert "**91.0 ± 1.0**" in written
    assert "<u>50.7 ± 1.2 †</u>" in written
    assert "paired t-test over the seeds, two-sided, Holm-corrected over the 1 comparison of its column" in written


def test_csv_and_json_hold_the_numbers(comparison):
    rows = list(csv.DictReader(io.StringIO(summary_csv(comparison, partial(PaperNumbers, [])))))
    first = next(r for r in rows if (r["method"], r["data"]) == ("coral", "mosi"))
    assert (float(first["mean"]), float(first["std"]), first["n"]) == (
        pytest.approx(0.68), pytest.approx(stdev((0.67, 0.69))), "2",
    )  # fmt: skip
    assert {(r["method"], r["data"]): r["rank"] for r in rows if r["rank"]} == {
        ("coral", "mosi"): "1", ("clip", "mosi"): "2",
    }  # fmt: skip
    assert {r["kind"] for r in rows if r["method"] == "concat_raw"} == {"raw features"}
    by_seed = list(csv.DictReader(io.StringIO(scores_csv(comparison))))
    assert len(by_seed) == 12
    written = json.loads(json.dumps(as_json(comparison, partial(PaperNumbers, ["coral-table2"]))))
    row = written["rows"][0]
    assert row["scores"][0]["values"] == {"1": 0.67, "2": 0.69}
    assert [score["rank"] for score in row["scores"]] == [1, None]
    assert (row["published"], written["published"]) == ({}, [])
    assert "Holm" in written["test"]
    assert written["failed"] == {"clip on mosi, seed 3": "no luck"}


def test_the_report_is_one_file_with_everything(comparison, tmp_path):
    write_report(tmp_path, comparison, partial(PaperNumbers, ["coral-table2"]))
    page = (tmp_path / "report.html").read_text()
    assert "<h1>A &amp; B</h1>" in page
    assert '<strong class="best">68.0 ± 1.4</strong>' in page
    assert '<th scope="row">clip on mosi, seed 3</th><td>no luck</td>' in page
    assert page.count("data:image/png;base64,") == 1
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "No method reaches the raw features (90.0) on humor, label: none is in bold." in page
    assert ">62.5 ± 0.7</strong>" not in page
    assert {p.name for p in tmp_path.iterdir()} >= {
        "table.md", "table.tex", "table.csv", "table.json", "scores.csv", "environment.json", "pictures",
    }  # fmt: skip
