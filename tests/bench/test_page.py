"""The report of a comparison shows scores, data, methods, settings and costs, and holds with what is missing."""

import dataclasses
from functools import partial

import pytest

from coral_plugin.bench.cells import cell_tables
from coral_plugin.bench.compare import compare
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow
from coral_plugin.bench.page import EMBEDDINGS, SCORES, comparison_page
from coral_plugin.evaluation.pages.model import Definitions, Folded, PageTable, Paragraphs
from coral_plugin.evaluation.tables.model import NO_VALUE
from coral_plugin.reproduce.protocol import PaperNumbers

VALUES = {"coral": (0.8, 0.7), "other": (0.71, 0.6), "raw": (0.6, 0.6), "labelled": (0.9, 0.9)}
STEPS = {name: {"steps": 20, "samples": 640} for name in ("coral", "other", "labelled")}
ENVIRONMENT = {"command": ["coral", "bench"], "when": "2026-11-25T17:38:56+00:00", "packages": {}}
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def page_of():
    def make(comparison, pictures=None):
        tables = cell_tables(comparison, partial(PaperNumbers, []))
        return comparison_page(comparison, tables, pictures or {}, ENVIRONMENT)

    return make


def section(page, title):
    return next(section for section in page.sections if section.title == title).content


def rows_of(table):
    return {row[0].text: [cell.text for cell in row[1:]] for group in table.groups for row in group.rows}


def test_levels_stand_apart_and_costs_elsewhere(comparison_of, page_of):
    page = page_of(comparison_of(VALUES, seeds=(1, 2), train=STEPS))
    assert (page.title, page.kind) == ("COrAL and other on digits", "Report of coral bench")
    assert ("made", "25 November 2026, 17:38 UTC") in page.facts
    (table,) = section(page, "Results")
    assert [(group.label, [row[0].text for row in group.rows]) for group in table.groups] == [
        ("Methods, trained without labels", ["COrAL", "other"]),
        ("For comparison", ["raw (raw features)", "labelled (with labels, same steps)", "chance"]),
    ]
    assert table.head == ["method", "balanced accuracy, % ↑ (linear probe)"]
    assert [cell.mark for row in table.groups[0].rows for cell in row] == ["", "best", "", "second"]
    assert any("paired t-test" in note for note in table.notes)
    assert not any("Cost" in note or "Trained alike" in note for note in table.notes)
    (cost,) = section(page, "Cost")
    assert "shared the machine" in cost.notes[0]
    assert list(cost.head) == [
        "method", "steps", "samples trained on", "s / 1,000 samples ↓", "peak MiB ↓", "parameters",
    ]  # fmt: skip
    assert rows_of(cost) == {
        "COrAL": ["20", "640", "10.0", "1024", "1,234"],
        "other": ["20", "640", "5.00", "1024", "1,234"],
        "labelled": ["20", "640", "2.50", "1024", "1,234"],
    }


def test_settings_that_differ_are_a_table_and_the_others_are_folded(comparison_of, page_of):
    by_row = {"other": {"training.learning_rate": 0.002, "network.depth": 2}}
    page = page_of(comparison_of(VALUES, seeds=(1, 2), train=STEPS, by_row=by_row))
    sentence, table, folded = section(page, "Settings")
    assert isinstance(sentence, Paragraphs)
    assert list(table.head) == ["method", "network.depth", "training.learning_rate"]
    assert rows_of(table) == {"COrAL": ["1", "0.0001"], "other": ["2", "0.002"], "labelled": ["1", "0.0001"]}
    shared = rows_of(folded.content[0])
    assert (shared["training.epochs"], shared["probe.kind"]) == (["2"], ["linear"])
    assert folded.summary == f"{len(shared)} settings that all methods share"
    assert not {"training.learning_rate", "objective", "method.temperature"} & set(shared)
    (methods,) = section(page, "Methods")
    coral = methods.entries[0]
    assert (coral.term, coral.code) == ("COrAL", "coral")
    assert {"preset paper", "1,234 parameters", "shared_weight = 0"} <= set(coral.facts)
    other = methods.entries[1]
    assert other.text == "As COrAL, with other settings of the method:"
    assert other.facts == ["preset paper", "1,234 parameters", "shared_weight = 1"]


def test_settings_that_are_alike_in_six_digits_differ(comparison_of, page_of):
    by_row = {"coral": {"training.learning_rate": 0.001}, "other": {"training.learning_rate": 0.0010000001}}
    comparison = comparison_of({"coral": (0.8, 0.7), "other": (0.7, 0.6)}, seeds=(1, 2), train=STEPS, by_row=by_row)
    _, table, _ = section(page_of(comparison), "Settings")
    assert rows_of(table) == {"COrAL": ["0.001"], "other": ["0.0010000001"]}


def test_the_cost_says_where_widths_and_parameters_come_from(comparison_of, page_of):
    by_row = {"other": {"network.width": 32, "network.head_output": 64}}
    (cost,) = section(page_of(comparison_of(VALUES, seeds=(1, 2), train=STEPS, by_row=by_row)), "Cost")
    sizes = "network.width (by the data / 32), network.head_hidden (512) and network.head_output (256 / 64)"
    assert cost.notes[1].startswith(f"Widths and parameters follow from {sizes}. Some methods")


def test_an_old_record_says_what_it_lacks(comparison_of, page_of):
    comparison = comparison_of(VALUES, seeds=(1, 2))
    rows = tuple(dataclasses.replace(row, trainings={}) for row in comparison.rows)
    page = page_of(dataclasses.replace(comparison, rows=rows))
    (sentences,) = section(page, "Settings")
    assert "before records held the settings" in sentences.lines[0]
    assert list(section(page, "Cost")[0].head)[1] == "s / 1,000 samples ↓"
    assert len(section(page, "Cost")[0].notes) == 1
    assert "earlier version" in section(page, "Data")[0].lines[0]


def test_data_are_described_for_each_condition(comparison_of, page_of):
    facts = {
        "samples": {"train": 100, "test": 20},
        "modalities": [{"name": EVIL, "kind": "tabular", "shape": [3]}],
        "tasks": [{"name": "label", "kind": "classification", "classes": ["cat", EVIL]}],
        "notes": [],
    }
    comparison = comparison_of(VALUES, seeds=(1, 2))
    single = page_of(dataclasses.replace(comparison, facts={"digits": {"": facts}}))
    assert ("data", "digits: 100 train, 20 test") in single.facts
    kinds = [type(item) for item in section(single, "Data")]
    assert kinds == [PageTable, Definitions]
    assert "<script" not in single.html()
    assert single.html().count("&lt;script&gt;") == 2
    double = page_of(dataclasses.replace(comparison, facts={"digits": {"biased": facts, "unbiased": facts}}))
    assert [item.text for item in section(double, "Data")[::3]] == ["digits, biased and unbiased"]
    other = {**facts, "samples": {"train": 50}}
    double = page_of(dataclasses.replace(comparison, facts={"digits": {"biased": facts, "unbiased": other}}))
    assert [item.text for item in section(double, "Data")[::3]] == ["digits, biased", "digits, unbiased"]


def test_missing_runs_are_listed_and_seeds_counted(comparison_of, page_of):
    values = {EVIL: (0.8, 0.7, 0.6), "b": (0.7, None, None), "c": (None, None, None)}
    page = page_of(comparison_of(values, seeds=(1, 2, 3), failed={f"{EVIL}, seed 2": f"no memory {EVIL}"}))
    (table,) = section(page, "Results")
    assert list(table.head)[-1] == "seeds"
    assert rows_of(table)["b"] == ["70.0", "1"]
    assert rows_of(table)["c"] == [NO_VALUE, "0"]
    (failed,) = section(page, "Failed runs")
    assert rows_of(failed) == {f"{EVIL}, seed 2": [f"no memory {EVIL}"]}
    assert "<script" not in page.html()
    assert page.lead[-1] == "1 run has failed and is missing."


def test_a_single_seed_and_a_single_method(comparison_of, page_of):
    page = page_of(comparison_of({"coral": (0.8,)}, seeds=(1,), train=STEPS))
    assert page.title == "COrAL on digits"
    (folded,) = section(page, "Settings")
    assert isinstance(folded, Folded)
    assert "<h2>Failed runs</h2>" not in page.html()


def test_errors_and_labels_of_several_data_sets(make_job, metrics, page_of, tmp_path):
    columns = tuple(DatasetColumn(name=name, dataset="digits") for name in ("robot", "movies"))
    grid = Grid(rows=(MethodRow(name="coral", objective="coral"), MethodRow(name="b", objective="coral")),
                columns=columns, seeds=(1, 2))  # fmt: skip
    jobs, records = [], {}
    for row in ("coral", "b"):
        for column, metric in (("robot", "mse"), ("movies", "weighted_f1")):
            for seed in (1, 2):
                job = make_job(row, column, seed, **{"method.shared_weight": 10.0 * (row == "b") + len(column)})
                jobs.append(job)
                value = seed * (0.002 if row == "b" else 0.001)
                records[job.identity] = {"metrics": metrics(value, metric, **({"steps": 3} if row == "b" else {}))}
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG")
    pictures = {SCORES: {"scores": picture}, EMBEDDINGS: {"where parts lie": picture}}
    page = page_of(compare(grid, jobs, records, {}), pictures)
    assert page.title == "COrAL and b on digits (robot and movies)"
    same = "The corrected test does not separate it from"
    robot, movies = page.lead
    assert robot == f"robot: COrAL is best with MSE 0.00150 ± 0.00071 (linear probe). {same} b."
    assert movies == f"movies: b is best with 0.3 ± 0.1 % weighted F1 (linear probe). {same} COrAL. Chance 10.0 %."
    (overview,) = section(page, "Results")  # the tables of the data sets would only repeat it
    assert rows_of(overview)["COrAL"] == ["0.00150 ± 0.00071", "0.2 ± 0.1"]
    assert rows_of(overview)["chance"] == [NO_VALUE, "10.0"]
    assert len(set(overview.notes)) == len(overview.notes)
    assert rows_of(section(page, "Cost")[1])["COrAL"][0] == NO_VALUE
    costs = section(page, "Cost")[1::2]
    assert [len(table.notes) for table in costs] == [0, 2]  # the same sentences, once
    text = page.html()
    assert text.count("data:image/png") == 2
    assert '<a href="#embeddings">Embeddings</a>' in text
