"""Every script of benchmarks/ can be loaded: the names that it takes from the package are names of today."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))


@pytest.mark.parametrize("script", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_the_script_can_be_loaded(script):
    assert Path(importlib.import_module(script).__file__).parent == FOLDER
