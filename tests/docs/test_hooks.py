"""What the site adds to MkDocs: equations, citations and links that leave ``docs/``, and docstrings as Markdown."""

import doctest
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parents[2] / "docs"


def _module(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks, docstrings = _module("hooks"), _module("docstrings")


def _files(**pages):
    site = SimpleNamespace(
        site_dir="site", use_directory_urls=False, docs_dir=str(DOCS), plugins=SimpleNamespace(_current_plugin="hooks")
    )
    found = [File.generated(site, f"{name.replace('__', '/')}.md", content=text) for name, text in pages.items()]
    return site, Files(found), [SimpleNamespace(file=file) for file in found]


def test_equations_are_mathml():
    _, files, (page,) = _files(a="")
    inline = hooks.on_page_content('<p><span class="arithmatex">\\(x &lt; 2\\)</span></p>', page=page, files=files)
    assert inline == '<p><span class="arithmatex"><math><mi>x</mi><mo>&lt;</mo><mn>2</mn></math></span></p>'
    block = hooks.on_page_content('<div class="arithmatex">\\[\nx\n\\]</div>', page=page, files=files)
    assert block == '<div class="arithmatex"><math display="block"><mi>x</mi></math></div>'
    with pytest.raises(PluginError, match=r"^a\.md: \\foo: .*Unknown command"):
        hooks.on_page_content('<span class="arithmatex">\\(\\foo\\)</span>', page=page, files=files)


def test_what_a_docstring_cites_is_a_link():
    _, files, (page, _) = _files(reference__it="", plan="# The plan\n\n### 1.7 First steps\n")
    cited = hooks.on_page_content("(docs/plan.md, 1.7) docs/plan.md.", page=page, files=files)
    link = '(<a href="../plan.html#17-first-steps">The plan 1.7</a>) <a href="../plan.html">“The plan”</a>.'
    assert cited == link
    with pytest.raises(PluginError, match=r"reference/it\.md: .* docs/none\.md"):
        hooks.on_page_content("docs/none.md", page=page, files=files)
    assert hooks.on_page_content(
        "docs/none.md", page=SimpleNamespace(file=files.get_file_from_path("plan.md")), files=files
    )


@pytest.mark.parametrize(
    ("repository", "link"),
    [("https://example.org/it/", "[the [text]](https://example.org/it/blob/HEAD/LICENSE#a)"), (None, "the [text]")],
)
def test_links_that_leave_the_folder_go_to_the_repository(repository, link):
    site, _, (page,) = _files(guides__a="")
    site.repo_url = repository
    text = "[the [text]](../../LICENSE#a) [stays](../data.md) ![picture](../../docs/demo.png)"
    written = hooks.on_page_markdown(text, page=page, config=site)
    assert written == f"{link} [stays](../data.md) ![picture](../../docs/demo.png)"
    with pytest.raises(PluginError, match=r"guides/a\.md: there is no nothing\.txt"):
        hooks.on_page_markdown("[x](../../nothing.txt)", page=page, config=site)


def test_pictures_outside_the_folder_become_part_of_the_site():
    picture = "results/small/trifeature/pictures/trifeature-balanced-accuracy.png"
    site, files, (page,) = _files(guides__a=f"![Scores](../../{picture})")
    assert hooks.on_files(files, site).get_file_from_path(picture).abs_src_path == str(DOCS.parent / picture)
    written = hooks.on_page_markdown(page.file.content_string, page=page, config=site)
    assert written == f"![Scores](../{picture})"


def test_docstrings_are_markdown():
    assert doctest.testmod(docstrings).failed == 0
    text = "Mean:\n\n.. math:: \\frac{1}{2}\n    (a + b)\n\nof both.\n\n>>> f(1)\n1\n\nArgs:\n    a: One."
    equation = "$$\n\\frac{1}{2} (a + b)\n$$"
    assert (
        docstrings.markdown(text)
        == f"Mean:\n\n{equation}\n\nof both.\n\n```python\n>>> f(1)\n1\n```\n\nArgs:\n    a: One."
    )


@pytest.mark.parametrize(("line", "written"), [("So::", "So:\n\n"), ("::", "\n\n"), ("Example::", "Example:\n\n")])
def test_code_behind_two_colons_is_a_block(line, written):
    text = f"First.\n\n{line}\n\n    with it:\n        f()\n\n    g()\n\nArgs:\n    a: One."
    code = "```python\nwith it:\n    f()\n\ng()\n```"
    assert docstrings.markdown(text) == f"First.\n\n{written}{code}\n\nArgs:\n    a: One."
