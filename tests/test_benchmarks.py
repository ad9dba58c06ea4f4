"""Every script of benchmarks/ can be loaded: what it imports and reads at its top is there today."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))


@pytest.mark.parametrize("script", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_the_script_can_be_loaded(script, monkeypatch):
    name = f"benchmarks_{script}"  # tests have a package called hostile
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{script}.py")
    monkeypatch.setitem(sys.modules, name, module := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
