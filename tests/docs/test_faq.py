"""The questions: every setting, file and flag that an answer names exists, and what it says of them holds."""

import re
from pathlib import Path

import numpy as np
import pytest

from coral_plugin import fit
from coral_plugin.cli.main import main
from coral_plugin.objectives.coral import CoralSettings
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.settings import make_settings
from coral_plugin.training.settings import TrainingSettings

FAQ = (Path(__file__).parents[2] / "docs" / "faq.md").read_text()
TINY = {"network__width": 8, "network__heads": 2, "training__device": "cpu", "probe__kind": "ridge", "quiet": True}


def test_settings_and_methods_that_it_names_exist():
    for key, value in set(re.findall(r"(training\.\w+|network\.\w+)=([\w.-]+)", FAQ)):
        make_settings("coral", "digits", **{key: _value(value)})
    assert set(re.findall(r"`training\.(\w+)`", FAQ)) <= set(TrainingSettings.__dataclass_fields__)
    listed = FAQ[FAQ.index("{ #method }") : FAQ.index("{ #chance }")]
    assert set(re.findall(r"`([a-z_]+)`", listed)) <= set(OBJECTIVES.names())


def _value(text):
    return (
        {"true": True}.get(text, text)
        if not re.fullmatch(r"[\d.e-]+", text)
        else float(text)
        if "e" in text
        else int(text)
    )


def test_the_mask_ratios_that_it_names_are_those_of_coral():
    assert [f"{share:.0%}".rstrip("%") for share in CoralSettings().mask_stages] == ["5", "35", "55", "75"]
    assert "COrAL's preset: 5, 35, 55 and 75 %" in FAQ


def test_resuming(tmp_path, monkeypatch, capsys):
    (command,) = re.findall(r"^coral (train .*)", FAQ, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    small = [*command.split(), "--epochs", "1", "--seeds", "41", "--network.width", "8", "--device", "cpu", "--quiet"]
    small += ["--probe.kind", "ridge"]
    assert main(small) == 0, capsys.readouterr().err  # a folder that is not there yet is started
    assert main([*small, "--set", "training.learning_rate=1e-3"]) == 2
    assert "learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_chance_of_balanced_accuracy_is_one_over_the_classes(kind):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], (40, 12, 8))
    named = np.array(["rest", "walk", "run"])[labels] if kind == "text" else labels
    arrays = {f"{split}/{name}": rng.normal(size=(60, 3)) for split in ("train", "test") for name in "ab"}
    arrays |= {f"{split}/labels": named for split in ("train", "test")}
    score = fit(arrays, "concat_raw", seeds=41, **TINY).metrics["tasks"]["label"]
    assert score["chance"] == pytest.approx(1 / 3)
    assert score["also"]["accuracy"]["chance"] == pytest.approx(40 / 60)
    assert score["also"]["auroc"]["chance"] == 0.5
