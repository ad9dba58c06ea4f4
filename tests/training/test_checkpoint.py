"""Checkpoints: the newest and the one before it, and what is done about damage."""

import os
import pickle

import pytest
import torch

from coral_plugin.errors import MachineError
from coral_plugin.training.checkpoint import CHECKPOINT, PREVIOUS, Checkpoints, clear_asides


def state(step):
    return {
        "seed": 41,
        "step": step,
        "steps": 9,
        "processes": 1,
        "weights": {"a": torch.full((64,), float(step))},
        "optimiser": {},
        "scaler": None,
        "log": {},
        "peak_memory_bytes": 0,
    }


@pytest.fixture
def said():
    return []


@pytest.fixture
def kept(tmp_path, said):
    kept = Checkpoints(tmp_path, said.append)
    for step in (1, 2, 3):
        kept.save(state(step))
    return kept


def test_the_newest_and_the_one_before_are_kept(kept, tmp_path):
    assert sorted(p.name for p in tmp_path.iterdir()) == [CHECKPOINT, PREVIOUS]
    assert kept.load()["step"] == 3
    assert torch.load(tmp_path / PREVIOUS, weights_only=True)["step"] == 2


def flip(path):
    content = bytearray(path.read_bytes())
    place = content.find(torch.full((64,), 3.0).numpy().tobytes())
    content[place + 100] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by one byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one bit": flip,
    "other content": lambda path: torch.save({"step": 3}, path),
    "a list": lambda path: torch.save([1], path),
    "newer schema": lambda path: torch.save({"schema": 99, **state(3)}, path),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_one_falls_back_in_one_line(kept, tmp_path, said, damage):
    DAMAGES[damage](tmp_path / CHECKPOINT)
    assert kept.load()["step"] == 2
    assert len(said) == 1
    assert f"{tmp_path / CHECKPOINT} is damaged (" in said[0]
    assert said[0].endswith("going on from the checkpoint before it")
    # and never takes the place of the whole one
    kept.save(state(4))
    os.truncate(tmp_path / CHECKPOINT, 10)
    assert kept.load()["step"] == 2


def test_both_damaged_is_the_start(kept, tmp_path, said):
    for name in (CHECKPOINT, PREVIOUS):
        os.truncate(tmp_path / name, 100)
    assert kept.load() is None
    assert len(said) == 2
    assert said[1].endswith("going on from the start")


def test_a_kill_between_the_two_renamings_loses_nothing(kept, tmp_path, said):
    (tmp_path / CHECKPOINT).replace(tmp_path / PREVIOUS)
    assert kept.load()["step"] == 3
    assert not said


def test_nothing_in_a_checkpoint_is_run(kept, tmp_path, said):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({**state(3), "schema": 1, "log": Evil()}, tmp_path / CHECKPOINT)
    (tmp_path / PREVIOUS).write_bytes(pickle.dumps(Evil()))
    assert kept.load() is None
    assert not (tmp_path / "ran").exists()
    assert len(said) == 2


def test_a_failed_write_leaves_the_former_ones(kept, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(MachineError, match="no space left"):
        kept.save(state(4))
    assert kept.load()["step"] == 3


def test_it_is_on_the_disk_before_it_has_its_name(kept, monkeypatch):
    calls = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("sync"), fsync(handle))[1])
    original = type(kept.newest).replace
    monkeypatch.setattr(type(kept.newest), "replace", lambda a, b: (calls.append(f"to {b.name}"), original(a, b))[1])
    kept.save(state(4))
    assert calls == [f"to {PREVIOUS}", "sync", f"to {CHECKPOINT}", "sync"]


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    left = [".last.123-0a1b2c3d.ckpt", ".metrics.1-ffffffff.csv"]
    for name in (*left, ".hidden", "last.ckpt", ".last.x-0a1b2c3d.ckpt"):
        (tmp_path / name).write_bytes(b"x")
    clear_asides(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", ".last.x-0a1b2c3d.ckpt", "last.ckpt"]
