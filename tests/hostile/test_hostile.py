"""Every kind of hostile input: one clear line, the right status, nothing run, nothing left half written."""

from pathlib import Path

import pytest

from .cases import CASES
from .runner import execute, faults, make_template, make_world


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder, valid data and a finished run."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # other users look in, in some cases
        yield folder, *make_template(folder)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hostile_input_gets_one_clear_line(case, place):
    with make_world(*place) as world:
        outcome = execute(case, world)
        assert not faults(case, outcome)
        assert not world.canary.exists()


def test_there_are_enough_kinds():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 120
