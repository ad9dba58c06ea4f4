"""The house of docs/design.md: imports run downward, the package stays light, every name resolves."""

import ast
import graphlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES

from . import public_names, words

ROOT = Path(__file__).parents[1]


def test_imports_only_run_downward():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_floors_in_the_design_are_what_the_import_contracts_enforce():
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [re.findall(r"coral_plugin\.(\w+)", layer) for layer in layers]
    written = []
    for floor, room in re.findall(r"^\|([^|]*)\| `(\w+)` \|", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE):
        written += [[]] if floor.strip() else []
        written[-1].append(room)
    assert [sorted(floor) for floor in written] == [sorted(floor) for floor in floors]
    rooms = {
        path.stem
        for path in (ROOT / "coral_plugin").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {room for floor in floors for room in floor} == rooms - {"__init__", "__main__"}


def test_no_module_imports_itself_through_others():
    """The adapters included, and imports for type checkers and inside functions, too."""
    modules = {}
    for folder, package in (("coral_plugin", "coral_plugin"), ("adapters", "coral_plugin.adapters")):
        for path in (ROOT / folder).rglob("*.py"):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            modules[".".join(parts).removesuffix(".__init__")] = path
    graph = {name: set(_imported(name, path, modules)) - {name} for name, path in modules.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def _imported(name, path, modules):
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield from ([whole] if whole in modules else [base] if base in modules else [])


def test_docstrings_and_names_are_plain_english():
    faults = [
        fault
        for folder in ("coral_plugin", "adapters")
        for path in (ROOT / folder).rglob("*.py")
        for fault in words.faults(path)
    ]
    assert not faults, "\n".join(faults)


def test_files_can_be_read_in_one_sitting():
    paths = [path for folder in ("coral_plugin", "adapters") for path in (ROOT / folder).rglob("*.py")]
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert not {path: lines for path, lines in long.items() if lines > 300}


def test_a_public_name_has_one_meaning():
    """No class, function or constant of two modules shares its name; every command has a ``main``."""
    homes = {}
    for folder in ("coral_plugin", "adapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign | ast.AnnAssign):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    names = [target.id for target in targets if isinstance(target, ast.Name)]
                else:
                    names = [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
                for name in names:
                    homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    shared = {name: places for name, places in homes.items() if len(places) > 1 and not name.startswith("_")}
    assert set(shared) <= {"main"}, shared


def test_every_public_name_has_an_example():
    assert public_names.without_example() == []


def test_the_package_never_imports_the_adapters():
    """It finds them by name, as it would a stranger's."""
    for path in (ROOT / "coral_plugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            assert not any("adapters" in name for name in names), path


@pytest.mark.parametrize("module", ["coral_plugin", "coral_plugin.registry", "coral_plugin.objectives.coral"])
def test_import_is_light_and_silent(module):
    """Neither Lightning, scikit-learn nor matplotlib is loaded, and no warning is given."""
    heavy = ["pytorch_lightning", "sklearn", "matplotlib", "torchmetrics", "umap"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_every_registered_name_loads():
    for registry in (OBJECTIVES, DATASETS, ENCODERS):
        for name in registry.names():
            assert callable(registry.get(name))
    assert all(hasattr(DATASETS.get(name), "Settings") for name in DATASETS.names())


def test_every_package_folder_is_installed():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in ROOT.glob("coral_plugin/**/__init__.py")}
    found |= {
        ".".join(("coral_plugin", *p.parent.relative_to(ROOT).parts)) for p in ROOT.glob("adapters/**/__init__.py")
    }
    assert found == listed


def test_the_lowest_versions_are_those_that_are_declared():
    """What ``make test-lowest`` installs is the minimum of every dependency but torch."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {}
    for text in (
        *project["dependencies"],
        *extras["test"],
        *extras["docs"],
        *extras["tensorboard"],
        *extras["multibench"],
    ):
        wanted = Requirement(text)
        (declared[wanted.name],) = (Version(each.version) for each in wanted.specifier if each.operator == ">=")
    lines = [line for line in (ROOT / "constraints-lowest.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {name: Version(version) for name, _, version in (line.partition("==") for line in lines)}
    assert {**pinned, "torch": declared["torch"]} == declared
