"""Every record that a folder holds is drawn anew, and a folder without one says what it lacks."""

import json
import os

import pytest

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.evaluation.names import run_names
from coral_plugin.reproduce import redraw
from coral_plugin.reproduce.redraw import redraw_folder

from ..evaluation.pictures.test_run import result, scores

SUMMARY = {"redundancy": {"values": [0.9], "chance": 0.1}, "synergy": {"values": [0.6], "chance": 0.5}}


def write(path, content):
    path.write_text(json.dumps(content))


def test_demo_and_ablation(tmp_path):
    write(tmp_path / "summary.json", SUMMARY)
    write(tmp_path / "ablation.json", {"variants": {"no masking": {"summary": SUMMARY}}})
    write(tmp_path / "metrics-biased.json", result({"label": scores([0.6])}))
    drawn = redraw_folder(tmp_path)
    assert [path.name for path in drawn] == ["ablation.png", "information.png", "parts-biased.png"]
    assert all(path.is_file() for path in drawn)


def test_a_run(tmp_path):
    write(tmp_path / "metrics.json", result({"label": scores([0.6, 0.8], chance=0.5)}))
    (tmp_path / "metrics.csv").write_text("seed,epoch,loss/total,mask_ratio\n41,0,2.5,\n41,1,2.0,\n42,0,3.0,\n")
    assert [path.name for path in redraw_folder(tmp_path)] == ["parts.png", "training.png"]
    rows = (tmp_path / "plots" / "training.csv").read_text().splitlines()
    assert rows == ["seed,epoch,loss/total", "41,0.0,2.5", "41,1.0,2.0", "42,0.0,3.0"]


def test_the_newest_evaluation_is_drawn_last(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(
        redraw, "draw_evaluation", lambda folder, record: [order.append(record["probe"]), folder / "x"][1:]
    )
    for probe, when in (("knn", 300), ("linear", 100), ("ridge", 200)):
        write(path := tmp_path / f"evaluation-{probe}.json", {"probe": probe})
        os.utime(path, (when, when))
    redraw_folder(tmp_path)
    assert order == ["linear", "ridge", "knn"]


def test_pictures_of_a_fine_tuned_run_say_so(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(redraw, "draw_run_pictures", lambda folder, metrics, *_: [names.append(run_names(metrics))][:0])
    write(tmp_path / "metrics.json", result({"label": scores([0.6])}))
    (tmp_path / "finetune.json").write_text("{}")
    with pytest.raises(InputError, match="nothing to draw"):
        redraw_folder(tmp_path)
    assert names[0].endswith(", fine-tuned")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "holds nothing to draw"), ({"redundancy": {"chance": 0.1}}, "is damaged (KeyError: 'values')")],
)
def test_no_record_and_a_damaged_one(tmp_path, capsys, content, words):
    if content:
        write(tmp_path / "summary.json", content)
    assert main(["redraw", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
