"""MultiBench's packages inside the context, and nothing of them outside."""

import copy
import importlib
import pickle
import shutil
import subprocess
import sys
import textwrap
import types

import pytest
import torch

from coral_plugin.multibench import multibench
from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.isolation import bound, current, isolated

OTHERS = ("datasets", "utils", "datasets.affect")


@pytest.fixture
def installed(monkeypatch):
    """Other distributions' modules of the same names, imported already."""
    made = {name: types.ModuleType(name) for name in OTHERS}
    for name, module in made.items():
        module.theirs = True
        monkeypatch.setitem(sys.modules, name, module)
    return made


def mine(checkout):
    return {name for name in sys.modules if name.partition(".")[0] in checkout.packages}


def test_the_checkout_wins_over_what_is_imported_already(checkout, installed):
    before = mine(checkout)
    with isolated(checkout):
        assert not hasattr(importlib.import_module("datasets"), "theirs")
        helper = importlib.import_module("utils.helper_modules")
        assert helper.__file__.startswith(str(checkout.root))
    assert mine(checkout) == before
    assert all(sys.modules[name] is module for name, module in installed.items())


def test_it_wins_over_what_lies_first_on_the_path(checkout, tmp_path, monkeypatch):
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "__init__.py").write_text("theirs = True\n")
    with isolated(checkout):
        monkeypatch.syspath_prepend(str(tmp_path))  # as scripts do with their current directory
        assert not hasattr(importlib.import_module("utils"), "theirs")


def test_path_finders_and_bytecode_are_what_they_were(checkout):
    before = (list(sys.path), list(sys.meta_path), sys.dont_write_bytecode)
    with isolated(checkout):
        assert sys.path[0] == str(checkout.root)
        assert sys.dont_write_bytecode
        sys.path.append("/what/scripts/append")
    assert (list(sys.path), list(sys.meta_path), sys.dont_write_bytecode) == before


def test_an_exception_leaves_nothing_either(checkout, installed):
    before = (mine(checkout), list(sys.path), list(sys.meta_path))

    def fail():
        with multibench(checkout):
            importlib.import_module("unimodals.common_models")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (mine(checkout), list(sys.path), list(sys.meta_path)) == before
    assert current() is None


def test_contexts_nest_and_share_their_modules(checkout):
    with multibench(checkout) as outer:
        models = importlib.import_module("unimodals.common_models")
        with multibench(checkout) as inner:
            assert current() is inner
            assert importlib.import_module("unimodals.common_models") is models
            later = importlib.import_module("fusions.common_fusions")
        assert current() is outer
        assert importlib.import_module("fusions.common_fusions") is later
        assert sys.path[0] == str(checkout.root)
    assert "unimodals.common_models" not in sys.modules


def test_another_checkout_inside_has_modules_of_its_own(double, tmp_path):
    for name in ("training_structures", "utils"):
        (tmp_path / name).mkdir()
    (tmp_path / "utils" / "__init__.py").write_text("second = True\n")
    with isolated(double):
        first = importlib.import_module("utils")
        with isolated(Checkout(tmp_path, "test")):
            assert importlib.import_module("utils").second
        assert importlib.import_module("utils") is first


def test_objects_stay_usable_and_the_same_in_the_next_context(checkout, tmp_path):
    with multibench(checkout):
        model = importlib.import_module("unimodals.common_models").MLP(3, 4, 2)
        torch.save(model, tmp_path / "whole.pt")
    x = torch.ones(5, 3)
    assert torch.equal(copy.deepcopy(model)(x), model(x))  # outside
    with multibench(checkout):
        loaded = torch.load(tmp_path / "whole.pt")
        assert type(loaded) is type(model)
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), loaded(x))
    assert torch.equal(loaded(x), model(x))


def test_what_a_script_imports_from_beside_it_goes_too(double, tmp_path):
    helper = shutil.copytree(double.root, tmp_path / "double") / "examples" / "helper_of_a_script.py"
    helper.write_text("found = 1\n")
    with isolated(Checkout(tmp_path / "double", "test")):
        sys.path.insert(0, str(helper.parent))
        assert importlib.import_module("helper_of_a_script").found
    assert "helper_of_a_script" not in sys.modules


def test_hooks_run_after_the_import_and_are_undone(double):
    seen = []
    with isolated(double) as scope:
        scope.after_import("utils.helper_modules", lambda module: scope.patch(module, "marked", True))
        scope.after_import("utils.helper_modules", lambda module: seen.append(module.marked))
        module = importlib.import_module("utils.helper_modules")
        assert (module.marked, seen) == (True, [True])
    assert not hasattr(module, "marked")
    with isolated(double) as scope:  # the module is kept: a hook for it runs at once
        importlib.import_module("utils.helper_modules")
        scope.after_import("utils.helper_modules", seen.append)
        assert seen[-1] is module


def test_stand_ins_and_aliases_last_as_long_as_the_context(double):
    with isolated(double) as scope:
        scope.stand_in("absent_library", lambda module: setattr(module, "value", 7))
        scope.alias("utils.old_name", "utils.helper_modules")
        assert importlib.import_module("absent_library").value == 7
        new, old = (importlib.import_module(f"utils.{name}") for name in ("helper_modules", "old_name"))
        assert new is old
        assert new.__spec__.name == "utils.helper_modules"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("absent_library")


def test_stand_ins_are_the_same_in_the_next_context(double):
    """Modules of the checkout are kept between contexts, and what they imported with them."""
    seen = []
    for _ in range(2):
        with isolated(double) as scope:
            scope.stand_in("another_absent_library", lambda module: None)
            seen.append(importlib.import_module("another_absent_library"))
    assert seen[0] is seen[1]
    assert "another_absent_library" not in sys.modules


def test_a_line_is_said_once(double):
    lines = []
    with isolated(double, lines.append) as scope:
        for _ in range(3):
            scope.say("something")
    assert lines == ["something"]


def test_nothing_is_written_into_the_checkout_and_pytorch_stays_whole(checkout, tmp_path):
    """In a fresh process, in which nothing is kept; no __pycache__ appears either."""
    before = {path for path in checkout.root.rglob("*") if ".git" not in path.parts}
    code = f"""
        import importlib, torch
        from coral_plugin.multibench import multibench
        with multibench({str(checkout.root)!r}):
            for name in ("unimodals.common_models", "datasets.affect.get_data", "datasets.imdb.get_data"):
                importlib.import_module(name)
            with torch.device("meta"):
                assert torch.empty(1).is_meta
        with torch.device("meta"):  # PyTorch keeps sets of its functions
            assert torch.empty(1).is_meta
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert {path for path in checkout.root.rglob("*") if ".git" not in path.parts} == before
    assert list(tmp_path.iterdir()) == []


def train(encoders, lr=0.1, **rest):
    raise AssertionError("it is not called")


def test_arguments_are_bound_by_name_with_defaults():
    assert bound(train, ([1],), {"x": 2}).arguments == {"encoders": [1], "lr": 0.1, "rest": {"x": 2}}


@pytest.mark.parametrize(("args", "options"), [((), {}), ((1, 2, 3), {}), ((1,), {"encoders": 1})])
def test_wrong_arguments_get_the_words_of_a_call(args, options):
    with pytest.raises(TypeError, match=r"^train\(\) "):
        bound(train, args, options)
