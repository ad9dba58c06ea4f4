"""A script as it is: what it finds, where it writes, and what is said when it fails."""

import json
import os
import random
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.failures import ScriptError
from coral_plugin.multibench.launch import check_arguments, run_script, seed_everything
from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS


@pytest.fixture
def run(double, tmp_path):
    """Run a text as a script in a folder of its own; returns the folder."""

    def call(text, *arguments):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        (tmp_path / "scripts" / "some_script.py").write_text(textwrap.dedent(text))
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        with multibench(double, also=SCRIPT_SHIMS) as scope:
            run_script(tmp_path / "scripts" / "some_script.py", arguments, scope, folder)
        return folder

    return call


def test_a_script_finds_what_python_gives_it(run, tmp_path, monkeypatch):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "beside_it.py").write_text("value = 5\n")
    (tmp_path / "there").mkdir()
    (file := tmp_path / "there" / "x.pkl").touch()
    monkeypatch.chdir(tmp_path)
    folder = run(
        """
        import json, os, sys
        from beside_it import value
        from unimodals.common_models import MLP
        sys.path.append(os.getcwd())
        os.environ["CUDA_VISIBLE_DEVICES"] = "7"
        found = [__name__, value, sys.argv[1:], os.getcwd(), MLP.__module__]
        with open("found.json", "w") as file:
            json.dump(found, file)
        """,
        "--name", "a b", "there/x.pkl", "--path=there/x.pkl", "not/there", "there",
    )  # fmt: skip
    assert json.loads((folder / "found.json").read_text()) == [
        "__main__",
        5,
        # only what names a path becomes one
        ["--name", "a b", str(file), f"--path={file}", "not/there", "there"],
        str(folder),
        "unimodals.common_models",
    ]


def test_all_is_restored(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    before = (Path.cwd(), list(sys.argv), list(sys.path), dict(os.environ), sys.modules["__main__"])
    text = "import os, sys\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\nsys.path.insert(0, 'x')\nsys.argv.append('y')\n"
    run(text)
    assert (Path.cwd(), sys.argv, sys.path, dict(os.environ), sys.modules["__main__"]) == before
    with pytest.raises(ScriptError):
        run(text + "1 / 0\n")
    assert (Path.cwd(), sys.argv, sys.path, dict(os.environ), sys.modules["__main__"]) == before


def test_models_of_the_scripts_own_classes_are_saved_and_loaded(run):
    folder = run(
        """
        import torch
        from torch import nn
        class Mine(nn.Module):
            class Numbers:
                width = 3
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(self.Numbers.width, 1)
        torch.save(Mine(), "best.pt")
        assert torch.load("best.pt").cuda().fc.in_features == 3
        """
    )
    assert (folder / "best.pt").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0\n", "some_script.py, line 2: ZeroDivisionError: division by zero."),
        ("def f():\n    raise KeyError('a')\n\nf()\n", "some_script.py, line 2: KeyError: 'a'."),
        ("assert False\n", "some_script.py, line 1: AssertionError."),
        ("raise ValueError('two\\nlines')\n", "some_script.py, line 1: ValueError: two lines."),
        (
            "from unimodals.common_models import MLP\nimport torch\nMLP(2, 3, 4)(torch.ones(5, 9))\n",
            "line 3: RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x9 and 2x3) (in unimodals/",
        ),
        (
            "import torch\ntorch.load('best.pt')\n",
            "Nothing was saved as best.pt: MultiBench saves a model when accuracy or macro-F1 on valid rises above 0",
        ),
        (
            "import torch\ntorch.load('temp/best.pt')\n",
            "No training of the script writes it; temp/best.pt is looked",
        ),
        (
            "import torch\ntorch.save(1, 'other.pt')\ntorch.load('best.pt')\n",
            "The training saved other.pt; the script loads another name.",
        ),
        ("import no_such_library_at_all\n", "pip install no_such_library_at_all, if it is a library."),
        (
            "from datasets.kinetics.get_data import get_dataloader\n",
            "This MultiBench has no module datasets.kinetics: the script was written for another one.",
        ),
        ("def f(:\n", "some_script.py: SyntaxError: invalid syntax"),
    ],
)
def test_a_script_that_fails_is_one_line(run, text, said):
    with pytest.raises(ScriptError) as told:
        run(text)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_how_a_script_ends_itself(run):
    run("import sys\nsys.exit(0)\n")
    run("exit()\n")
    for text, code in (("import sys\nsys.exit(3)\n", 3), ("raise SystemExit('no data')\n", "no data")):
        with pytest.raises(SystemExit) as ended:
            run(text)
        assert ended.value.code == code


def test_exit_inside_multibench_hides_no_error(run, double, tmp_path, monkeypatch):
    """Its loader of affect data has ``except: print(...); exit()``, which would look like success."""
    module = double.root / "utils" / "helper_modules.py"
    code = compile("def leave():\n    exit()\n", str(module), "exec")
    with multibench(double):
        import utils.helper_modules as helper

        exec(code, vars(helper))
        monkeypatch.setattr(helper, "leave", helper.leave)
    with pytest.raises(
        ScriptError, match=r"ended by exit\(\) in utils/helper_modules\.py, line 2, which hides an error"
    ):
        run("from utils.helper_modules import leave\nleave()\n")


def test_errors_of_ours_come_through_as_they_are(run):
    with pytest.raises(InputError, match=r"^told$"):
        run("from coral_plugin.errors import InputError\nraise InputError('told')\n")
    with pytest.raises(KeyboardInterrupt):
        run("raise KeyboardInterrupt\n")


def test_arguments_for_a_script_that_reads_none_are_refused(tmp_path):
    flags = ["--epochs", "--seed"]
    quiet, reads = tmp_path / "quiet.py", tmp_path / "reads.py"
    quiet.write_text("print(1)\n")
    reads.write_text("import argparse\n")
    check_arguments(quiet, [], flags)
    check_arguments(reads, ["--epoch", "3"], flags)
    with pytest.raises(InputError, match=r"quiet\.py reads no arguments, and '--epoch' .* Did you mean --epochs\?"):
        check_arguments(quiet, ["--epoch", "3"], flags)


def test_one_seed_for_all_generators():
    def drawn():
        seed_everything(5)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002 - what MultiBench draws from

    assert drawn() == drawn()


def test_the_double_is_where_it_was():
    assert not list(Path(__file__).parent.joinpath("double").rglob("*.pt"))
