"""What MkDocs does not do itself for the site: equations as MathML, and links that leave ``docs/``."""

import html
import os
import re
from pathlib import Path
from typing import Any

from math_core import LatexError, LatexToMathML
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
_EQUATION = re.compile(r'(<(span|div) class="arithmatex">)\s*\\[(\[](.*?)\\[)\]]\s*(</\2>)', re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(((?:\.\./)+[^)\s#]*)(#[^)\s]*)?\)")


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Equations between dollar signs or in blocks of the language ``math`` become MathML, which browsers draw."""
    converter = LatexToMathML(fancy_error=False)

    def mathml(found: re.Match[str]) -> str:
        latex = html.unescape(found[3])
        try:
            return found[1] + converter.convert_with_local_state(latex, displaystyle=found[2] == "div") + found[4]
        except LatexError as error:
            raise PluginError(f"{page.file.src_uri}: {latex.strip()}: {error}") from error

    return _EQUATION.sub(mathml, content)


def on_files(files: Any, config: Any) -> Any:
    """Pictures of the repository outside ``docs/`` that pages show become part of the site."""
    for page in list(files.documentation_pages()):
        for found in _LINK.finditer(page.content_string):
            place = _outside(page.src_uri, found[3])
            if found[1] and place and place not in files.src_uris:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / place)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links to files outside ``docs/`` go to the repository's address, or are plain text where it is not configured."""

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
        return f"[{found[2]}]({config.repo_url.rstrip('/')}/blob/main/{place}{found[4] or ''})"

    return _LINK.sub(rewrite, markdown)


def _outside(page: str, target: str) -> str | None:
    """Path from the root of the repository, if a link of a page in ``docs/`` leaves that folder."""
    place = os.path.normpath(Path("docs", page).parent / target)
    return None if Path(place).parts[0] == "docs" else place
