"""The faults of benchmarks/mutations.py fit the code of today: each text stands once in its file, each test exists."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "mutations.py"


def load():
    spec = importlib.util.spec_from_file_location("mutations", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


mutations = load()


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code(mutation):
    assert mutations.mismatches(mutation) == []


def test_a_text_or_test_that_is_gone_is_reported():
    gone = mutations.Mutation("gone", "pyproject.toml", "no such text", "", ("tests/test_mutations.py::test_nowhere",))
    assert mutations.mismatches(gone) == [
        "gone: its text stands 0 times in pyproject.toml, not once",
        "gone: there is no test tests/test_mutations.py::test_nowhere",
    ]
