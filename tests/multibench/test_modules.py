"""Which modules of a checkout import, found out without letting any of them act."""

import shutil

import pytest

from coral_plugin.errors import MachineError
from coral_plugin.multibench import modules
from coral_plugin.multibench.checkout import find_checkout


@pytest.fixture
def copy(double, tmp_path):
    return find_checkout(shutil.copytree(double.root, tmp_path / "copy"))


def test_each_module_is_told_with_the_reason(copy):
    (copy.root / "datasets" / "needs.py").write_text("import no_such_library\n")
    (copy.root / "datasets" / "leaves.py").write_text("import sys\nif True:\n    sys.exit(1)\n")
    (copy.root / "utils" / "moves.py").write_text(
        f"import os\nfor i in range(1):\n    os.mkdir({str(copy.root / 'ran')!r})\n"
    )
    (copy.root / "utils" / "calls.py").write_text(f"import os\nos.mkdir({str(copy.root / 'ran')!r})\n")
    (copy.root / "utils" / "path.py").write_text("import os, sys\nsys.path.append(os.getcwd())\nprint('loud')\n")
    found = modules.survey(copy)
    assert found["datasets.needs"] == "ModuleNotFoundError: No module named 'no_such_library'"
    assert found["datasets.leaves"] == "SystemExit: 1"
    assert found["utils.moves"] == found["utils.calls"] == modules.NOT_TRIED
    assert not (copy.root / "ran").exists()
    good = {name for name, why in found.items() if not why}
    assert {"utils.path", "datasets.affect.get_data", "datasets.imdb.get_data", "unimodals.common_models"} <= good
    assert not any("__init__" in name for name in found)


def test_a_process_that_fails_is_told(copy, monkeypatch):
    monkeypatch.setattr(modules, "_SECONDS", 0.01)
    with pytest.raises(MachineError, match="could not be tried"):
        modules.survey(copy)


@pytest.mark.multibench
def test_the_modules_of_the_real_one(checkout):
    found = modules.survey(checkout)
    lacking = {name for name, why in found.items() if why}
    # libraries that no example script needs, and scripts that move files about
    assert lacking <= {
        "datasets.RTFM.get_env",
        "datasets.affect.get_bert_embedding",
        "datasets.affect.get_raw_data",
        "datasets.kinetics.getkineticssmall",
        "datasets.kinetics.tobatch_37",
        "datasets.yummly.get_data",
    }
