"""What MkDocs does not do itself for the site: notebooks, equations as MathML, and links that leave ``docs/``."""

import html
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify
from math_core import LatexError, LatexToMathML
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
_EQUATION = re.compile(r'(<(span|div) class="arithmatex">)\s*\\[(\[](.*?)\\[)\]]\s*(</\2>)', re.DOTALL)
_CITED = re.compile(r"\bdocs/([\w/-]+\.md)(?:, (\d+(?:\.\d+)*))?")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\](?:\([^)]*\))?)*)\]\(((?:\.\./)+[^)\s#]*)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """The address of the repository stands in ``pyproject.toml`` alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config.repo_url = project.get("urls", {}).get("Repository")
    return config


def on_page_content(content: str, page: Any, files: Any, **_: Any) -> str:
    """Equations become MathML, which browsers draw, and what docstrings cite of ``docs/`` becomes a link."""
    converter = LatexToMathML(fancy_error=False)

    def mathml(found: re.Match[str]) -> str:
        latex = html.unescape(found[3])
        try:
            return found[1] + converter.convert_with_local_state(latex, displaystyle=found[2] == "div") + found[4]
        except LatexError as error:
            raise PluginError(f"{page.file.src_uri}: {latex.strip()}: {error}") from error

    def link(found: re.Match[str]) -> str:
        target = files.get_file_from_path(found[1])
        if target is None:
            raise PluginError(f"{page.file.src_uri}: a docstring cites {found[0]}, which does not exist")
        title = re.search(r"^# (.*)", target.content_string, re.MULTILINE)
        address, text = target.url_relative_to(page.file), title[1] if title else found[1]
        if not found[2]:
            return f'<a href="{address}">“{text}”</a>'
        headings = re.findall(r"^#+ (.*)", target.content_string, re.MULTILINE)
        (heading,) = (each for each in headings if re.match(rf"{re.escape(found[2])}\.? ", each))
        return f'<a href="{address}#{slugify(heading, "-")}">{text} {found[2]}</a>'

    content = _EQUATION.sub(mathml, content)
    return _CITED.sub(link, content) if page.file.src_uri.startswith("reference/") else content


def on_files(files: Any, config: Any) -> Any:
    """Notebooks become pages, and pictures of the repository outside ``docs/`` that pages show part of the site."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        for made in _pages(notebook, config):
            files.append(made)
    for page in list(files.documentation_pages()):
        for found in _LINK.finditer(page.content_string):
            place = _outside(page.src_uri, found[3])
            if found[1] and place and place not in files.src_uris:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / place)))
    return files


def _pages(notebook: File, config: Any) -> Iterator[File]:
    """The page of a notebook with its stored outputs, and the pictures among them."""
    path = Path(str(notebook.abs_src_path))
    stem, folder = path.stem, Path(notebook.src_uri).parent.as_posix()
    text, resources = MarkdownExporter().from_filename(
        str(path), resources={"unique_key": stem, "output_files_dir": f"{stem}_files"}
    )
    title, _, rest = text.strip().partition("\n")
    text = f"{title}\n\n[This page as a notebook]({path.name})\n{rest}\n"
    yield File.generated(config, f"{folder}/{stem}.md", content=text)
    for name, content in resources["outputs"].items():
        yield File.generated(config, f"{folder}/{name}", content=content)


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links to files outside ``docs/`` go to the repository, or are plain text where it has no public address."""

    def rewrite(found: re.Match[str]) -> str:
        place = _outside(page.file.src_uri, found[3])
        if place is None:
            return found[0]
        if not (ROOT / place).exists():
            raise PluginError(f"{page.file.src_uri}: there is no {place} in the repository")
        if found[1]:
            return f"![{found[2]}]({os.path.relpath(place, Path(page.file.src_uri).parent)})"
        if not config.repo_url:
            return found[2]
        return f"[{found[2]}]({config.repo_url.rstrip('/')}/blob/HEAD/{place}{found[4] or ''})"

    return _LINK.sub(rewrite, markdown)


def _outside(page: str, target: str) -> str | None:
    """Path from the root of the repository, if a link of a page in ``docs/`` leaves that folder."""
    place = os.path.normpath(Path("docs", page).parent / target)
    return None if Path(place).parts[0] == "docs" else place
