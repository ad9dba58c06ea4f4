"""The site is built strictly, as ``make docs`` does, and loads nothing from the network."""

import configparser
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .. import public_names

pytest.importorskip("mkdocs")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class _Loaded(HTMLParser):
    """Addresses that a browser loads when it opens the page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.addresses.append(given["href"])
        elif tag in ("script", "img", "iframe", "source", "video", "object") and ("src" in given or "data" in given):
            self.addresses.append(given.get("src") or given.get("data"))


def test_every_page_loads_only_files_of_the_site(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text())
        assert any(address.endswith(".css") for address in loaded.addresses)
        for address in loaded.addresses:
            if page.name == "404.html":  # served from the root of wherever the site stands
                assert not re.match(r"\w+:|//", address), address
            else:
                assert (page.parent / address.partition("?")[0]).is_file(), (page, address)


def test_style_sheets_load_nothing(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert not [sheet for sheet in sheets if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text())]


def test_the_reference_has_every_public_name(site):
    found = {
        name for page in (site / "reference").glob("*.html") for name in re.findall(r'id="([\w.]+)"', page.read_text())
    }
    packages = {name: ".".join(folder.relative_to(ROOT).parts) for name, folder in public_names.public_names().items()}
    assert not {name for name, package in packages.items() if f"{package}.{name}" not in found}


def test_the_reference_has_every_method_encoder_and_augmentation(site):
    text = "\n".join(page.read_text() for page in (site / "reference").glob("*.html"))
    groups = configparser.ConfigParser(delimiters="=")
    groups.optionxform = str
    groups.read(ROOT / "entry_points.txt")
    for kind in ("objectives", "encoders", "augmentations"):
        for name, target in groups[f"multibench.{kind}"].items():
            assert f'id="{target.replace(":", ".")}"' in text or name == "multibench", target
