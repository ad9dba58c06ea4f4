"""What this machine has, and what it cannot hold."""

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
