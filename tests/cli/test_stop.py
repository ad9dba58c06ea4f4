"""SIGTERM in every part of a command's life: one line that says how to go on, and the run goes on to the same bits."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from coral_plugin.cli.main import main
from coral_plugin.runs import run as R
from coral_plugin.runs import seed as S
from coral_plugin.runs import start
from coral_plugin.runs.lock import LOCK
from coral_plugin.training import fit as T
from coral_plugin.training import signals
from coral_plugin.training.step import TrainingStep

# where the signal comes: owner and name of a function, at which of its calls, and what is left when it has come
PHASES = {
    "the data are read": (R, "load_data", 1, None),
    "the data are rendered": (start, "make_augmenter", 1, None),
    "the networks are built": (T, "BatchLoader", 1, "config.yaml"),
    "the first step": (TrainingStep, "prepare", 1, "config.yaml"),
    "the second step": (TrainingStep, "prepare", 2, "seed-41/last.ckpt"),
    "a later epoch": (TrainingStep, "prepare", 3, "seed-41/last.ckpt"),
    "the probe": (S, "score_parts", 1, "seed-41/last.ckpt"),
    "the end of a seed": (R, "finish_seed", 1, "seed-41/last.ckpt"),
    "between seeds": (T, "BatchLoader", 2, "seed-41/result.json"),
    "the probe of the last seed": (S, "score_parts", 2, "seed-42/last.ckpt"),
    "the raw features are probed": (R, "score_raw_baseline", 1, "seed-42/result.json"),
    "the summary": (R, "summarise", 1, "seed-42/result.json"),
    "the pictures": (R, "draw_run", 1, "metrics.json"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pictures take most of the time, and have no part in this."""
    monkeypatch.setattr(R, "draw_run", lambda _: [])
    # on a machine that others load the rest may take longer, and what ends the process here is the process of the tests
    monkeypatch.setattr(signals, "GRACE", 120.0)


@pytest.fixture(scope="module")
def argv(npz):
    return [
        "train", "--dataset", "arrays", "--data", str(npz), "--network.width=8", "--network.heads=2",
        "--network.head_hidden=8", "--network.head_output=8", "--batch-size", "32", "--device", "cpu", "--epochs", "3",
        "--seeds", "41,42", "--quiet",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(argv, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(R, "draw_run", lambda _: [])
        assert main([*argv, "--output", str(folder)]) == 0
    return folder


def content(folder):
    values = json.loads((folder / "metrics.json").read_text())["tasks"]["label"]["values"]
    return values, [(folder / f"seed-{seed}" / "model.safetensors").read_bytes() for seed in (41, 42)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in(phase, number, argv, whole, tmp_path, monkeypatch, capfd):
    if number == signal.SIGINT and phase not in ("the data are read", "the second step", "the probe"):
        pytest.skip("handled as SIGTERM is")
    owner, name, call, left = PHASES[phase]
    original, calls = getattr(owner, name), []

    def stopped(*arguments, **named):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return original(*arguments, **named)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopped)
        assert main([*argv, "--output", str(run)]) == 128 + number
    out, err = capfd.readouterr()
    assert out == "" or phase == "the pictures"
    assert err.startswith("coral: stopped")
    line, _, again = err.strip().partition(". Go on with: coral ")
    assert "\n" not in line
    assert ("after step" in line) == (phase in ("the second step", "a later epoch"))
    assert run.exists() == (left is not None)
    assert left is None or (run / left).exists()
    assert not (run / LOCK).exists()
    assert again.split()[-1] == "--resume"
    assert main(again.split()) == 0
    assert content(run) == content(whole)


START = """
import runpy, signal, threading, time
import coral_plugin.cli.main
def tell():
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(0.001)
    print(flush=True)
threading.Thread(target=tell, daemon=True).start()
runpy.run_module("coral_plugin.cli.main", run_name="__main__")
"""


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_a_signal_while_the_command_starts(argv, tmp_path, seconds):
    # -W: runpy warns that the module is imported already
    command = [sys.executable, "-W", "ignore", "-c", START, *argv, "--output", str(tmp_path / "run")]
    command += ["--epochs", "1000000"]  # on a fast machine it may be in the middle of the training
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.terminate()
        said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    place = r"( after step \d+ of \d+ of seed 41)?"
    assert re.fullmatch(rf"coral: stopped{place}\. Go on with: coral train .* --resume\n", said), said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["bench", "--objectives", "coral", "--datasets", "digits"],
            "The same command goes on: finished runs are kept.",
        ),
        (["demo", "--output", "x"], "Go on with: coral demo --output x --resume"),
        (["train", "--output=x", "--resume"], "Go on with: coral train --output=x --resume"),
        (["train"], "Call it again with: coral train"),
        (["list", "datasets"], "Call it again with: coral list datasets"),
        (["finetune", "x", "--loss", "cross_entropy"], "Go on with: coral finetune x --loss cross_entropy --resume"),
    ],
)
def test_other_commands_say_how_they_go_on(arguments, said, monkeypatch, capfd):
    from coral_plugin.cli import main as module

    class Stopping:
        @staticmethod
        def main(argv):
            if arguments[0] == "finetune":
                from coral_plugin.cli import finetune
                from coral_plugin.runs import finetune as runs

                monkeypatch.setattr(runs, "finetune", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
                return finetune.main(argv)
            return os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(module, "import_module", lambda _: Stopping)
    assert main(arguments) == 128 + signal.SIGINT
    assert capfd.readouterr().err == f"coral: stopped. {said}\n"
