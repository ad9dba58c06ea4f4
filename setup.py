"""The description of the package is README with links that work outside the repository; pyproject.toml has the rest."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

# code, which stays as it is, or a link or picture with a relative target; the words of a link may hold a picture
_PARTS = re.compile(
    r"^```.*?^```|`[^`\n]+`|(!?)\[((?:[^\[\]]|\[[^\[\]]*\]\([^()]*\))*)\]\((?![a-z]+:|#)([^()\s]+)\)",
    re.MULTILINE | re.DOTALL,
)


def described(text: str, repository: str | None) -> str:
    """Markdown without relative links: they lead into ``repository``, or become plain text where it has no address.

    >>> described("![Scores](a.png) and [the `guide`](docs/a.md#b)", "https://example.org/it")
    '![Scores](https://example.org/it/raw/HEAD/a.png) and [the `guide`](https://example.org/it/blob/HEAD/docs/a.md#b)'
    >>> described("![Scores](a.png)[The guide](docs/a.md), `[x](y)`, [far](https://example.org)", None)
    'The guide, `[x](y)`, [far](https://example.org)'
    """

    def linked(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if target is None:
            return found[0]
        words = _PARTS.sub(linked, words)
        if repository is None:
            return "" if picture else words
        return f"{picture}[{words}]({repository.rstrip('/')}/{'raw' if picture else 'blob'}/HEAD/{target})"

    return _PARTS.sub(linked, text)


if __name__ == "__main__":
    root = Path(__file__).parent
    urls = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]
    setup(
        long_description=described((root / "README.md").read_text(encoding="utf-8"), urls.get("Repository")),
        long_description_content_type="text/markdown",
    )
