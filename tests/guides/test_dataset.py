"""The guide to a data set of one's own: its code runs as it stands there, installed as its ``pyproject.toml`` says."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

from coral_plugin import data as data_room
from coral_plugin.cli.main import main
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.registry import DATASETS
from coral_plugin.testing import check_dataset

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "dataset.md").read_text()
MODULE, TEST, SKY, TRAINING, PARTS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"^coral .*", GUIDE, re.MULTILINE)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the modules of the guide, and the metadata that ``pip install`` writes."""
    (tmp_path / "gait.py").write_text(MODULE)
    (tmp_path / "test_gait.py").write_text(TEST)
    (tmp_path / "sky.py").write_text(SKY)
    (tmp_path / "train_sky.py").write_text(TRAINING)
    folder = tmp_path / "gait-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: gait\nVersion: 1.0\n")
    points = tomllib.loads(PYPROJECT)["project"]["entry-points"]["multibench.datasets"]
    lines = [f"{name} = {target}" for name, target in points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[multibench.datasets]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("gait", "test_gait", "sky"):
        sys.modules.pop(name, None)


def test_its_test_passes_and_its_errors_are_one_line(site, tmp_path):
    test = importlib.import_module("test_gait")
    files = tmp_path / "files"
    files.mkdir()
    test.test_gait(files)
    gait = sys.modules["gait"]
    assert gait.Gait.load(str(files), gait.GaitSettings(unit="g")).fingerprint != gait.Gait.load(str(files)).fingerprint
    for arguments, error, message in (
        ((), InputError, "give --data PATH, a folder of gait"),
        ((str(files), gait.GaitSettings(unit="ft")), UnknownNameError, "Unknown value of unit 'ft'"),
        ((str(site),), InputError, r"train\.csv is missing"),
    ):
        with pytest.raises(error, match=message) as caught:
            gait.Gait.load(*arguments)
        assert "\n" not in str(caught.value)
    (files / "test.csv").write_text("ground\nx,y\n")
    with pytest.raises(InputError, match="no table of numbers"):
        gait.Gait.load(str(files))


def test_its_commands_run(site, tmp_path):
    files = tmp_path / "gait_files"
    files.mkdir()
    importlib.import_module("test_gait").write_files(files)
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    outputs = []
    for command in COMMANDS:
        extra = ["--objective", "coral", "--epochs", "1", "--network.width", "8", "--network.heads", "2", "--quiet"]
        arguments = [*command.split()[1:], *(extra if " train " in command else [])]
        done = subprocess.run(
            [sys.executable, "-m", "coral_plugin.cli.main", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    listed, checked, trained = outputs
    assert "Gait: body measures and the acceleration of one step" in listed
    assert "gait: coral train --dataset gait" in checked
    assert "series, 40 steps x 1 feature " in checked
    assert "on gait" in trained


def test_parts_are_assembled(site):
    names = {name: getattr(data_room, name) for name in ("Modality", "ModalityColumn", "Split", "Task")}
    names |= {"torch": torch, "Gait": importlib.import_module("gait").Gait}
    exec(PARTS, names)
    data = names["data"]
    assert data.name == "gait"
    assert [task.name for task in data.tasks] == ["ground", "speed"]
    assert data.modalities[0].mean is not None
    assert "one line for the user" in data.notes
    assert len(data.unlabelled) == 200


def test_the_second_one_trains_from_python_and_is_scored_again_where_it_was_named(site, tmp_path, monkeypatch):
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "train_sky.py"], cwd=site, env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "days of the months (2, 8) are the test split" in done.stderr
    assert "missing" in done.stderr
    score, shape = done.stdout.splitlines()
    assert 0 < float(score) < 1
    assert shape.startswith("(40, ")
    config = yaml.safe_load((tmp_path / "runs" / "sky" / "config.yaml").read_text())
    assert (config["dataset"], config["data"], config["source"]) == (
        "sky", "days.npz", {"valid": [3, 9], "test": [2, 8]},
    )  # fmt: skip
    module = importlib.import_module("sky")
    data = check_dataset(module.Sky, tmp_path / "days.npz")
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("readings", "sequence", (24, 4)), ("picture", "image", (1, 16, 16)),
    ]  # fmt: skip
    assert data.train.columns["picture"].values.dtype == torch.uint8
    assert not data.train.presence()["picture"].all()
    assert any("lack a modality: picture in" in note for note in data.notes)
    monkeypatch.chdir(tmp_path)
    DATASETS.add("sky", module.Sky)
    try:
        assert main(["evaluate", "runs/sky", "--probe", "knn"]) == 0
    finally:
        DATASETS.remove("sky")
