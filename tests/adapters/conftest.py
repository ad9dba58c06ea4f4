"""A MultiBench checkout, importable for one test and gone after it."""

import importlib
import os
import sys
import warnings
from pathlib import Path

import pytest

from coral_plugin.cli.main import main

from . import stand_ins


@pytest.fixture
def multibench(monkeypatch):
    """A function that imports a module of the checkout in ``MULTIBENCH_ROOT``; what it lacks here is stood in for."""
    root = os.environ.get("MULTIBENCH_ROOT")
    if not root or not (Path(root) / "datasets" / "affect").is_dir():
        pytest.skip("no MultiBench checkout: set MULTIBENCH_ROOT")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(root)
    stand_ins.install(monkeypatch)

    def load(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy.core and others that moved
            return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(root):
            del sys.modules[name]
    for name in ("datasets", "robustness"):
        if name not in before:
            sys.modules.pop(name, None)


@pytest.fixture
def coral(capsys):
    """Call ``coral ...`` in this process: ``(status, stdout, stderr)``."""

    def call(*arguments):
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call
