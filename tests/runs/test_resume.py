"""A run that was killed: the command that goes on, to the same bits; and what is refused."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from coral_plugin.cli.main import main
from coral_plugin.data import from_arrays
from coral_plugin.errors import DivergedError, InputError
from coral_plugin.runs import folder as module
from coral_plugin.runs.folder import prepare_folder
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings
from coral_plugin.training.log import TIMES, read_log

MEASURED = {*TIMES, "peak_memory_bytes"}


@pytest.fixture
def settings(tiny):
    return lambda **chosen: make_settings("coral", "arrays", **{"training__epochs": 2, **tiny, **chosen})


@pytest.fixture
def data(arrays):
    return from_arrays(arrays, name="tiny")


def without_measured(value):
    if isinstance(value, dict):
        return {k: without_measured(v) for k, v in value.items() if k not in MEASURED}
    return value


def same_runs(one, two):
    for seed in one.glob("seed-*"):
        assert (seed / "model.safetensors").read_bytes() == (two / seed.name / "model.safetensors").read_bytes()
    metrics = [without_measured(json.loads((each / "metrics.json").read_text())) for each in (one, two)]
    assert metrics[0] == metrics[1]
    tables = [[line.split(",")[:-2] for line in (each / "metrics.csv").read_text().splitlines()] for each in (one, two)]
    assert tables[0] == tables[1]


# prints after each checkpoint, and goes on when it is told to
HALTING = """
import sys
from coral_plugin.cli.main import main
from coral_plugin.training.checkpoint import Checkpoints
save = Checkpoints.save
def halting(self, state):
    save(self, state)
    print("saved", flush=True)
    sys.stdin.readline()
Checkpoints.save = halting
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_the_command_says_how_to_go_on_and_ends_with_the_same_bits(arrays, tmp_path, monkeypatch):
    np.savez(tmp_path / "tiny.npz", **arrays)
    flags = [
        "train", "--dataset", "arrays", "--data", str(tmp_path / "tiny.npz"), "--device", "cpu",
        "--network.width=8", "--network.heads=2", "--network.head_hidden=8", "--network.head_output=8",
        "--epochs", "3", "--batch-size", "8", "--seeds", "41", "--training.checkpoint_seconds=0",
    ]  # fmt: skip
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*flags, "--output", str(whole), "--quiet"]) == 0

    command = [sys.executable, "-c", HALTING, *flags, "--output", str(stopped)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "saved\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (stopped / "metrics.json").exists()

    with subprocess.Popen([*command, "--resume"], text=True, **pipes) as process:
        assert process.stdout.readline() == "saved\n"
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "coral: stopped after step " in said
    again = said.splitlines()[-1].partition("Go on with: coral ")[2].split()
    assert again[0] == "train"
    assert again[-1] == "--resume"
    assert main([*again, "--quiet"]) == 0
    same_runs(whole, stopped)


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_kill_while_the_folder_is_made(settings, data, tmp_path, monkeypatch, written):
    class Kill(BaseException):
        pass

    left = [written]

    def counting(function):
        def write(*arguments):
            if not left[0]:
                raise Kill
            left[0] -= 1
            return function(*arguments)

        return write

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_text", counting(module.write_text))
        patch.setattr(module, "write_json", counting(module.write_json))
        patch.setattr(module, "sync_folder", lambda _: counting(lambda: None)())
        left[0] = written
        with pytest.raises(Kill):
            prepare_folder(tmp_path, settings(), data, resume=False)
    # the very same command with --resume, and without it while there is no run yet
    prepare_folder(tmp_path, settings(), data, resume=True)
    if written < 3:
        shutil.rmtree(tmp_path)
        prepare_folder(tmp_path, settings(), data, resume=False)


def test_a_kill_after_the_result_leaves_a_finished_seed(settings, data, tmp_path):
    whole = run(settings(), folder=tmp_path, data=data, quiet=True)
    left = [tmp_path / "seed-41" / name for name in ("last.ckpt", "previous.ckpt")]
    for path in left:
        path.write_bytes(b"of no use any more")
    again = run(settings(), folder=tmp_path, data=data, quiet=True, resume=True)
    assert again.metrics == whole.metrics


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"training__epochs": 3}, "training.epochs: saved 2, asked 3"),
        ({"training__precision": "bf16-mixed"}, "training.precision: saved '32-true', asked 'bf16-mixed'"),
        ({"training__batch_size": 16}, "training.batch_size: saved 32, asked 16"),
        ({"training__devices": 2}, "training.devices: saved 1, asked 2"),
        ({"training__compile": True}, "training.compile: saved False, asked True"),
        ({"augmentations": "noise"}, "augmentations: saved .*asked 'noise'"),
        ({"network__encoders": {"m_a": "mlp"}}, r"network\.encoders\.m_a: saved None, asked 'mlp'"),
    ],
)
def test_what_differs_is_listed(settings, data, tmp_path, change, said):
    prepare_folder(tmp_path, settings(), data, resume=False)
    with pytest.raises(InputError, match=rf"holds another run \({said}\). Choose another --output, or remove .*: none"):
        prepare_folder(tmp_path, settings(**change), data, resume=True)


def test_seeds_and_what_changes_no_number_may_differ(settings, data, tmp_path):
    run(settings(), folder=tmp_path, data=data, quiet=True)
    more = settings(
        seeds=(41, 43),
        training__checkpoint_seconds=1.0,
        training__timeout_seconds=9.0,
        training__on_nonfinite="skip",
    )
    extended = run(more, folder=tmp_path, data=data, quiet=True, resume=True)
    assert extended.metrics["seeds"] == [41, 43]


def test_a_diverged_run_says_what_to_do(settings, data, tmp_path):
    wild = settings(training__learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"not finite at step \d+ of epoch \d+ .*Lower training.learning_rate"):
        run(wild, folder=tmp_path, data=data, quiet=True)
    with pytest.raises(InputError, match=r"Add --resume .*or remove .*: none of its seeds is finished"):
        run(wild, folder=tmp_path, data=data, quiet=True)
    with pytest.raises(InputError, match=r"learning_rate: saved .* or remove .*: none of its seeds is finished"):
        run(settings(), folder=tmp_path, data=data, quiet=True, resume=True)
    with pytest.raises(DivergedError):  # and with --resume it diverges again, at the same step
        run(wild, folder=tmp_path, data=data, quiet=True, resume=True)


def test_resume_needs_the_folder(capsys):
    assert main(["train", "--dataset", "digits", "--resume"]) == 2
    assert capsys.readouterr().err == "coral: --resume needs --output: the folder of the run to go on with.\n"


def test_asides_of_a_killed_run_are_removed(settings, data, tmp_path):
    prepare_folder(tmp_path, settings(), data, resume=False)
    (tmp_path / ".metrics.77-01234567.json").write_bytes(b"half")
    prepare_folder(tmp_path, settings(), data, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "data.json", "environment.json"]


def test_seeds_that_are_finished_stay_in_the_record(coral_digits, tmp_path):
    """Without --seeds the run goes on with its own, with others it gets these too."""
    assert coral_digits("--seeds", "42,43") == [42, 43]
    assert coral_digits("--resume") == [42, 43]
    assert coral_digits("--resume", "--seeds", "44") == [42, 43, 44]
    assert [row["seed"] for row in read_log(tmp_path / "run" / "metrics.csv")] == [42, 43, 44]


@pytest.fixture
def coral_digits(tmp_path, capsys):
    def call(*more):
        words = ["train", "--dataset", "digits", "--epochs", "1", "--batch-size", "512", "--set", "network.width=8"]
        assert main([*words, "--output", str(tmp_path / "run"), "--workers", "1", "--quiet", *more]) == 0
        return json.loads((tmp_path / "run" / "metrics.json").read_text())["seeds"]

    return call
