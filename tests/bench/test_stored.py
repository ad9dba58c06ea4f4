"""A record is drawn anew from what it holds, and says what it lacks."""

import json
from functools import partial

import pytest

from coral_plugin.bench.report import write_report
from coral_plugin.bench.stored import redraw
from coral_plugin.errors import InputError
from coral_plugin.reproduce.protocol import PaperNumbers

VALUES = {"coral": (0.8, 0.7), "other": (0.7, 0.6), "raw": (0.75, 0.75), "labelled": (0.9, 0.9)}
VIEWS = ("table.md", "table.tex", "table.csv", "scores.csv", "report.html", "environment.json")


@pytest.fixture
def record(comparison_of, tmp_path):
    train = {"coral": {"steps": 20, "samples": 640, "matched": 0.6}}
    write_report(tmp_path, comparison_of(VALUES, seeds=(1, 2), train=train), partial(PaperNumbers, ["coral-table2"]))
    return tmp_path


def test_a_record_comes_back_whole(record):
    before = {name: (record / name).read_bytes() for name in (*VIEWS, "table.json")}
    assert all(word in before["table.json"] for word in (b"coral-table2", b'"trainings": {', b"matched_widths"))
    redraw(record, PaperNumbers)
    assert {name: (record / name).read_bytes() for name in before} == before


def test_a_record_of_before_is_ranked_by_todays_rules_and_says_what_it_lacks(record):
    """What schema 1 held: other names of kinds, no settings, steps or widths, and ranks without the raw line."""
    stored = json.loads((record / "table.json").read_text())
    stored["schema"] = 1
    del stored["published_tables"], stored["published_withheld"]
    for column in stored["columns"].values():
        del column["papers_data"], column["conditions"]
    kinds = {"raw features": "floor", "with labels": "ceiling"}
    for row in stored["rows"]:
        del row["trainings"], row["widths"], row["matched_widths"]
        row["kind"] = kinds.get(row["kind"], row["kind"])
        row["published"] = {"digits/label": "67.9 ± 0.70 [1]"}
        for score in row["scores"]:
            score["rank"] = {"coral": 1, "other": 2}.get(row["name"])
            del score["unit"], score["probe"], score["matched"]
    stored["rows"][1]["scores"][0]["values"] = {"1": 0.5, "2": 0.6}
    (record / "table.json").write_text(json.dumps(stored))
    (table,) = redraw(record, PaperNumbers)
    cells = {row[0].text: row[1] for block in table.blocks for row in block}
    assert {name: cell.rank for name, cell in cells.items()} == {
        "coral": 1, "other": None, "raw (raw features)": None, "labelled (with labels)": None, "chance": None,
    }  # fmt: skip
    assert cells["other"].text == "55.0 ± 7.1"
    assert any("before records held the settings, steps and widths" in note for note in table.notes)
    assert any("differ in width by method" in note for note in table.notes)
    assert "67.9" not in (record / "report.html").read_text()
    again = (record / "table.md").read_text()
    redraw(record, PaperNumbers)
    assert (record / "table.md").read_text() == again


def test_a_method_that_is_not_installed_here_is_drawn_all_the_same(record):
    stored = json.loads((record / "table.json").read_text())
    for row in stored["rows"]:
        row["objective"] = {"other": "somebody_elses"}.get(row["name"], row["objective"])
    (record / "table.json").write_text(json.dumps(stored))
    (table,) = redraw(record, PaperNumbers)
    assert "65.0" in {row[0].text: row[1].text for block in table.blocks for row in block}["other"]
    assert "somebody_elses" in (record / "table.json").read_text()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "holds no table.json"),
        ("{", "table.json"),
        ('{"schema": 9}', "schema 1 to 2"),
        ('{"schema": 2, "columns": {}}', "is damaged"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, content, text):
    if content is not None:
        (tmp_path / "table.json").write_text(content)
    with pytest.raises(InputError, match=text):
        redraw(tmp_path, PaperNumbers)
