"""The guide to Lightning: its code runs as it stands there, from top to bottom."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from coral_plugin.cli.main import main

GUIDE = (Path(__file__).parents[2] / "docs" / "lightning.md").read_text()
TRAIN, EMBED, PROBE, PROCESSES, LOGGERS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"^coral (train.*--logger (\S+) .*)", GUIDE, re.MULTILINE)
TINY = ["--network.width=8", "--network.heads=2", "--epochs=1", "--device=cpu", "--probe.kind=ridge", "--quiet"]


def run_script(folder, *blocks):
    path = folder / "guide.py"
    path.write_text("\n".join(blocks))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_ALLOW_FILE_STORE": "true", "WANDB_SILENT": "true"}
    command = [sys.executable, path]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_training_embedding_and_probing(tmp_path):
    printed = run_script(tmp_path, TRAIN, EMBED, PROBE, "print(representation.shape, best.best_model_score)")
    assert re.search(r"\(48, 32\) tensor\(0\.\d+\)", printed)


@pytest.mark.slow
def test_several_processes(tmp_path):
    data = TRAIN.partition("module = ")[0]
    assert "2/2" not in run_script(tmp_path, data, PROCESSES, "print(trainer.world_size, trainer.global_step)")


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, ("wandb", "mlflow", "tensorboard"))), reason="an extra is not installed")
def test_loggers(tmp_path):
    run_script(tmp_path, TRAIN.partition("module = ")[0], LOGGERS)
    logs = tmp_path / "logs"
    assert list(logs.rglob("metrics.csv"))
    assert list(logs.rglob("events.out.tfevents.*"))
    assert list(logs.rglob("run-*.wandb"))
    assert list((logs / "mlruns").rglob("loss/total"))


@pytest.mark.slow
@pytest.mark.parametrize(("command", "names"), COMMANDS)
def test_commands(command, names, tmp_path, monkeypatch, capsys):
    if missing := [name for name in names.split(",") if name != "csv" and not find_spec(name)]:
        pytest.skip(f"{missing} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main([*shlex.split(command), *TINY]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs").iterdir()
    assert all((folder / "seed-41" / name).is_dir() for name in names.split(","))
