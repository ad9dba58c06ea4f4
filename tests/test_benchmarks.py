"""Every script of benchmarks/ can be loaded: what it imports and reads at its top is there today."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))


@pytest.mark.parametrize("script", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_the_script_can_be_loaded(script):
    assert Path(importlib.import_module(script).__file__).parent == FOLDER
