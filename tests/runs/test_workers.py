"""Seeds side by side: the bits of each alone, with its kill, its failure, and the choice that the record keeps."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin import fit
from coral_plugin.cli.main import main
from coral_plugin.data import from_arrays
from coral_plugin.errors import DivergedError, InputError
from coral_plugin.runs import workers as W
from coral_plugin.runs.folder import prepare_folder
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings
from coral_plugin.training.log import LOG, read_log
from coral_plugin.training.memory import StepMemory
from coral_plugin.training.side_by_side import Workers

SEEDS = (41, 42, 43)


@pytest.fixture(autouse=True)
def threads_of_other_tests():
    """A probe gives back as many threads as it is told that there were, which some tests here make up."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(arrays):
    return from_arrays(arrays, name="tiny")


@pytest.fixture
def settings(tiny):
    return make_settings("coral", "arrays", **{"training__epochs": 4, "seeds": SEEDS, **tiny})


def weights(folder, seeds=SEEDS):
    return [(folder / f"seed-{seed}" / "model.safetensors").read_bytes() for seed in seeds]


def record(folder):
    return json.loads((folder / "environment.json").read_text())


def train_alone(settings, folder, data):
    torch.set_num_threads(1)
    run(settings, folder=folder, data=data, quiet=True)


@pytest.fixture
def whole(settings, data, tmp_path):
    """A run of the same seeds, one after the other, in a process that no other test has been in."""
    process = get_context("spawn").Process(target=train_alone, args=(settings, tmp_path / "whole", data))
    process.start()
    process.join()
    return tmp_path / "whole"


@pytest.mark.slow
def test_measured_and_trained_side_by_side_to_the_bits_of_each_seed_alone(
    settings, data, tmp_path, whole, capfd, monkeypatch
):
    # two threads, whatever this machine has, and a training that counts as long
    monkeypatch.setattr(W.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(W, "_SHORT", 0.0)
    monkeypatch.setattr(W, "_GAIN", float("inf"))
    beside = run(settings, folder=tmp_path / "beside", data=data, workers=None)
    said = capfd.readouterr().err
    assert "seeds: 3 at a time, 1 thread each: about " in said
    assert all(f"seed {seed}  epoch 4/4" in said for seed in SEEDS)
    assert weights(tmp_path / "beside") == weights(whole)
    assert beside.metrics["tasks"] == json.loads((whole / "metrics.json").read_text())["tasks"]
    assert {key: record(tmp_path / "beside")[key] for key in ("workers", "threads")} == {"workers": 3, "threads": 1}
    assert record(whole)["workers"] == 1


STOPPED = """
import sys
from coral_plugin.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def age(checkpoint):
    """When it was written; 0 before, and while it is replaced."""
    try:
        return checkpoint.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def children(temporary):
    """Number of processes that have a folder in ``temporary``; None where the system does not list them."""
    if not Path("/proc/self/cmdline").exists():
        return None
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return sum(os.fsencode(temporary / "coral-") in line for line in lines)


def until(true, process):
    """Wait until ``true()``, or the process is over."""
    while not true() and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None


@pytest.mark.slow
def test_a_stopped_and_a_killed_run_go_on_to_the_same_bits(arrays, tmp_path, monkeypatch):
    # without labels nothing is probed, and pictures have no part in this
    np.savez(tmp_path / "tiny.npz", **{name: values for name, values in arrays.items() if "labels" not in name})
    monkeypatch.setattr("coral_plugin.runs.run.draw_run", lambda _: [])
    flags = [
        "train", "--data", str(tmp_path / "tiny.npz"), "--device", "cpu", "--width", "8", "--network.heads=2",
        "--network.head_hidden=8", "--network.head_output=8", "--epochs", "60", "--batch-size", "16",
        "--seeds", "41,42",
    ]  # fmt: skip
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    # in a process that no other test has been in, as the others are
    assert not subprocess.run([sys.executable, "-c", STOPPED, *flags, "--output", whole, "--quiet"], env=env).returncode
    checkpoints = [stopped / f"seed-{seed}" / "last.ckpt" for seed in (41, 42)]
    command = [sys.executable, "-c", STOPPED, *flags, "--output", str(stopped)]
    command += ["--training.checkpoint_seconds=0", "--workers", "2"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env["TMPDIR"] = str(temporary)
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE, env=env) as process:
        until(lambda: all(map(age, checkpoints)), process)
        process.terminate()
        said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    last = said.splitlines()[-1]
    assert last.startswith("coral: stopped after step ")
    assert last.count("of seed") == 2
    assert last.endswith("--resume")
    assert "Traceback" not in said
    assert record(stopped)["workers"] == 2

    logs = [path.with_name(LOG) for path in checkpoints]

    def epochs():
        return [len(read_log(path)) for path in logs]

    before = [age(path) for path in checkpoints]
    # nothing says how many at a time: the run keeps what it began with
    with subprocess.Popen([*command[:-2], "--resume"], text=True, stderr=subprocess.PIPE, env=env) as process:
        until(lambda: all(age(p) > t for p, t in zip(checkpoints, before, strict=True)) and min(epochs()) > 2, process)
        assert children(temporary) in (2, None)
        process.kill()
        assert "seeds: 2 at a time, 1 thread each, as the run began" in process.communicate()[1]
    while children(temporary):  # they end because their parent has
        time.sleep(0.01)
    assert not (stopped / "seed-41" / "result.json").exists()
    done = [read_log(path)[:-1] for path in logs]  # of the last one the checkpoint may know nothing yet

    assert main([*flags, "--output", str(stopped), "--resume", "--quiet"]) == 0
    assert weights(stopped, (41, 42)) == weights(whole, (41, 42))
    # the seconds of an epoch are those of its first time: none was done again
    assert [read_log(path)[: len(rows)] for path, rows in zip(logs, done, strict=True)] == done


POISON = """
import torch
from coral_plugin.training.randomness import fold
BAD = {fold(42, "step", number) for number in range(100)}
def poison(values, lengths, generator):
    return values * float("nan") if generator.initial_seed() in BAD else values
"""


@pytest.mark.slow
def test_a_seed_that_fails_leaves_the_others_finished(settings, data, tmp_path, capfd, monkeypatch):
    (tmp_path / "poison_of_seed.py").write_text(POISON)
    monkeypatch.syspath_prepend(tmp_path)
    from poison_of_seed import poison

    go = partial(run, settings, folder=tmp_path / "run", data=data, augmentations={"table": poison})
    with pytest.raises(DivergedError, match=r"^Seed 42: The loss is not finite at step 0 .* Finished: 41, 43\.$"):
        go(workers=2)
    said = capfd.readouterr().err
    assert said.count("seed 42: failed (The loss is not finite") == 1
    assert "Traceback" not in said
    assert [(tmp_path / "run" / f"seed-{seed}" / "result.json").exists() for seed in SEEDS] == [True, False, True]
    with pytest.raises(DivergedError, match=r"^Seed 42: "):
        go(workers=2, resume=True, quiet=True)


def test_what_a_script_defines_is_not_sent(arrays, tiny, monkeypatch):
    def plain(values, lengths, generator):
        return values

    # without labels nothing is probed
    samples = {name: arrays[f"train/{name}"] for name in ("table", "wave")}
    go = partial(fit, samples, seeds=(41, 42), epochs=1, augmentations={"table": plain}, **tiny)
    with pytest.raises(InputError, match=r"--workers 2 starts processes, .*plain.*or take --workers 1"):
        go(workers=2, quiet=True)
    plain.__module__, plain.__qualname__ = "__main__", "plain"
    with pytest.raises(InputError, match=r"plain is defined in the script or notebook"):
        go(workers=2, quiet=True)
    said = []
    monkeypatch.setattr(W.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(W, "_SHORT", 0.0)
    monkeypatch.setattr("coral_plugin.runs.run.say", lambda line, **_: said.append(line))
    monkeypatch.setattr("coral_plugin.training.progress.Progress._due", lambda *_: False)
    go()
    why = "something from Python cannot be sent to other processes (plain is defined in the script or notebook)"
    assert [line for line in said if line.startswith("seeds")] == [f"seeds: one after the other: {why}"]


MEMORY = StepMemory(2.0**30, 0.0, 2, 0, 32 * 2**30, "this machine")


@pytest.fixture
def choose(settings, monkeypatch):
    """``choose(...)`` without a training; steps take 1 s alone, and ``together`` side by side."""

    def call(
        asked=None, recorded=None, *, together=1.0, steps=1000, threads=2, memory=MEMORY, chosen=settings, resident=0
    ):
        said = []
        monkeypatch.setattr(W.torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(W.machine, "resident", lambda: resident)
        monkeypatch.setattr(W, "time_here", lambda *_: (1.0, 7))
        monkeypatch.setattr(W, "time_together", lambda *_: (together, 5.0))
        return W.choose_workers(asked, recorded, chosen, steps, print, memory, said.append), said

    return call


@pytest.mark.parametrize(
    ("arguments", "workers", "line"),
    [
        ({"together": 1.5}, (3, 1), "3 at a time, 1 thread each: about 25 min in place of 50 min, measured over 7"),
        ({"together": 2.9}, (1, 2), "one after the other: 3 at a time would take about 48 min in place of 50 min"),
        ({"steps": 10}, (1, 2), "one after the other: together they take less than 60 s"),
        ({"threads": 1}, (1, 1), "one after the other: there is one thread"),
        ({"memory": replace(MEMORY, fixed=10 * 2.0**30)}, (2, 1), "2 at a time"),
        ({"memory": replace(MEMORY, fixed=20 * 2.0**30)}, (1, 2), "one after the other: two at a time do not fit"),
        # two of 14 GiB and a GiB of a step each are more than 0.8 of 32 GiB, and so are two of 11 beside 8 in use
        ({"memory": replace(MEMORY, fixed=14 * 2.0**30)}, (1, 2), "one after the other: two at a time do not fit"),
        ({"memory": replace(MEMORY, fixed=28 * 2.0**30)}, (1, 2), "one after the other: two at a time do not fit"),
        (
            {"memory": replace(MEMORY, fixed=10 * 2.0**30), "resident": 8 * 2**30},
            (1, 2),
            "one after the other: two at a time do not fit",
        ),
        ({"asked": 2, "together": 9.0}, (2, 1), "2 at a time, 1 thread each"),
        ({"asked": 9, "threads": 8}, (3, 2), "3 at a time, 2 threads each"),
        ({"asked": 1}, (1, 2), None),
        ({"recorded": Workers(3, 4)}, (3, 4), "3 at a time, 4 threads each, as the run began"),
        ({"recorded": Workers(1, 4)}, (1, 2), None),
        ({"recorded": Workers(1, 2), "asked": 3}, (3, 1), "3 at a time, 1 thread each"),
    ],
)
def test_the_choice_and_its_line(choose, arguments, workers, line):
    chosen, said = choose(**arguments)
    assert chosen == Workers(*workers)
    assert len(said) == (line is not None)
    assert line is None or said[0].startswith(f"seeds: {line}")


def test_the_last_few_seeds_of_five_take_less(choose, settings):
    chosen, said = choose(together=1.5, chosen=replace(settings, seeds=(1, 2, 3, 4, 5)))
    assert chosen == Workers(3, 1)
    assert "about 42 min in place of 83 min" in said[0]  # three for 1500 s, then two for 1000 s, and two starts


def test_what_cannot_be_side_by_side_is_refused(choose, settings, data, tmp_path):
    with pytest.raises(InputError, match=r"--workers 3: the trainings take about 60.0 GiB .*take at most 1\."):
        W.check_workers(3, settings, replace(MEMORY, fixed=20 * 2.0**30))
    together = replace(settings, training=replace(settings.training, devices=2))
    with pytest.raises(InputError, match=r"--workers and training.devices both start processes"):
        W.check_workers(2, together, MEMORY)
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        run(settings, folder=tmp_path / "run", data=data, quiet=True, workers=0)
    assert not (tmp_path / "run").exists()
    assert choose(chosen=together)[0].count == 1
    chosen, said = choose(chosen=replace(settings, training=replace(settings.training, compile=True)))
    assert chosen.count == 1
    assert said[0].startswith("seeds: one after the other: compiling takes too long")


def test_gpus_are_shared_out(choose, settings, monkeypatch):
    monkeypatch.setattr(W, "visible_gpus", lambda _: ("0", "1"))
    assert choose(threads=8) == (Workers(2, 4), ["seeds: 2 at a time, 4 threads each, each on a GPU"])
    monkeypatch.setattr(W, "visible_gpus", lambda _: ("0",))
    assert choose(threads=8) == (Workers(1, 8), ["seeds: one after the other (--workers N: N at a time on this GPU)"])
    assert choose(asked=3, threads=8) == (Workers(3, 2), ["seeds: 3 at a time, 2 threads each"])


def test_a_run_of_an_earlier_version_goes_on_one_after_the_other(settings, data, tmp_path):
    prepare_folder(tmp_path, settings, data, resume=False)
    assert "workers" not in record(tmp_path)
    assert W.recorded_workers(tmp_path) is None  # nothing has begun
    (tmp_path / "seed-41").mkdir()
    assert W.recorded_workers(tmp_path) == Workers(1, torch.get_num_threads())
    W.record_workers(tmp_path, Workers(3, 2))
    assert W.recorded_workers(tmp_path) == Workers(3, 2)
    prepare_folder(tmp_path, settings, data, resume=True)
    assert W.recorded_workers(tmp_path) == Workers(3, 2)
    assert W.recorded_workers(Path("nowhere")) is None
