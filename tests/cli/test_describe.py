"""Descriptions against what an import would say, without an import."""

import re
import subprocess
import sys

import pytest

from coral_plugin.cli.describe import describe
from coral_plugin.registry import OBJECTIVES
from coral_plugin.testing.subject import Subject

SOURCES = {
    "strange_pack/__init__.py": "from .inner import Thing as Renamed, other\nfrom strange_pack import circle\n",
    "strange_pack/inner.py": '"""The module."""\nclass Thing:\n    """A ``thing``.\n\n    More."""\ndef other(): ...\n',
    "strange_pack/circle.py": "from .circle import thing\n",
    "strange_plain.py": 'def load():\n    """Reads it."""\nmade = load\n',
    "strange_words.py": '"""Module (METHODS 1.6): see :func:`~a.b`."""\nmade = print\nclass Bare: ...\n',
    "strange_broken.py": "def (:\n",
    "strange_fails.py": '"""Says what it is."""\nraise SystemExit\ndef load(): ...\n',
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("strange_pack.inner:Thing", "A thing"),
        ("strange_pack:Renamed", "A thing"),
        ("strange_pack:other", "The module"),
        ("strange_pack.circle:thing", ""),
        ("strange_plain:load", "Reads it"),
        ("strange_plain:made", ""),
        ("strange_words:made", "Module: see a.b"),
        ("strange_words:Bare", "Module: see a.b"),
        ("strange_words:nothing", "Module: see a.b"),
        ("strange_broken:load", ""),
        ("strange_fails:load", "Says what it is"),
        ("strange_none:load", ""),
        ("math:sqrt", ""),
        ("<a function of this process>", ""),
    ],
)
def test_first_line_of_the_docstring(sources, target, expected):
    assert describe(target) == expected
    assert not [name for name in sys.modules if name.startswith("strange_")]


def test_a_listing_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from coral_plugin.cli.main import main; main(['list']);"
        "sys.exit(', '.join({'torch', 'numpy', 'lightning_fabric'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "entry", [e for e in OBJECTIVES.entries() if e.distribution == "coral-multibench"], ids=lambda e: e.name
)
def test_an_objective_says_how_many_modalities_it_takes_and_takes_them(entry):
    (least,) = re.findall(r"\bn >= (\d)", describe(entry.target))
    taken = [len(modalities) for modalities in Subject.of(entry.name, modalities=(1, 2, 3, 4)).claimed]
    assert taken == list(range(int(least), 5))
