"""Two processes under Lightning's DDP train to the weights of the engine in two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import coral_plugin

from .train_in_two import SETTINGS, arrays

SCRIPT = Path(__file__).with_name("train_in_two.py")
ALONE = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "TORCHELASTIC"))} | {"OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["coral", "factorcl"])
def test_ddp(objective, tmp_path):
    command = [sys.executable, SCRIPT, objective, tmp_path / "weights"]
    done = subprocess.run(command, capture_output=True, text=True, env=ALONE, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    fitted = coral_plugin.fit(
        arrays(), objective, epochs=2, quiet=True, training__device="cpu", training__devices=2, **SETTINGS
    )
    theirs, ours = load_file(tmp_path / "weights"), fitted.objective.state_dict()
    difference = max(float((theirs[name].double() - ours[name].double()).abs().max()) for name in ours)
    print(f"{objective}, two processes: largest difference of a weight {difference}")
    assert difference < 1e-6
    assert theirs["loss/total"].item() == pytest.approx(fitted.run.histories[41][-1]["loss/total"], rel=1e-5)
    assert 0 <= theirs["probe/label/balanced_accuracy"].item() <= 1
