"""What the distributions say: links that lead somewhere, extras that exist, one version. ``make dist`` builds them."""

import doctest
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
TARGET = re.compile(r"\]\(([^()\s]+)\)|\b(?:src|href)=[\"']([^\"']+)|^\[[^\]]+\]: (\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def setup():
    spec = importlib.util.spec_from_file_location("coral_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def targets(text):
    """Targets of Markdown's links, of HTML's, and of reference definitions, outside code."""
    text = re.sub(r"^```.*?^```|(?<!\[)`[^`\n]+`(?!\])", "", text, flags=re.MULTILINE | re.DOTALL)
    return ["".join(found) for found in TARGET.findall(text)]


def absolute(target):
    return re.match(r"https://|#", target) is not None


@pytest.mark.parametrize("repository", [None, "https://example.org/it/", "https://example.org/it"])
def test_the_description_of_the_package_has_no_relative_link(setup, repository):
    text = setup.described(README, repository)
    assert [target for target in targets(text) if not absolute(target)] == []
    kept = [target for target in targets(README) if absolute(target)]
    added = [target for target in targets(README) if not absolute(target)] if repository else []
    assert len(targets(text)) == len(kept) + len(added)
    for target in added:
        assert re.search(rf"\(https://example\.org/it/(raw|blob)/HEAD/{re.escape(target)}\)", text)


def test_links_are_found_wherever_they_stand(setup):
    assert doctest.testmod(setup).failed == 0
    text = setup.described(
        "[![a](b.png)](c.md) [![a](https://d.org/b.png)](c.md)\n\n```\n[x](y)\n```\n", "https://e.org"
    )
    assert text.startswith("[![a](https://e.org/raw/HEAD/b.png)](https://e.org/blob/HEAD/c.md) ")
    assert "[![a](https://d.org/b.png)](https://e.org/blob/HEAD/c.md)\n\n```\n[x](y)\n" in text
    assert targets(text.replace("https://d.org/", "")) == [
        "https://e.org/raw/HEAD/b.png", "https://e.org/blob/HEAD/c.md", "b.png", "https://e.org/blob/HEAD/c.md",
    ]  # fmt: skip


def test_relative_links_of_readme_lead_to_files():
    paths = [target.partition("#")[0] for target in targets(README) if not absolute(target)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_extra_that_is_named_exists():
    files = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("coral_plugin/**/*.py"),
        *ROOT.glob("adapters/**/*.py"),
    ]
    named = {
        extra.strip()
        for path in files
        for extras in re.findall(r"coral-multibench\[([a-z, ]+)\]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert {"multibench", "onnx", "stream"} <= named <= set(PROJECT["optional-dependencies"])


def test_the_citation_has_the_version_and_the_address_of_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    address = PROJECT["urls"].get("Repository")
    assert citation.get("repository-code") == address
    assert ("REPOSITORY" in README) == (address is None), "README has a word in place of the address until there is one"
    assert citation["license"] == PROJECT["license"]


def test_the_lowest_python_that_is_named_is_the_one_that_is_required():
    named = [re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", line) for line in PROJECT["classifiers"]]
    minors = sorted(int(found[1]) for found in named if found)
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))
