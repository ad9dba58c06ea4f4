"""What this machine has, and what it cannot hold."""

import subprocess
import sys

import numpy as np
import pytest

from coral_plugin import machine
from coral_plugin.errors import MachineError


def test_memory_is_that_of_the_system():
    assert machine.memory() > 1 << 28


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 3 << 30)
    machine.require_memory(3 << 30, "x.hdf5")
    with pytest.raises(
        MachineError, match=r"x\.hdf5: this takes 4\.0 GiB of memory, and this machine has 3\.0\. Less\."
    ):
        machine.require_memory(4 << 30, "x.hdf5", "Less.")


def test_a_system_that_does_not_say_refuses_nothing(monkeypatch):
    monkeypatch.delattr(machine.os, "sysconf")
    assert machine.memory() is None
    machine.require_memory(1 << 60, "x.hdf5")


def test_peak_memory_is_that_since_it_was_forgotten():
    """What was let go of before does not count, where the system can forget it."""
    machine.forget_peak()
    touched = np.ones(40_000_000)  # 320 MB
    assert touched.any()
    large = machine.peak_memory()
    del touched
    machine.forget_peak()
    assert large > 320_000_000
    assert 0 < machine.peak_memory() <= large


def test_peak_memory_where_the_system_keeps_no_record(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "nowhere" / "status")
    machine.forget_peak()
    assert machine.peak_memory() > 1_000_000


# as on Windows, which has neither; what is not ours is imported before
WITHOUT = """
import importlib, pkgutil, sys
import lightning_fabric, matplotlib.figure, scipy.stats, sklearn.linear_model, torch.distributed
import coral_plugin
sys.modules |= {"fcntl": None, "resource": None}
names = [each.name for each in pkgutil.walk_packages(coral_plugin.__path__, "coral_plugin.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_everything_can_be_imported_where_resource_and_fcntl_are_missing():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_a_system_without_resource_tells_no_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "nowhere" / "status")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert machine.peak_memory() == 0
