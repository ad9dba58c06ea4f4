"""All shims together: named, explained, applied only where they are needed, undone without a trace."""

import builtins
import importlib
import sys
import warnings

import matplotlib
import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from coral_plugin.multibench import multibench
from coral_plugin.multibench.compatibility import needs
from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS, SHIMS

ALL = (*SHIMS, *SCRIPT_SHIMS)


def state():
    """Everything that a shim may change."""
    return {
        "torch": {name: vars(torch)[name] for name in ("load", "save", "tensor", "zeros", "randn")},
        "methods": [(vars(o).get("cuda"), vars(o).get("to")) for o in (torch.nn.Module, torch.Tensor)],
        "numpy": [hasattr(np, name) for name in ("float", "string_")],
        "yaml": yaml.load,
        "loader": DataLoader.__init__,
        "open": builtins.open,
        "warnings": list(warnings.filters),
        "backend": dict.__getitem__(matplotlib.rcParams, "backend"),
        "path": list(sys.path),
        "finders": list(sys.meta_path),
    }


def test_each_has_a_name_of_its_own_and_one_line():
    assert len({shim.name for shim in ALL}) == len(ALL)
    assert all(shim.purpose and "\n" not in shim.purpose for shim in ALL)


def test_whether_it_is_needed_is_a_reason_and_changes_nothing():
    before, modules = state(), set(sys.modules)
    assert all(isinstance(need.why, str) and "\n" not in need.why for need in needs(ALL))
    assert state() == before
    assert not {name for name in set(sys.modules) - modules if name.startswith(("torchvision", "torchtext"))}


def test_all_are_undone(checkout):
    before = state()
    with multibench(checkout, also=SCRIPT_SHIMS) as scope:
        assert state() != before
        applied = dict(scope.shims)
        for name in ("torchvision", "torchtext", "fannypack", "memory_profiler"):
            importlib.import_module(name)
    assert state() == before
    assert applied == {need.shim.name: need.why for need in needs(ALL) if need.why}


def test_what_is_not_needed_or_left_out_is_not_applied(double, monkeypatch):
    monkeypatch.setattr(np, "float", float, raising=False)
    monkeypatch.setattr(np, "string_", np.bytes_, raising=False)
    loader = DataLoader.__init__
    with multibench(double, without=["loader-workers"]) as scope:
        assert "loader-workers" not in scope.shims
        assert DataLoader.__init__ is loader
    assert float is float  # was there before, and stays


@pytest.mark.parametrize("shim", ALL, ids=lambda shim: shim.name)
def test_each_is_undone_alone(double, shim):
    if not shim.needed():
        pytest.skip(f"{shim.name} is not needed on this machine")
    before = state()
    others = [each.name for each in ALL if each is not shim]
    with multibench(double, without=others, also=SCRIPT_SHIMS) as scope:
        assert list(scope.shims) == [shim.name]
    assert state() == before


def test_every_module_of_the_double_imports(double):
    from coral_plugin.multibench.modules import import_all

    found = import_all(double)
    assert {name for name, why in found.items() if why} == {"datasets.imdb.vgg"} - set(found) | {
        name for name, why in found.items() if why
    }
    assert not found["datasets.imdb.get_data"]
