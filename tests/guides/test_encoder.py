"""The guide to an encoder of one's own: its code runs as it stands there, installed as its ``pyproject.toml`` says."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import coral_plugin
from coral_plugin.cli.main import main
from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.testing import check_objective

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "encoder.md").read_text()
MODULE, PADDED, TEST = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the modules of the guide, and the metadata that ``pip install`` writes."""
    folder = tmp_path / "bands-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bands\nVersion: 1.0\n")
    points = tomllib.loads(PYPROJECT)["project"]["entry-points"]["multibench.encoders"]
    lines = [f"{name} = {target}" for name, target in points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[multibench.encoders]", *lines, ""]))
    for name, source in (("bands", MODULE), ("neighbours", PADDED), ("test_bands", TEST)):
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("bands", "neighbours", "test_bands"):
        sys.modules.pop(name, None)


def test_its_test_passes(site):
    (mark,) = importlib.import_module("test_bands").test_contract.pytestmark
    names = [name for name, _ in mark.args[1]]
    assert {"gradient", "padding_values", "saved_weights", "processes"} <= set(names)
    assert names.count("padding_values") == 2
    for _, check in mark.args[1]:
        check()


def test_its_encoder_of_sequences_keeps_padding_out(site):
    encoder = importlib.import_module("neighbours").Neighbours
    check_objective("comm", modalities=(2,), encoders={"words": encoder}, skip=["processes"])
    careless = type(
        "Careless", (encoder,), {"accepts_padding": False, "forward": lambda self, x: encoder.forward(self, x)[0]}
    )
    with pytest.raises(AssertionError, match="Check 'padding_values'"):
        check_objective("comm", modalities=(2,), encoders={"words": careless}, skip=["processes"])


def test_its_name_is_taken_on_the_command_line_and_its_module_from_python(site, tmp_path, capsys):
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}/wave"] = rng.standard_normal((24, 16, 2)).astype("f4")
        arrays[f"{split}/table"] = rng.standard_normal((24, 3)).astype("f4")
        arrays[f"{split}/labels"] = np.arange(24) % 2
    np.savez(tmp_path / "walks.npz", **arrays)
    (command,) = re.findall(r"^coral (train .*)", GUIDE, re.MULTILINE)
    flags = [part.strip('"') for part in command.replace("walks.npz", str(tmp_path / "walks.npz")).split()]
    small = ["--epochs", "1", "--device", "cpu", "--quiet", "--network.width", "8", "--probe.kind", "ridge"]
    assert main([*flags, *small]) == 0, capsys.readouterr().err
    assert main([*flags[:-1], "wave=bands(size=80)", *small]) == 2
    assert "bands encodes series of 80 steps or more" in capsys.readouterr().err
    bands = importlib.import_module("bands").Bands(Modality(name="wave", kind="timeseries", shape=(16, 2)), 8)
    fitted = coral_plugin.fit(arrays, encoders={"wave": bands}, epochs=1, quiet=True, network__width=8)
    given = fitted.objective.shared.encoders["m_wave"].encoder
    assert type(given) is type(bands)
    assert given is not bands


def test_it_refuses_what_it_cannot_encode(site):
    bands = importlib.import_module("bands").Bands
    with pytest.raises(InputError, match="'table' is tabular"):
        bands(Modality(name="table", kind="tabular", shape=(16,)), 8)
    assert bands(Modality(name="wave", kind="timeseries", shape=(17, 2)), 8)(torch.zeros(3, 17, 2)).shape == (3, 4, 8)
