"""Pictures of the parts hold every score and every measure, and leave their numbers beside them."""

import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.names import run_names
from coral_plugin.evaluation.pictures import parts
from coral_plugin.evaluation.pictures.parts import missing_dots, part_dots, shared_information

from .test_run import result, scores


def test_part_dots(tmp_path, check_picture):
    tasks = {"label": scores([0.6, 0.8], chance=0.5), "genres": scores([0.3], "weighted_f1"), "x": scores([9.0], "mse")}
    content = result(tasks)
    content["parts"]["shared"] = {**tasks, "label": scores([0.5, 0.7], chance=0.5)}
    content["raw_features"]["all"] = {**tasks, "label": scores([0.4, 0.3], chance=0.5)}
    part_dots(tmp_path / "parts", content)
    rows = check_picture(tmp_path / "parts")
    assert {row["score"] for row in rows} == set(tasks)
    values = [(row["row"], float(row["value"])) for row in rows if row["score"] == "label"]
    expected = {"all parts": [0.6, 0.8], "shared": [0.5, 0.7], "raw: all": [0.4, 0.3], "chance": [0.5]}
    assert values == [(name, value) for name, numbers in expected.items() for value in numbers]
    assert [row["kind"] for row in rows if row["row"] == "all parts" and row["score"] == "label"] == ["row", "row"]


def test_parts_without_tasks_are_refused(tmp_path):
    with pytest.raises(InputError, match="no scores"):
        part_dots(tmp_path / "parts", result({}))


def test_names_of_a_run():
    assert run_names({"objective": "coral", "dataset": "arrays", "data": "wear.v2"}) == "COrAL on wear.v2"
    assert run_names({"objective": "clip", "dataset": "mosi", "finetuned": True}) == "CLIP on MOSI, fine-tuned"


def test_one_of_several_trainings_is_named_in_its_title(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(parts, "score_dots", lambda path, panels, title, **more: titles.append(title))
    part_dots(tmp_path / "parts", result({"label": scores([0.6])}), "biased")
    part_dots(tmp_path / "parts", result({"label": scores([0.6])}))
    assert titles == [f"{titles[1]}, biased", titles[1]]


def test_missing_modalities(tmp_path, check_picture, monkeypatch):
    tasks = {"label": scores([0.6, 0.8], chance=0.5)}
    kept, refitted = {"label": scores([0.4, 0.5])}, {"label": scores([0.5, 0.6])}
    entry = {"modalities": ["audio", "text"], "without": 0, "complete": kept, "refitted": refitted}
    metrics = {**result(tasks), "missing": [entry, {**entry, "modalities": ["text"]}]}
    missing_dots(tmp_path / "missing", metrics)
    rows = check_picture(tmp_path / "missing")
    values = [float(row["value"]) for row in rows if (row["row"], row["kind"]) == ("audio + text", "row")]
    assert values == [0.4, 0.5, 0.5, 0.6]
    drawn = []
    monkeypatch.setattr(parts, "score_dots", lambda path, panels, title, **options: drawn.append((panels, options)))
    missing_dots(tmp_path / "again", metrics)
    assert list(drawn[0][0]) == ["probe fitted on all modalities", "probe fitted on these modalities"]
    assert drawn[0][1]["one_axis"] is True


def compared(cosine, cka):
    pair = "shared | unique/a"
    return {"projected": {pair: {"cosine": cosine}}, "probed": {pair: {"cka": cka, "r2_forward": 0.5}}}


def test_shared_information(tmp_path, check_picture):
    metrics = {**result({}), "disentanglement": {"41": compared(0.1, 0.4), "42": compared(0.3, 0.6)}}
    shared_information(tmp_path / "shared", metrics)
    rows = check_picture(tmp_path / "shared")
    assert [(row["part"], row["other part"]) for row in rows] == [("shared", "unique/a")] * 2
    assert [float(row["mean"]) for row in rows] == pytest.approx([0.2, 0.5])


def test_one_part_is_not_compared(tmp_path):
    with pytest.raises(InputError, match="no two parts"):
        shared_information(tmp_path / "shared", {**result({}), "disentanglement": {"41": {}}})
