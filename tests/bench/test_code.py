"""The hash of the code follows imports, and nothing else."""

import sys

import pytest

from coral_plugin.bench import code
from coral_plugin.bench.code import run_code, source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    """``codetree``: main imports a (and, inside a function, b); unused is beside them."""
    folder = tmp_path / "codetree"
    (folder / "sub").mkdir(parents=True)
    for name, text in {
        "__init__": "", "main": "from codetree import a\nimport json\n", "unused": "x = 1\n", "deep": "y = 1\n",
        "a": "def f():\n    from .sub.b import c\n    return c\n",
    }.items():  # fmt: skip
        (folder / f"{name}.py").write_text(text)
    (folder / "sub" / "__init__.py").write_text("")
    (folder / "sub" / "b.py").write_text("from .. import deep\nc = deep.y\n")
    monkeypatch.syspath_prepend(tmp_path)
    code._source.cache_clear()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "codetree"]:
        del sys.modules[name]
    code._source.cache_clear()


def test_an_edit_of_what_is_imported_changes_the_hash(package):
    before = source_hash(["codetree.main"])
    for name in ("main.py", "a.py", "sub/b.py", "deep.py", "sub/__init__.py", "__init__.py"):
        path = package / name
        old = path.read_text()
        path.write_text(old + "edited = 1\n")
        assert source_hash(["codetree.main"]) != before, name
        path.write_text(old)
    assert source_hash(["codetree.main"]) == before


def test_the_folder_of_the_installation_leaves_it(package, tmp_path, monkeypatch):
    before = source_hash(["codetree.main"])
    package.rename((tmp_path / "elsewhere").mkdir() or tmp_path / "elsewhere" / "codetree")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    for name in [name for name in sys.modules if name.partition(".")[0] == "codetree"]:
        del sys.modules[name]
    code._source.cache_clear()
    assert source_hash(["codetree.main"]) == before
    (tmp_path / "elsewhere" / "codetree" / "deep.py").write_text("y = 2\n")
    assert source_hash(["codetree.main"]) != before


def test_an_edit_of_words_leaves_it(package):
    path = package / "a.py"
    before = source_hash(["codetree.main"])
    path.write_text(
        '"""What a is."""\n\n\ndef f():\n    "What f is."\n    from .sub.b import c  # why\n\n    return c\n'
    )
    assert source_hash(["codetree.main"]) == before
    path.write_text("def f():\n    from .sub.b import c\n    return 'c'\n")
    assert source_hash(["codetree.main"]) != before


def test_an_edit_of_what_is_not_imported_leaves_it(package):
    before = source_hash(["codetree.main"])
    (package / "unused.py").write_text("x = 2\n")
    assert source_hash(["codetree.main"]) == before


def test_a_file_is_parsed_once_for_all_runs_of_a_grid(package, monkeypatch):
    before = source_hash(["codetree.main"])
    monkeypatch.setattr(code.ast, "parse", lambda source: pytest.fail(f"parsed again: {source}"))
    assert source_hash(["codetree.main"]) == source_hash(["codetree.main", "codetree.a"]) == before


def test_a_run_depends_on_its_own_objective_and_data_only():
    hashes = {(o, d): run_code(o, d) for o in ("coral", "clip") for d in ("digits", "trifeature")}
    assert len(set(hashes.values())) == 4
    assert run_code("coral", "digits") == hashes["coral", "digits"]
