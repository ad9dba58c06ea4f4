"""The examples run as they stand, from any folder."""

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
