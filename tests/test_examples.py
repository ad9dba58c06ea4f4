"""The examples run as they stand, from any folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_a_modality_with_an_encoder_and_an_augmentation_of_its_own(tmp_path):
    script = EXAMPLES / "custom_modality.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    score = float(done.stdout.split("balanced accuracy: ")[1].split()[0])
    assert score > 0.6
    code = [line for line in script.read_text().split('"""', 2)[2].splitlines() if line.strip()]
    assert len(code) < 40


@pytest.mark.slow
def test_data_that_do_not_fit_into_memory(tmp_path):
    script = [sys.executable, EXAMPLES / "larger_than_memory.py"]
    finished = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    scores = [float(line.rpartition(" ")[2]) for line in finished.stdout.splitlines()]
    assert len(scores) == 2
    assert min(scores) > 0.8


@pytest.mark.slow
def test_a_representation_is_fine_tuned_in_a_network_of_your_own(tmp_path):
    script = EXAMPLES / "finetune_in_your_network.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("accuracy with 60 labels: ")[1]) > 0.7
    assert sorted(path.name for path in (tmp_path / "pretrained").iterdir()) == ["model.json", "model.safetensors"]


def test_the_examples_use_public_names_only():
    """Nothing of the package but what ``coral_plugin`` itself, its data and MultiBench's bridge offer."""
    for script in EXAMPLES.glob("*.py"):
        imported = set(re.findall(r"^(?:from|import) (coral_plugin[.\w]*)", script.read_text(), re.MULTILINE))
        assert imported <= {"coral_plugin", *(f"coral_plugin.{room}" for room in ("data", "lightning", "multibench"))}


@pytest.mark.slow
def test_lightning(tmp_path):
    command = [sys.executable, EXAMPLES / "lightning_training.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("balanced accuracy on valid: ")[1].split()[0]) > 0.6
    assert "(120, 32)" in done.stdout
    assert not list(tmp_path.iterdir())
