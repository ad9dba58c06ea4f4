"""The report of a run is made of the files in its folder."""

import json
import shutil

import numpy as np
import pytest

from coral_plugin.errors import InputError
from coral_plugin.runs.fit import fit
from coral_plugin.runs.report import _better_parts, write_run_report

from .conftest import TINY

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two seeds on classes whose names are markup."""
    rng = np.random.default_rng(0)
    data = {"classes": np.array(["cat", "dog", EVIL])}
    for split in ("train", "test"):
        labels = np.arange(60) % 3
        data |= {f"{split}/{name}": (labels[:, None] + rng.normal(size=(60, 4))).astype(np.float32) for name in "ab"}
        data[f"{split}/labels"] = labels
    folder = tmp_path_factory.mktemp("run") / "run"
    fit(data, "coral", seeds=(1, 2), output=folder, quiet=True, epochs=1, probe__kind="knn", **TINY)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_a_report_shows_scores_data_settings_and_cost(folder):
    path = write_run_report(folder)
    assert path == folder / "report.html"
    page = path.read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    values = metrics["tasks"]["label"]["values"]
    assert "<h1>COrAL on arrays</h1>" in page
    for value in values:
        assert f"<td>{100 * value:.1f}</td>" in page
    for title in (
        "Results",
        "Seeds",
        "Parts against each other",
        "Data",
        "Method",
        "Settings",
        "Cost",
        "How it was made",
    ):
        assert f"<h2>{title}</h2>" in page
    samples = json.loads((folder / "data.json").read_text())["samples"]
    assert f"<dd>{samples['train']} train, {samples['valid']} valid, 60 test" in page
    assert '<th scope="row">training.epochs</th><td>1</td>' in page
    assert f"<td>{metrics['train']['parameters']:,}</td>" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_report_says_when_it_was_begun_and_that_the_data_came_from_python(folder):
    page = write_run_report(folder).read_text()
    assert "<dt>begun</dt>" in page
    assert "<dt>Begun</dt>" in page
    assert "given from Python, not read from a file." in page


def test_a_part_that_is_better_than_all_parts_is_explained(folder):
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    for better, note in ((0.1, True), (-0.1, False)):
        for part, scores in metrics["parts"].items():
            scores["label"]["mean"] = metrics["tasks"]["label"]["mean"] + (better if part == "shared" else -0.1)
        path.write_text(json.dumps(metrics))
        page = write_run_report(folder).read_text()
        assert ("(here: shared)" in page) == note
        assert ("more columns can make it fit noise" in page) == note


def test_a_lower_error_is_better():
    error = {"metric": "mse", "mean": 2.0}
    parts = {"low": {"y": {"mean": 1.0}}, "high": {"y": {"mean": 3.0}}, "none": {}}
    assert _better_parts({"tasks": {"y": error}, "parts": parts}) == ["low"]


def test_a_fine_tuned_run_is_named_so(folder):
    (folder / "finetune.json").write_text("{}")
    page = write_run_report(folder).read_text()
    assert "<h1>COrAL on arrays, fine-tuned</h1>" in page
    assert "Trained further with labels." in page


def test_pictures_of_the_folder_are_part_of_the_page(folder):
    assert "data:image/png;base64," not in write_run_report(folder).read_text()
    (folder / "plots").mkdir(exist_ok=True)
    for name in ("training", "robustness-label"):
        (folder / "plots" / f"{name}.png").write_bytes(b"\x89PNG")
    page = write_run_report(folder).read_text()
    assert "<h2>Training curves</h2>" in page
    assert '<img alt="robustness label"' in page.partition("<h2>More pictures</h2>")[2]
    assert page.count("data:image/png;base64,") == 2


def test_what_is_no_finished_run_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        write_run_report(tmp_path)
    metrics = folder / "metrics.json"
    content = json.loads(metrics.read_text())
    metrics.write_text(json.dumps({"tasks": 3}))
    with pytest.raises(InputError, match="is damaged"):
        write_run_report(folder)
    content["tasks"], content["parts"], content["raw_features"] = {}, {}, {}
    metrics.write_text(json.dumps(content))
    assert "Nothing was scored" in write_run_report(folder).read_text()
    metrics.unlink()
    with pytest.raises(InputError, match="not finished"):
        write_run_report(folder)
