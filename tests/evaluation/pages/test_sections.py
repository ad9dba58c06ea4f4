"""Data, methods and machine in words."""

import pytest

from coral_plugin.evaluation.pages.model import Definitions, Listing, PageTable, Paragraphs
from coral_plugin.evaluation.pages.sections import (
    NO_FACTS,
    command_text,
    data_facts,
    data_items,
    date_text,
    made_items,
    method_text,
    task_text,
    value_text,
)

RECORD = {
    "modalities": [
        {"name": "eye", "kind": "image", "shape": [1, 8, 6], "mean": [0.0]},
        {"name": "ear", "kind": "sequence", "shape": [50, 1], "mean": [0.0]},
        {"name": "hand", "kind": "timeseries", "shape": [1, 3], "mean": [0.0]},
        {"name": "age", "kind": "tabular", "shape": [1200], "mean": [0.0]},
    ],
    "tasks": [{"name": "mood", "kind": "regression", "classes": ["valence"]}],
    "samples": {"pretrain": 9000, "train": 100, "test": 10},
    "notes": ["two were merged"],
}


def test_data_are_described_by_their_record():
    table, definitions = data_items("arrays", "mine.npz", data_facts(RECORD), ["f00"])
    assert [[cell.text for cell in row] for row in table.groups[0].rows] == [
        ["eye", "image", "1 channel, 8 \N{MULTIPLICATION SIGN} 6 pixels"],
        ["ear", "sequence", "up to 50 steps \N{MULTIPLICATION SIGN} 1 feature"],
        ["hand", "timeseries", "1 step \N{MULTIPLICATION SIGN} 3 features"],
        ["age", "tabular", "1,200 features"],
    ]
    texts = {entry.term: entry.text for entry in definitions.entries}
    assert texts["Samples"] == "9,000 for training without labels, 100 train, 10 test"
    assert texts["Task: mood"] == "regression, 1 output: valence"
    assert texts["Source"] == "a file of yours, read from mine.npz."
    assert texts["Decided while it was read"] == "two were merged"
    assert "f00" in texts["Fingerprint (sha256 of all splits)"]


def test_data_from_python_have_no_file_and_no_flag():
    (*_, definitions) = data_items("arrays", None, data_facts(RECORD), [])
    source = next(entry for entry in definitions.entries if entry.term == "Source")
    assert (source.text, source.code) == ("given from Python, not read from a file.", "")


def test_an_old_record_says_what_it_lacks():
    items = list(data_items("digits", None, None, []))
    assert items[0] == Paragraphs([NO_FACTS])
    assert "Licence: CC BY 4.0." in items[1].entries[0].text


def test_a_data_set_or_method_that_is_not_installed_is_named_only():
    (*_, definitions) = data_items("nobody", None, None, [])
    assert definitions.entries[0].text == "no file: generated, or part of a library."
    assert method_text("nobody") == ""
    assert method_text("coral").startswith("COrAL")


def test_many_classes_are_counted():
    assert task_text({"kind": "multilabel", "classes": list(range(23))}) == (
        "multilabel, 23 labels: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 11 more"
    )
    assert task_text({"kind": "regression", "classes": []}) == "regression, 0 outputs"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "none"), ({}, "{}"), ("", "empty"), (0, "0"), (1e-3, "0.001"), ((1, 2), "[1, 2]"),
     ({"a": "x" * 300}, "{a: " + "x" * 300 + "}"), (0.10000001, "0.10000001")],
)  # fmt: skip
def test_settings_are_written_as_a_user_writes_them(value, text):
    assert value_text(value) == text


def test_a_command_is_quoted_and_a_date_is_read():
    assert command_text(["coral", "bench", "--data", "a b.npz"]) == "coral bench \\\n  --data 'a b.npz'"
    assert (date_text("yesterday"), date_text(None)) == ("yesterday", "")


def test_a_date_says_what_happened_then():
    for name, terms in (((), ["Made"]), (("Begun",), ["Begun"])):
        (definitions,) = made_items({"when": "2026-11-25T17:38:56+00:00"}, *name)
        assert [entry.term for entry in definitions.entries if "17:38" in entry.text] == terms


def test_what_a_record_lacks_is_left_out():
    listing, definitions = made_items({"command": ["coral"], "packages": {"torch": "2.5", "ray": None}})
    assert listing == Listing("coral")
    assert isinstance(definitions, Definitions)
    facts = {entry.term: entry.facts or entry.text for entry in definitions.entries}
    assert facts == {"Machine": ["no GPU"], "Versions": ["torch 2.5"], "Commit": "unknown"}
    assert not any(isinstance(item, PageTable) for item in made_items({}))
