"""Public names, and which of them no example shows: ``python tests/public_names.py`` prints both."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def public_names() -> dict[str, Path]:
    """``{name: package}`` of every name in an ``__all__``."""
    names: dict[str, Path] = {}
    for path in (ROOT / "coral_plugin").rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(x, ast.Name) and x.id == "__all__" for x in node.targets
            ):
                names |= dict.fromkeys(ast.literal_eval(node.value), path.parent)
    return names


def without_example() -> list[str]:
    """Public names that stand in no doctest, no example and no code block of the documents."""
    sources = [path for folder in ("coral_plugin", "adapters") for path in (ROOT / folder).rglob("*.py")]
    shown = [line for path in sources for line in path.read_text().splitlines() if re.match(r"\s*(>>>|\.\.\. )", line)]
    shown += [path.read_text() for path in (ROOT / "examples").rglob("*.py")]
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    shown += [block for path in documents for block in re.findall(r"```.*?```", path.read_text(), re.DOTALL)]
    text = "\n".join(shown)
    return sorted(name for name in public_names() if not re.search(rf"\b{re.escape(name)}\b", text))


if __name__ == "__main__":
    print(f"{len(public_names())} public names, without an example: {', '.join(without_example()) or 'none'}")
