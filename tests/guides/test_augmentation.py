"""The guide to an augmentation of one's own: its code runs as it stands there, installed as it says."""

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.cli.main import main
from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.runs.fit import fit

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "augmentation.md").read_text()
MODULE, TEST = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"^coral (.*)", GUIDE, re.MULTILINE)
TINY = ["--network.width=8", "--network.heads=2", "--epochs=1", "--device=cpu", "--probe.kind=ridge", "--quiet"]
WAVE = Modality(name="wave", kind="timeseries", shape=(10, 1))
PHOTO = Modality(name="photo", kind="image", shape=(1, 8, 8))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the modules of the guide, and the metadata that ``pip install`` writes."""
    (tmp_path / "dropouts.py").write_text(MODULE)
    (tmp_path / "test_dropouts.py").write_text(TEST)
    folder = tmp_path / "dropouts-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: dropouts\nVersion: 1.0\n")
    points = tomllib.loads(PYPROJECT)["project"]["entry-points"]["multibench.augmentations"]
    lines = [f"{name} = {target}" for name, target in points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[multibench.augmentations]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("dropouts", "test_dropouts"):
        sys.modules.pop(name, None)


def test_its_test_passes(site):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_dropouts.py"]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_its_settings_have_the_bounds_of_the_declaration(site):
    build_augmenter("tilt(degrees=(-10,10))+noise", [PHOTO])
    for spec in ("hold", "hold(share=0.2)@0.8", "hold(share=0.2)@1+noise", "hold|noise"):
        build_augmenter(spec, [WAVE])
    assert build_augmenter("tilt(degrees=5)", [PHOTO]).groups[0].steps[0][0].settings == {"degrees": (5.0, 5.0)}
    for spec, modality, message in (
        ("hold(share=1.5)", WAVE, r"Setting share of augmentation 'hold' needs one number, from 0 to 1, got 1\.5"),
        ("tilt(degrees=(-50,0))", PHOTO, "needs two numbers, the lesser first, from -45 to 45"),
        ("hold@0.5|noise", WAVE, "leave out the probabilities"),
        ("hold(probability=0.5)", WAVE, "Unknown setting of augmentation hold 'probability'. Known: share"),
        ("tilt", WAVE, "'tilt' does not apply to modality 'wave'.*these do: .*hold"),
    ):
        with pytest.raises(InputError, match=message):
            build_augmenter(spec, [modality])


def test_hold_holds_and_tilt_tilts(site):
    module = importlib.import_module("dropouts")
    series = torch.arange(1.0, 11.0).view(1, 10, 1).repeat(50, 1, 1)
    held = module.hold(series, torch.full((50,), 10), torch.Generator().manual_seed(0), share=0.4)
    assert ((held.diff(dim=1) == 0).sum(dim=(1, 2)) >= 3).all()
    column = torch.zeros(1, 1, 9, 9)
    column[..., 4] = 1
    tilted = module.tilt(column, None, torch.Generator(), degrees=(45.0, 45.0))
    place = (tilted * torch.arange(9)).sum(-1) / tilted.sum(-1)
    assert torch.allclose(place[0, 0, 2:7].diff(), torch.tensor(-1.0), atol=1e-4)


def test_fit_takes_it_as_it_is(site):
    module = importlib.import_module("dropouts")
    values = torch.randn(40, 10, 1)
    tiny = {"network__width": 8, "network__heads": 2, "training__device": "cpu"}
    arrays = {"wave": values, "twin": values + 1}
    for spec in (module.hold, "hold(share=0.2)@1+noise"):
        fitted = fit(arrays, epochs=1, quiet=True, augmentations={"wave": spec}, **tiny)
    assert fitted.embed(arrays).shape[0] == 40
    with pytest.raises(InputError, match="'tilt' does not apply to modality 'wave'"):
        fit(arrays, epochs=1, quiet=True, augmentations={"wave": module.tilt}, **tiny)


def test_its_commands_run(site, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    listing, training = COMMANDS
    assert main(shlex.split(listing)) == 0
    assert "hold                 From a random step on" in capsys.readouterr().out
    assert main([*shlex.split(training), *TINY, "--output", "run"]) == 0
    assert "top: tilt(degrees=(-20,20))+noise" in (tmp_path / "run" / "config.yaml").read_text()
