"""The examples in MultiBench's manner run as they stand, on small files in the true formats."""

import runpy
import sys
from pathlib import Path

import pytest

from ..adapters import formats

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path, capsys):
    """A function that runs an example in this process, and gives what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name, *flags):
        monkeypatch.setattr(sys, "argv", [name, *map(str, flags)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("objective", ["coral", "comm", "supervised"])
def test_affect(example, tmp_path, objective):
    file = formats.save(tmp_path / "mosi_raw.pkl", formats.affect())
    out = example("affect.py", "--objective", objective, "--data", file, "--epochs", 1, "--output", tmp_path / "run")
    assert out.startswith(f"{objective} on mosi, 12 utterances, 1 epochs\n")
    assert "all parts        balanced accuracy" in out
    assert ("unique/text" in out) == (objective == "coral")
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_avmnist(example, tmp_path):
    formats.avmnist(tmp_path / "avmnist", 40, 10)
    out = example("avmnist.py", "--data", tmp_path / "avmnist", "--epochs", 1)
    assert [line.split()[0] for line in out.splitlines()] == ["shared", "unique/image", "unique/audio", "all"]


def test_mimic(example, tmp_path):
    file = formats.save(tmp_path / "im.pk", formats.mimic(), protocol=2)
    out = example("mimic.py", "--data", file, "--epochs", 1, "--tasks", 7, -1)
    assert "static: tabular (5,)\nseries: timeseries (24, 12)\n" in out
    assert "icd9_7: balanced accuracy" in out
    assert "(chance 16.7 %)" in out


def test_mmsdk(example, tmp_path):
    pytest.importorskip("h5py")
    folder, _ = formats.sequences(tmp_path / "csd", videos=9)
    out = example("mmsdk_sequences.py", "--data", folder, "--epochs", 1, "--pooling", "weighted")
    assert "steps of one, on average: COVAREP" in out
    assert "label: balanced_accuracy" in out


def test_multibench_loop(example, checkout, tmp_path):
    file = formats.save(tmp_path / "mosi_raw.pkl", formats.affect())
    out = example("multibench_loop.py", file, "--multibench", checkout.root, "--epochs", 1, "--save", "loop.pt")
    assert "last batch: supervised" in out
    assert (tmp_path / "loop.pt").is_file()


@pytest.mark.parametrize("name", ["affect.py", "avmnist.py", "mimic.py", "mmsdk_sequences.py", "multibench_loop.py"])
def test_examples_are_short(name):
    assert len((EXAMPLES / name).read_text().splitlines()) < 60
