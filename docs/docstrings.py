"""Docstrings for the site: the roles, equations and examples that editors know, as the Markdown that MkDocs knows."""

import re
import textwrap
from typing import Any

from griffe import Extension, NameResolutionError, Object

_ROLE = re.compile(r":(?:meth|func|class|attr|mod|data):`(~?)([\w.]+)`")
_CITED = re.compile(r"\bspecification (?=\d)")
_EQUATION = re.compile(r"^\.\. math::[ \n]*((?:.+\n?)+)", re.MULTILINE)
_LITERAL = re.compile(r"^(.*)::\n\n((?:    .*\n?|\n)+)", re.MULTILINE)
_DOCTEST = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)


class Docstrings(Extension):
    """Rewrites every docstring once, when the source is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value, obj)


def markdown(text: str, obj: Object | None = None) -> str:
    r"""A docstring in Google's style with Sphinx's roles, as Griffe and Markdown read it.

    >>> markdown(":math:`x^2`, see :func:`~package.f`.\n\nExample:\n    >>> f(2)\n    4\n")
    '$x^2$, see `f`.\n\nExamples:\n    >>> f(2)\n    4\n'
    """

    def link(found: re.Match[str]) -> str:
        short = found[2].rpartition(".")[2] if found[1] else found[2]
        try:
            target = obj.resolve(found[2]) if obj else ""
        except NameResolutionError:
            target = found[2]
        code = f"<code>{short}</code>"
        return f'<autoref optional identifier="{target}">{code}</autoref>' if target else f"`{short}`"

    text = _ROLE.sub(link, _CITED.sub("docs/specification.md, ", text))  # hooks.py makes links of these
    text = re.sub(r":math:`([^`]+)`", r"$\1$", text)
    text = _EQUATION.sub(lambda found: f"$$\n{' '.join(found[1].split())}\n$$\n", text)
    text = _LITERAL.sub(lambda found: f"{found[1] and found[1] + ':'}\n\n{_fenced(textwrap.dedent(found[2]))}\n", text)
    # an example in the middle of the text; those of the section of that name are recognised by Griffe
    text = _DOCTEST.sub(lambda found: _fenced(found[0]), text)
    return re.sub(r"^Example:\n(?= )", "Examples:\n", text, flags=re.MULTILINE)


def _fenced(code: str) -> str:
    return f"```python\n{code.strip()}\n```\n"
