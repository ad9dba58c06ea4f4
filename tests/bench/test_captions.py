"""What the tables say of rows: names, how they were trained, widths."""

from functools import partial

import pytest

from coral_plugin.bench.captions import comparison_notes, shown_name, training_notes
from coral_plugin.bench.cells import cell_tables
from coral_plugin.evaluation.tables.model import NO_VALUE
from coral_plugin.reproduce.protocol import PaperNumbers

VALUES = {"coral": (0.8, 0.7), "other": (0.7, 0.6), "raw": (0.1, 0.1), "labelled": (0.9, 0.9)}


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ({"coral": 20, "other": 20, "labelled": 20}, "labelled (with labels, same steps)"),
        ({"coral": 20, "other": 20, "labelled": 1140}, "labelled (with labels, 1,140 steps)"),
        ({"coral": 20, "other": 30, "labelled": 20}, "labelled (with labels, 20 steps)"),
        ({"coral": 20, "other": 20}, "labelled (with labels)"),
        ({"labelled": 20}, "labelled (with labels, 20 steps)"),
    ],
)
def test_with_labels_says_how_many_steps_where_they_are_not_the_others(comparison_of, steps, name):
    found = comparison_of(VALUES, seeds=(1, 2), train={row: {"steps": own} for row, own in steps.items()})
    named = [shown_name(each, found, ["digits"]) for each in found.rows]
    assert named == ["coral", "other", "raw (raw features)", name]


def test_the_caption_says_what_rows_share_and_what_differs(comparison_of):
    by_row = {
        "coral": {"training.schedule": "cosine", "network.width": 8},
        "other": {"training.schedule": "cosine", "network.width": 8, "training.learning_rate": 0.002,
                  "method.masking": "none"},
        "labelled": {"training.schedule": "cosine", "network.width": 8},
    }  # fmt: skip
    for chosen in by_row.values():
        chosen["training.keep_every"] = 5  # changes nothing that the table shows
    steps = {"coral": {"steps": 20}, "other": {"steps": 20}, "labelled": {"steps": 3}}
    found = comparison_of(VALUES, seeds=(1, 2), by_row=by_row, train=steps)
    notes = training_notes(found, "digits")
    alike, chosen, by_row, set_alike, alone = notes
    assert alike == (
        "Trained alike, every row: cosine schedule, weight decay 0.001, gradients not clipped, 2 epochs, batches of 64."
    )
    assert chosen == "Set for every row alike, in place of presets: schedule."
    assert by_row == (
        "By row: learning rate 0.0001 (coral, labelled), learning rate 0.002 (other) (set for other; else presets); "
        "20 steps (coral, other), 3 steps (labelled)."
    )
    assert (set_alike, alone) == ("Set for every row: network.width=8.", "Set for one row: other: method.masking=none.")
    assert all(note in cell_tables(found, partial(PaperNumbers, []))[0].notes for note in notes)


def test_the_probe_of_the_raw_features_is_said(comparison_of):
    own = {"raw": {"probe.kind": "knn", "network.width": 8}}
    assert "Set for one row: raw: probe.kind=knn." in training_notes(
        comparison_of(VALUES, seeds=(1, 2), by_row=own), "digits"
    )
    alike = {row: {"probe.kind": "knn"} for row in VALUES}
    assert "Set for every row: probe.kind=knn." in training_notes(
        comparison_of(VALUES, seeds=(1, 2), by_row=alike), "digits"
    )
    alike["raw"] = {}
    (note,) = (n for n in training_notes(comparison_of(VALUES, seeds=(1, 2), by_row=alike), "digits") if "knn" in n)
    assert note.startswith("Set for one row: coral: probe.kind=knn; ")


def test_a_method_that_lacks_seeds_is_named(comparison_of):
    found = comparison_of({"coral": (0.8, 0.7), "other": (0.9, None)}, seeds=(1, 2))
    notes = comparison_notes(found, found.measures)
    assert "Without a rank: other has 1 of 2 seeds." in notes


def test_the_matched_width_has_a_column_and_its_absence_a_line(comparison_of):
    (bare,) = cell_tables(comparison_of(VALUES, seeds=(1, 2)), partial(PaperNumbers, []))
    assert "Representations differ in width by method, and no column compares them at one width." in bare.notes
    train = {"coral": {"matched": 0.55}, "raw": {"matched": 0.1}, "labelled": {"matched": 0.8, "width": 4}}
    (table,) = cell_tables(comparison_of(VALUES, seeds=(1, 2), train=train), partial(PaperNumbers, []))
    assert table.head[:4] == ("method", "balanced accuracy, % ↑ (linear probe)", "at width 8", "width")
    assert {row[0].text: row[3].text for block in table.blocks for row in block}["coral"] == "12"
    cells = {row[0].text: row[2].text for block in table.blocks for row in block}
    assert (cells["coral"], cells["other"], cells["chance"]) == ("55.0 ± 0.0", NO_VALUE, "")
    assert cells["labelled (with labels)"] == "80.0 ± 0.0 (4)"
    assert (
        "At width 8: the same probe on the first 8 principal components, fitted on train; a row that is narrower, "
        "or whose networks have another width, was scored at that in brackets."
    ) in table.notes


def test_a_grid_without_raw_features_says_so(comparison_of):
    found = comparison_of({"coral": (0.8, 0.7)}, seeds=(1, 2))
    note = "Raw features were not scored (row concat_raw): bold does not mean that a method exceeds them."
    assert note in cell_tables(found, partial(PaperNumbers, []))[0].notes


def test_a_setting_of_one_condition_is_not_shown_as_that_of_all(comparison_of):
    conditions = {"first": {"network.width": 8}, "second": {}}
    comparison = comparison_of(VALUES, seeds=(1, 2), chosen={"network.width": 4}, conditions=conditions)
    assert "Set for every row: network.width=by condition." in training_notes(comparison, "digits")
