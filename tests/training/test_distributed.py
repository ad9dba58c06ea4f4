"""Several processes: the numbers of one, a clear end when one dies, the same bits after it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from coral_plugin import CoralEncoder, fit
from coral_plugin.errors import InputError, MachineError
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.settings import make_settings
from coral_plugin.training import processes
from coral_plugin.training.checkpoint import Checkpoints, kept_weights
from coral_plugin.training.settings import TrainingSettings
from coral_plugin.training.signals import Interrupted

ROOT = Path(__file__).parents[2]
ALONE = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "TORCHELASTIC"))} | {"OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_loss_gradient_and_statistics_are_those_of_one_process(tmp_path):
    record = tmp_path / "record.json"
    script, names = ROOT / "benchmarks" / "ddp_equality.py", ("coral", "coral:plus", "clip")  # clip: raw values too
    command = [sys.executable, script, "--objectives", *names, "--output", record]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=ALONE, check=False)
    assert done.returncode == 0, done.stderr
    worlds = json.loads(record.read_text())["worlds"]
    assert set(worlds) == {"2", "3"}
    for world in worlds.values():
        for name in names:
            assert world[name]["loss"] < 1e-6
            assert world[name]["gradient"] < 1e-10
            assert world[name]["buffers"] < 1e-12


@pytest.fixture
def pair(run, build):
    """``run`` in two processes, with a ``build`` that can be sent to them."""
    small = {"width": 8, "heads": 2, "head_hidden": 8, "head_output": 8}
    small["encoders"] = {"b": "affect_transformer(layers=1, feedforward=16)"}
    settings = make_settings("coral", "arrays", **{f"network__{key}": value for key, value in small.items()})
    return partial(
        run, build=partial(build_objective, settings, build().modalities), devices=2, epochs=40, keep_every=20
    )


@pytest.fixture
def workers(monkeypatch):
    """The processes that were started."""
    started = []
    original = processes._start

    def start(*arguments):
        started.append(original(*arguments))
        return started[-1]

    monkeypatch.setattr(processes, "_start", start)
    return started


@contextlib.contextmanager
def when_saved(folder, act):
    """Inside, ``act`` is called in a thread once there is a new checkpoint."""
    newest, over = folder / "last.ckpt", threading.Event()

    def seen():
        return newest.stat().st_mtime_ns if newest.exists() else 0

    def wait(before):
        while not over.wait(0.01):
            if seen() not in (0, before):
                act()
                return

    thread = threading.Thread(target=wait, args=(seen(),), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others_and_the_rest_can_be_done(pair, same, tmp_path, workers):
    whole = pair(tmp_path / "whole")
    assert [row["epoch"] for row in whole.history] == list(range(40))
    workers.clear()
    folder = tmp_path / "stopped"
    dies = pytest.raises(
        MachineError,
        match=r"^Process 1 of 2 was killed by SIGKILL \(out of memory\?\). The others were ended; --resume",
    )
    with when_saved(folder, lambda: workers[1].kill()), dies:
        pair(folder)
    assert all(worker.returncode is not None for worker in workers)
    assert 0 < Checkpoints(folder).load()["step"] < 120

    stops = pytest.raises(Interrupted, match=r"after step \d+ of 120 of seed 41")
    with when_saved(folder, lambda: os.kill(os.getpid(), signal.SIGTERM)), stops as stopped:
        pair(folder, resume=True)
    assert stopped.value.number == signal.SIGTERM

    with pytest.raises(InputError, match="processes: saved 2, now 1"):
        pair(folder, resume=True, devices=1)
    same(whole, pair(folder, resume=True))
    for epochs in (0, 20):  # what the first process keeps on the way
        kept, again = (load_file(path / kept_weights(epochs)) for path in (tmp_path / "whole", folder))
        assert kept.keys() == again.keys()
        assert all(torch.equal(value, again[name]) for name, value in kept.items())


@pytest.mark.slow
def test_torchrun(tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "coral_plugin.cli.main", "train", "--dataset", "digits", "--output", str(tmp_path / "run"),
        "--network.width=8", "--network.heads=2", "--network.head_hidden=8", "--network.head_output=8",
        "--device", "cpu", "--epochs", "1", "--batch-size", "512",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=ALONE, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all parts") == 2  # each of the two tables once
    assert done.stderr.count("seed 41  epoch 1/1") == 1
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["tasks"]["digit"]["values"][0] > 0.1
    assert sorted(p.name for p in (tmp_path / "run" / "seed-41").iterdir() if p.is_file()) == [
        "metrics.csv",
        "model.safetensors",
        "result.json",
    ]


def test_what_cannot_be_sent_is_refused(run):
    with pytest.raises(InputError, match=r"training.devices = 2 starts processes.*define it at the top of a module"):
        run(devices=2)


def test_a_batch_that_is_too_small_is_refused_before_anything_is_started(pair, workers):
    with pytest.raises(InputError, match="does not give each of 9 processes one"):
        pair(devices=9)
    assert not workers


def test_two_ways_of_starting_processes_are_one_too_many():
    with pytest.raises(InputError, match=r"torchrun or SLURM have started some already; leave it at 1"):
        processes.join_outside(TrainingSettings(devices=2))


@pytest.mark.parametrize("size", ["1", None])
def test_alone_is_no_job(monkeypatch, size):
    for name in list(os.environ):
        if name.startswith(("SLURM", "TORCHELASTIC", "WORLD_SIZE")):
            monkeypatch.delenv(name)
    if size is not None:
        monkeypatch.setenv("WORLD_SIZE", size)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert processes.launcher() is None


@pytest.fixture
def allocation(monkeypatch):
    """The environment of a SLURM job of four tasks on two machines, with the given variables beside it."""
    slurm = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_JOB_NAME": "train"}
    slurm |= {"SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_JOB_ID": "12", "SLURM_NODELIST": "n[1-2]"}

    def make(**more):
        for name in [name for name in os.environ if name.startswith(("SLURM", "TORCHELASTIC", "WORLD_SIZE"))]:
            monkeypatch.delenv(name)
        for name, value in {**slurm, **more}.items():
            monkeypatch.setenv(name, value)

    return make


@pytest.mark.parametrize("step", [{"SLURM_STEP_ID": "0"}, {"SLURM_STEPID": "0", "SLURM_STEP_NUM_TASKS": "4"}])
def test_a_task_of_srun_is_seen(allocation, step):
    allocation(**step)
    found = processes.launcher()
    assert processes.without_srun() is None
    assert (found.global_rank(), found.world_size(), found.auto_requeue) == (2, 4, False)
    assert processes._local_size(4) == 2


@pytest.mark.parametrize("step", [{}, {"SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1"}])
def test_an_allocation_without_srun_runs_alone_and_says_so(allocation, step, run, capfd):
    allocation(SLURM_PROCID="0", **step)
    assert processes.launcher() is None
    assert run(epochs=1).steps == 3
    rng = np.random.default_rng(0)
    small = {"network__width": 8, "network__heads": 2, "network__head_hidden": 8, "network__head_output": 8}
    arrays = {"a": rng.normal(size=(20, 4)), "b": rng.normal(size=(20, 3))}
    fit(arrays, seeds=(1,), epochs=1, training__device="cpu", **small)
    said = "SLURM: started once, without srun, in an allocation of 4 tasks: runs alone (docs/distributed.md)\n"
    assert capfd.readouterr().err.count(said) == 1
    settings = {key.replace("__", "."): value for key, value in small.items()}
    table = rng.normal(size=(20, 6))
    assert len(CoralEncoder(epochs=1, settings=settings, random_state=0).fit(table).transform(table)) == 20
