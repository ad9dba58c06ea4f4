"""A published number stands beside ours where data and settings are the paper's, and nowhere else."""

import json
from dataclasses import replace
from functools import partial

import pytest

from coral_plugin.bench.cells import cell_tables
from coral_plugin.bench.compare import compare
from coral_plugin.bench.formats import as_json, latex, markdown, summary_csv
from coral_plugin.bench.grid import Job, run_settings
from coral_plugin.reproduce.protocol import PaperNumbers
from coral_plugin.reproduce.targets import target


@pytest.fixture
def made(tmp_path, metrics):
    """A comparison of a target's runs, as if they had been run, with some settings changed."""

    def make(wanted, score="label", metric="balanced_accuracy", modalities=("vision", "text")):
        jobs, records = [], {}
        for column in wanted.grid.columns:
            for condition in column.conditions:
                for row in wanted.grid.rows:
                    settings = run_settings(row, column, condition, 41).as_dict()
                    jobs.append(
                        Job(
                            row=row.name, column=column.name, condition=condition, seed=41, settings=settings,
                            fingerprint="f", code="c", folder=tmp_path,
                        )
                    )  # fmt: skip
                    tasks = {reading.task: metric for reading in column.readings.values()} or {score: metric}
                    found = [metrics(0.5, kind, task=task) for task, kind in tasks.items()]
                    whole = {key: value for one in found for key, value in one["tasks"].items()}
                    told = {"tasks": whole, "modalities": list(column.modalities or modalities)}
                    records[jobs[-1].identity] = {"metrics": {**found[0], **told}}
        return compare(replace(wanted.grid, seeds=(41,)), jobs, records, {})

    return make


def wanted(papers_data=("mosi",), **changes):
    return target("table2", datasets=["mosi"], data={"mosi": "/x.pkl"}, papers_data=papers_data, **changes)


def everything(comparison, published):
    """Every format of the tables."""
    tables = cell_tables(comparison, partial(PaperNumbers, published))
    written = as_json(comparison, partial(PaperNumbers, published))
    del written["published_withheld"], written["published_tables"]
    notes = [note for table in tables for note in table.notes]
    texts = [
        *map(markdown, tables),
        *map(latex, tables),
        summary_csv(comparison, partial(PaperNumbers, published)),
        json.dumps(written),
    ]
    return texts, notes


def test_declared_data_and_the_papers_settings_have_their_numbers_beside_them(made):
    comparison = made(wanted())
    texts, notes = everything(comparison, ["coral-table2"])
    for text in texts:
        assert "67.9" in text
        assert "50.6" in text
    assert any("[1] COrAL" in note and "seeds 41 to 45" in note for note in notes)
    assert not any(note.startswith("No published number") for note in notes)
    head = cell_tables(comparison, partial(PaperNumbers, ["coral-table2"]))[0].head
    assert head[1:3] == ("balanced accuracy, % ↑ (published probe)", "published")


def test_settings_that_are_younger_than_a_record_had_their_defaults(made):
    comparison = made(wanted())
    for row in comparison.rows:
        for trainings in row.trainings.values():
            for training in trainings.values():
                training.settings.get("method", {}).pop("alignment_weight", None)
                del training.settings["training"]["keep_every"]
    texts, notes = everything(comparison, ["coral-table2"])
    assert all("67.9" in text for text in texts)
    assert not any(note.startswith("No published number") for note in notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"papers_data": ()}, "its files are not known to be the papers' (--papers-data mosi declares them)."),
        ({"chosen": {"training.epochs": 10}}, "training.epochs is 10, the paper's is 100."),
        ({"chosen": {"probe.kind": "linear"}}, "probe.kind is linear, the paper's is reference."),
        (
            {"chosen": {"network.encoders": {"text": "gru"}}},
            "network.encoders.text is gru, the paper's is affect_transformer.",
        ),
        ({"chosen": {"training.batch_size": 32, "network.width": 8}}, "network.width is 8, the paper's is 40; tr"),
        ({"scale": "small"}, "training.epochs is 10, the paper's is 100; probe.kind is linear"),
    ],
)
def test_elsewhere_there_are_none_and_one_line_says_why(made, changes, reason):
    texts, notes = everything(made(wanted(**changes)), ["coral-table2"])
    assert not any("67.9" in text or "50.6" in text for text in texts)
    (said,) = [note for note in notes if note.startswith("No published number")]
    assert said.startswith("No published number stands beside mosi: ")
    assert reason in said


def test_the_line_names_the_rows_where_they_differ(made):
    comparison = made(wanted())
    odd = comparison.rows[0]
    training = odd.trainings["mosi"][""]
    settings = {**training.settings, "training": {**training.settings["training"], "epochs": 3}}
    changed = replace(odd, trainings={"mosi": {"": replace(training, settings=settings)}})
    texts, notes = everything(replace(comparison, rows=(changed, *comparison.rows[1:])), ["coral-table2"])
    assert "50.6" not in texts[0]
    assert "67.9" in texts[0]
    assert "No published number stands beside mosi: training.epochs is 3, the paper's is 100." in notes


def test_other_modalities_have_no_number_and_no_line(made):
    declared = wanted()
    column = replace(declared.grid.columns[0], modalities=("audio", "text"))
    comparison = made(replace(declared, grid=replace(declared.grid, columns=(column,))))
    texts, notes = everything(comparison, ["coral-table2"])
    assert not any("67.9" in text for text in texts)
    assert not any(note.startswith("No published number") for note in notes)


def test_a_label_does_not_borrow_the_number_of_another_method(made):
    declared = wanted(rows=["clip"])
    row = replace(declared.grid.rows[0], name="coral")
    texts, notes = everything(made(replace(declared, grid=replace(declared.grid, rows=(row,)))), ["coral-table2"])
    assert not any("67.9" in text for text in texts)
    assert any("objective is clip, the paper's is coral" in note for note in notes)


def test_generated_data_need_no_declaration_but_the_papers_size(made):
    texts, _ = everything(made(target("table1")), ["coral-table1"])
    assert all("96.4" in text and "62.5" in text for text in texts)
    texts, notes = everything(made(target("table1", "small")), ["coral-table1"])
    assert not any("96.4" in text for text in texts)
    line = "beside trifeature (clip, comm, infmasking, coral): source.image_size is 32, the paper's is 224"
    assert any(line in note for note in notes)
    line = "beside trifeature (factorcl): augmentations.image1 is the default, the paper's is simclr"
    assert any(line in note for note in notes)


def test_one_training_in_place_of_two_has_no_published_number(made):
    wanted = target("table1", chosen={"source.pairing": "biased"})
    assert list(wanted.grid.columns[0].conditions) == ["biased"]
    texts, notes = everything(made(wanted), ["coral-table1"])
    assert not any("96.4" in text for text in texts)
    assert any("the paper's training 'unbiased' is not in this record" in note for note in notes)


def test_the_average_stands_beside_all_five_data_sets_only(made):
    names = ["mimic", "mosei", "mosi", "humor", "sarcasm"]
    whole = made(target("table2", data=dict.fromkeys(names, "/x"), papers_data=names))
    texts, _ = everything(whole, ["coral-table2"])
    assert "66.7 ± 2.79" in texts[0]
    texts, _ = everything(
        made(target("table2", data=dict.fromkeys(names, "/x"), papers_data=names[1:])), ["coral-table2"]
    )
    assert "67.9 ± 0.70" in texts[0]
    assert "66.7 ± 2.79" not in texts[0]


def test_copies_of_another_papers_numbers_stand_beside_nothing(made):
    comparison = made(target("comm-table1", datasets=["mosi"], data={"mosi": "/x.pkl"}, papers_data=["mosi"]))
    texts, notes = everything(comparison, ["comm-table1"])
    assert all("67.5" in text for text in texts)
    assert not any("47.8" in text or "51.2" in text for text in texts)
    (said,) = [note for note in notes if note.startswith("No published number")]
    assert said.startswith("No published number stands beside mosi: the paper copies it from FactorCL's table: plain")


def test_errors_stand_in_the_papers_unit_with_the_backbone_said(made):
    ee = target("comm-table1", datasets=["vision_touch_ee"], papers_data=["vision_touch_ee"])
    comparison = made(ee, metric="mse")
    (table,) = cell_tables(comparison, partial(PaperNumbers, ["comm-table1"]))
    assert table.head[1:3] == ("MSE x 1e-4 ↓ (published probe)", "published")
    cells = {row[0].text: [cell.text for cell in row[1:3]] for block in table.blocks for row in block}
    assert cells["comm"] == ["5000", "4.55 [1]"]
    assert any("Other backbones here: vision_touch_ee: AlexNet" in note for note in table.notes)
    bare = replace(comparison.measures[0], unit=1.0)
    rows = tuple(replace(each, scores={bare: next(iter(each.scores.values()))}) for each in comparison.rows)
    (table,) = cell_tables(replace(comparison, measures=(bare,), rows=rows), partial(PaperNumbers, ["comm-table1"]))
    assert any("the paper prints it in another unit" in note for note in table.notes)
    assert "published" not in table.head
