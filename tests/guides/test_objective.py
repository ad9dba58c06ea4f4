"""The guide to a method of one's own: its code runs as it stands there, installed as its ``pyproject.toml`` says."""

import dataclasses
import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import coral_plugin
from coral_plugin.cli.main import main
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import DefectError, InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.runs.settings import make_settings
from coral_plugin.testing import check_objective, list_checks
from coral_plugin.training.step import TrainingStep

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "objective.md").read_text()
MODULE, PAIRS, BY_HAND, TEST, MORE = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
TINY = {"network__width": 8, "training__device": "cpu", "probe__kind": "ridge"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the modules of the guide, and the metadata that ``pip install`` writes."""
    folder = tmp_path / "align_uniform-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: align-uniform\nVersion: 1.0\n")
    points = tomllib.loads(PYPROJECT)["project"]["entry-points"]["multibench.objectives"]
    lines = [
        f"{name} = {target}"
        for name, target in {**points, "pairs": "pairs:Pairs", "weighted": "weighted:Weighted"}.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(["[multibench.objectives]", *lines, ""]))
    for name, source in (("align_uniform", MODULE), ("pairs", PAIRS), ("weighted", MORE), ("test_align_uniform", TEST)):
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("align_uniform", "pairs", "weighted", "test_align_uniform"):
        sys.modules.pop(name, None)


def arrays():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    tables = {name: labels[:, None] + 0.3 * torch.randn(60, 4, generator=generator) for name in "ab"}
    values = {**tables, "labels": labels}
    return {f"{split}/{key}": value for split in ("train", "valid", "test") for key, value in values.items()}


@pytest.mark.parametrize("name", ["align_uniform", "pairs", "weighted"])
def test_its_methods_keep_the_contract(site, name):
    check_objective(name, modalities=(2,), skip=["processes"])


def test_a_step_is_made_by_hand(site):
    names = {}
    exec(BY_HAND, names)
    assert list(names["terms"]) == ["modality/body", "modality/wave", "total"]


def test_its_table_names_every_check():
    table = GUIDE[GUIDE.index("| checks (") : GUIDE.index("**What the checks cannot see")]
    named = {name for row in table.splitlines()[2:] if row for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(list_checks())


def test_its_test_runs_every_check(site):
    (mark,) = importlib.import_module("test_align_uniform").test_contract.pytestmark
    assert {"padding_values", "processes", "gradient"} <= {name for name, _ in mark.args[1]}


def test_a_method_without_presets_trains_from_the_command_line_and_from_its_own_config(site, tmp_path, capsys):
    flags = ["--epochs", "1", "--device", "cpu", "--quiet", "--network.width", "8", "--probe.kind", "ridge"]
    names = ["--objective", "align_uniform", "--dataset", "digits"]
    assert main(["train", *names, *flags, "--output", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    assert "align_uniform on digits" in capsys.readouterr().out
    config = str(tmp_path / "run" / "config.yaml")
    assert main(["train", "--config", config, "--output", str(tmp_path / "again"), "--quiet"]) == 0
    assert main(["train", *names, "--preset", "paper"]) == 2
    assert "Unknown preset of align_uniform 'paper'. Known: none." in capsys.readouterr().err


def test_a_method_without_presets_trains_on_arrays(site):
    fitted = coral_plugin.fit(arrays(), "align_uniform", epochs=2, quiet=True, **TINY)
    assert fitted.metrics["preset"] == ""
    assert fitted.metrics["tasks"]["label"]["mean"] > 1 / 3
    assert fitted.embed({"a": torch.zeros(2, 4), "b": torch.zeros(2, 4)}).shape == (2, 16)


def test_its_first_preset_is_the_default_and_its_settings_are_checked(site):
    settings = make_settings("weighted", "digits")
    assert (settings.preset, settings.training.epochs, settings.method.weight) == ("long", 200, 0.5)
    assert make_settings("weighted", "digits", preset="heavy").method.weight == 2.0
    with pytest.raises(InputError, match=r"^method\.weight must be positive, got 0\.0\.$"):
        make_settings("weighted", "digits", method__weight=0.0)


def test_what_a_notebook_registers_reaches_other_processes(site):
    from align_uniform import AlignUniform

    from coral_plugin.registry import OBJECTIVES

    OBJECTIVES.add("registered_here", AlignUniform)
    try:
        fitted = coral_plugin.fit(arrays(), "registered_here", seeds=(1, 2), epochs=1, workers=2, quiet=True, **TINY)
    finally:
        OBJECTIVES.remove("registered_here")
    assert len(fitted.metrics["tasks"]["label"]["values"]) == 2


def test_what_cannot_be_sent_harms_who_uses_it_alone(site):
    from align_uniform import AlignUniform

    from coral_plugin.registry import ENCODERS, OBJECTIVES

    local = type("Local", (AlignUniform,), {"__module__": "__main__"})
    OBJECTIVES.add("local", local)
    ENCODERS.add("unused", lambda modality, width: None)
    try:
        fitted = coral_plugin.fit(arrays(), "align_uniform", seeds=(1, 2), epochs=1, workers=2, quiet=True, **TINY)
        assert len(fitted.metrics["tasks"]["label"]["values"]) == 2
        with pytest.raises(InputError, match=r"Local is defined in the script or notebook, which .* \(--workers 1\)"):
            coral_plugin.fit(arrays(), "local", seeds=(1, 2), epochs=1, workers=2, quiet=True, **TINY)
    finally:
        OBJECTIVES.remove("local")
        ENCODERS.remove("unused")


def test_settings_that_lack_a_default_are_no_fault_of_the_data_set(site):
    from align_uniform import AlignUniform

    from coral_plugin.registry import OBJECTIVES

    incomplete = dataclasses.make_dataclass("Incomplete", [("x", float)], frozen=True, kw_only=True)
    OBJECTIVES.add("incomplete", type("Needs", (AlignUniform,), {"Settings": incomplete}))
    try:
        with pytest.raises(InputError, match=r"^The method settings are incomplete: .*'x'"):
            make_settings("incomplete", "digits")
    finally:
        OBJECTIVES.remove("incomplete")


def test_a_loss_without_a_total_is_named(site):
    from align_uniform import AlignUniform

    half = type("Half", (AlignUniform,), {"loss": lambda self, step: {"align": torch.zeros(())}, "__module__": "half"})
    modalities = (Modality(name="a", kind="tabular", shape=(4,)), Modality(name="b", kind="tabular", shape=(4,)))
    batch = MultimodalBatch({name: torch.randn(5, 4) for name in "ab"})
    step = TrainingStep(half(modalities, NetworkSettings(width=8), AlignUniform.Settings()), None, 1, 1)
    with pytest.raises(DefectError, match=r"^loss of half\.Half has no 'total' among align\.$"):
        step(Step(batch, batch, 0.0))


def test_a_grid_starts_from_the_first_preset_or_none(site):
    from coral_plugin.bench.grid import DatasetColumn, MethodRow, preset_of, run_settings

    column = DatasetColumn(name="d", dataset="digits")
    for name, preset in (("align_uniform", ""), ("weighted", "long"), ("coral", "paper")):
        row = MethodRow(name="r", objective=name)
        assert preset_of(row, "d") == preset
        assert run_settings(row, column, "", 41).preset == preset
