"""Strangers' plugins: one that is installed as a distribution of its own, and some that are broken."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.cli.main import main
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError, PluginError
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.testing import check_augmentation

PLUGIN = Path(__file__).parents[1] / "examples" / "third_party_plugin"
TINY = [
    "--network.width=8", "--network.heads=2", "--network.head_hidden=8", "--network.head_output=8",
    "--batch-size", "16", "--device", "cpu", "--epochs", "1", "--quiet", "--probe.kind=ridge",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the plugin is installed, as pip does for anybody."""
    folder = tmp_path_factory.mktemp("plugin")
    # a copy: the build leaves its own folders beside the sources
    source = shutil.copytree(PLUGIN, folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--target", folder / "site", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def coral(site, *arguments, cwd):
    """``coral ...`` in a process of its own that sees ``site``."""
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "coral_plugin.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_an_installed_plugin_is_listed_and_trains_end_to_end(site, tmp_path):
    listed = coral(site, "list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    whole = listed.stdout.replace("\n" + 23 * " ", " ")  # a description may take several lines
    for name, words in (
        ("barlow_twins", "Both views of a sample give the same vector"),
        ("ripples", "Ripples that a sensor sees as a wave"),
        ("spectrum", "Absolute Fourier coefficients"),
        ("fade", "Each series times a line from 1 to 1 + s"),
    ):
        (line,) = [line for line in whole.splitlines() if line.startswith(f"  {name} ")]
        assert words in line
        assert line.endswith(" (multibench-ripple)")
    names = ["--objective", "barlow_twins", "--dataset", "ripples", "--encoder", "wave=spectrum(keep=9)"]
    names += ["--augmentation", "wave=fade(slope=(-0.2, 0.6))@1+noise"]
    more = ["--set", "redundancy=0.01", "--source.samples=120", "--output", "run", *TINY]
    trained = coral(site, "train", *names, *more, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "barlow_twins on ripples" in trained.stdout
    assert "wave: fade(slope=(-0.2, 0.6))@1+noise" in (tmp_path / "run" / "config.yaml").read_text()
    assert "redundancy: 0.01" in (tmp_path / "run" / "config.yaml").read_text()
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert "loss/invariance,loss/redundancy,loss/total" in rows[0]
    weights = (tmp_path / "run" / "seed-41" / "model.safetensors").read_bytes()
    assert b"encoders.m_wave.tokens.encoder.project.weight" in weights


def test_its_encoder_and_its_data_serve_our_objective(site, monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(site)
    arguments = ["--dataset", "ripples", "--encoder", "wave=spectrum", "--source.samples=120", *TINY]
    status, out, _ = call(capsys, "train", *arguments, "--output", tmp_path / "run", "--objective", "coral")
    assert status == 0
    assert "unique/wave" in out
    status, _, err = call(capsys, "train", *arguments, "--source.classes=1")
    assert status == 2
    assert "ripples needs 2 classes" in err


def test_its_augmentation_keeps_the_contract_and_its_bounds(site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    check_augmentation("fade")
    check_augmentation("fade", slope=(-1.0, 1.0))
    wave = Modality(name="wave", kind="timeseries", shape=(32, 2))
    with pytest.raises(InputError, match=r"slope of augmentation 'fade' needs two numbers, .* from -1 to 1, got 2"):
        build_augmenter("fade(slope=2)", [wave])
    values = torch.ones(3, 32, 2)
    view = build_augmenter("fade(slope=0.5)@1", [wave])(MultimodalBatch({"wave": values}))["wave"]
    torch.testing.assert_close(view[0, :, 1], torch.linspace(1, 1.5, 32))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that makes a distribution with entry points, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(distribution, group, points, **modules):
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[multibench.{group}]", *lines, ""]))
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith("strange_"):
            del sys.modules[name]


def call(capsys, *arguments):
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


@pytest.fixture
def npz(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{split}/{name}": rng.standard_normal((20, 3)) for split in ("train", "test") for name in "ab"}
    labels = {f"{split}/labels": np.arange(20) % 2 for split in ("train", "test")}
    np.savez(tmp_path / "data.npz", **arrays, **labels)
    return tmp_path / "data.npz"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import strange_library_that_nobody_has", "ModuleNotFoundError: No module named 'strange_library"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("def Loss(:", "SyntaxError"),
        ("class Loss: pass", "is no objective: it has no Settings, presets"),
        ("Loss = 7", "is no objective: it has no __call__, Settings, presets"),
    ],
)
def test_a_broken_plugin_is_named(install, capsys, source, reason):
    install("acme-losses", "objectives", {"acme": "strange_acme:Loss"}, strange_acme=source)
    status, out, err = call(capsys, "list")
    assert (status, err) == (0, "")
    (line,) = [line for line in out.splitlines() if "acme" in line]
    assert line.startswith("  acme ")
    assert "BROKEN: objective 'acme' from acme-losses (strange_acme:Loss)" in line
    assert reason in line
    assert " coral, " in out
    status, out, err = call(capsys, "train", "--objective", "acme", "--dataset", "arrays", "--data", "x.npz")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "acme-losses" in err
    assert reason in err


def test_a_broken_plugin_harms_nobody_else(install, capsys, npz, tmp_path):
    install("acme-losses", "objectives", {"acme": "strange_acme:Loss"}, strange_acme="1 / 0")
    install("acme-data", "datasets", {"acme": "strange_none:Data"})
    arguments = ["--objective", "coral", "--dataset", "arrays", "--data", npz, "--output", tmp_path / "run", *TINY]
    assert call(capsys, "train", *arguments)[0] == 0
    status, out, _ = call(capsys, "doctor")
    assert status == 1
    assert "broken: objective 'acme' from acme-losses (strange_acme:Loss) does not load: ZeroDivisionError" in out


def test_a_broken_augmentation_is_named_and_harms_nobody_else(install):
    install("acme-noise", "augmentations", {"acme": "strange_acme:shake"}, strange_acme="1 / 0")
    table = Modality(name="table", kind="tabular", shape=(3,))
    with pytest.raises(PluginError, match=r"augmentation 'acme' from acme-noise .* ZeroDivisionError"):
        build_augmenter("acme", [table])
    build_augmenter("noise", [table])
    with pytest.raises(InputError, match=r"'simclr' does not apply .*these do: crop, drop,") as caught:
        build_augmenter("simclr", [table])
    assert "acme" not in str(caught.value)


def test_two_that_claim_one_name_are_reported_with_both(install, capsys):
    module = "class Data:\n    name = Settings = recipe = source = licence = load = inspect = 1"
    install("one-data", "datasets", {"same": "strange_one:Data", "other": "strange_one:Data"}, strange_one=module)
    install("two-data", "datasets", {"same": "strange_two:Data", "arrays": "strange_two:Data"}, strange_two=module)
    status, out, _ = call(capsys, "list", "datasets")
    begun = [line for line in out.splitlines() if not line.startswith(" ")]  # long descriptions take several lines
    lines = {line.split()[0]: line for line in begun}
    assert status == 0
    assert "other                strange_one:Data  (one-data)" in out  # no docstring to describe it
    assert "BROKEN: dataset 'same' is claimed by" in lines["same"]
    assert all(owner in lines["same"] for owner in ("one-data", "two-data"))
    ours, theirs = [line for line in out.splitlines() if line.startswith("arrays ")]
    assert "BROKEN" not in ours
    assert "BROKEN: dataset 'arrays' from two-data (strange_two:Data) has a name of coral-multibench" in theirs
    assert len(lines) + 1 == len(begun), "a line a name"
    assert "  arrays               BROKEN: dataset 'arrays' from two-data" in call(capsys, "list")[1]
    assert "broken: dataset 'arrays' from two-data" in call(capsys, "doctor")[1]
    status, out, err = call(capsys, "train", "--dataset", "same")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "one-data (strange_one:Data)" in err
    assert "two-data (strange_two:Data)" in err


FAILING = """
from dataclasses import dataclass
from coral_plugin.data import DatasetAdapter

@dataclass(frozen=True)
class Settings:
    \"\"\"None.\"\"\"

class Data(DatasetAdapter):
    name, source, licence, Settings, expects = "acme", "here", "MIT", Settings, "a file"

    @classmethod
    def read(cls, path, settings):
        return path.nothing

    @classmethod
    def inspect(cls, candidate):
        return candidate.nothing
"""


def test_broken_data_sets_are_named_and_data_check_goes_on(install, capsys, npz, tmp_path):
    install("acme-data", "datasets", {"acme": "strange_fails:Data"}, strange_fails=FAILING)
    install("bad-data", "datasets", {"aaa": "strange_none:Data"})
    defect = "dataset 'acme' (from acme-data) failed: AttributeError: "
    status, out, err = call(capsys, "data", "check", npz)
    assert status == 0
    assert "as arrays: fingerprint" in out
    assert "left out: dataset 'aaa' from bad-data (strange_none:Data) does not load" in err
    assert f"left out: {defect}'Candidate' object has no attribute 'nothing'; --debug shows where.\n" in err
    for command in (["data", "check", npz, "--dataset", "acme"], ["train", "--dataset", "acme", "--data", npz, *TINY]):
        status, _, err = call(capsys, *command)
        assert status == 1
        assert err.splitlines()[-1] == f"coral: {defect}'str' object has no attribute 'nothing'; --debug shows where."
    (tmp_path / "x.txt").write_text("hello")
    status, _, err = call(capsys, "data", "check", tmp_path / "x.txt")
    assert status == 1
    assert f"coral: {defect}" in err


def test_faults_are_none_for_what_works(install):
    install("mine", "objectives", {"mine": "strange_mine:Mine"}, strange_mine="class Mine:\n    Settings = presets = 1")
    assert OBJECTIVES.fault("mine") is None
    assert OBJECTIVES.fault("coral") is None
    assert DATASETS.fault("arrays") is None
    install("bad", "datasets", {"bad": "strange_mine:Mine"})
    with pytest.raises(
        PluginError,
        match=r"dataset 'bad' from bad .* is no dataset: it has no name, source, licence, recipe, load, inspect",
    ):
        DATASETS.get("bad")
    unfinished = (
        "from coral_plugin.data import DatasetAdapter\nclass Data(DatasetAdapter):\n    name = licence = source = ''"
    )
    install("half", "datasets", {"half": "strange_half:Data"}, strange_half=unfinished)
    with pytest.raises(PluginError, match=r"half:Data\) is no dataset: it has no Settings, read\. Repair"):
        DATASETS.get("half")
