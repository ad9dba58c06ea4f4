"""One process at a time in a run directory; the lock of a dead one is none."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError, MachineError
from coral_plugin.runs import lock as module
from coral_plugin.runs.lock import LOCK, locked, refuse_locked
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings

HOLD = """
import sys, time
from pathlib import Path
from coral_plugin.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds ``tmp_path / "run"``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named_and_a_killed_one_holds_nothing(holder, tmp_path):
    said = rf"{tmp_path / 'run'} is in use by process {holder.pid} on \S+, since \S+\. Wait for it, stop it, or choose"
    with pytest.raises(InputError, match=said), locked(tmp_path / "run"):
        pass
    with pytest.raises(InputError, match="in use"):
        refuse_locked(tmp_path / "run")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    refuse_locked(tmp_path / "run")
    with locked(tmp_path / "run"):
        assert f"process {os.getpid()} on" in (tmp_path / "run" / LOCK).read_text()
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_run_that_is_under_way_is_not_resumed_beside_it(arrays, tiny, tmp_path):
    settings = make_settings("coral", "arrays", **{"training__epochs": 1, **tiny})
    data = from_arrays(arrays, name="tiny")
    with locked(tmp_path), pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
        run(settings, folder=tmp_path, data=data, quiet=True, resume=True)
    assert list(tmp_path.iterdir()) == []
    run(settings, folder=tmp_path, data=data, quiet=True, resume=True)
    assert not (tmp_path / LOCK).exists()


def test_what_was_made_for_the_lock_goes_with_it(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a" / "b"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a"):
        (tmp_path / "a" / "kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Its holder removed it between our opening and our locking; a third process may hold a new one by now."""
    taken, original = [], module._take

    def slow(handle, path, *, wait):
        original(handle, path, wait=wait)
        taken.append(handle)
        if len(taken) == 1:
            path.unlink()

    monkeypatch.setattr(module, "_take", slow)
    with locked(tmp_path):
        assert len(taken) == 2
        with pytest.raises(InputError, match="in use"), locked(tmp_path):
            pass


def test_many_at_once_never_meet(tmp_path):
    inside, most, refused = [0], [0], [0]

    def work():
        for _ in range(200):
            try:
                with locked(tmp_path / "run"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    time.sleep(0)
                    inside[0] -= 1
            except InputError:
                refused[0] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert refused[0] < 800
    assert not (tmp_path / "run" / LOCK).exists()


def test_who_waits_gets_in_when_the_holder_is_gone(holder, tmp_path):
    entered = []

    def work():
        with locked(tmp_path / "run", wait=True):
            entered.append("in")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    assert entered == []
    holder.kill()
    thread.join(60)
    assert entered == ["in"]
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_disk_without_locks_is_no_reason_to_stop(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_what_cannot_be_a_lock_is_one_line(tmp_path, monkeypatch):
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="symbolic links"), locked(tmp_path):
        pass
    (tmp_path / LOCK).unlink()
    (tmp_path / LOCK).mkdir()
    with pytest.raises(InputError, match="is a directory"), locked(tmp_path):
        pass

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(MachineError, match="free some space"), locked(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()
