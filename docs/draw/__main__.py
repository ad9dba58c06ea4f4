"""Schematics and generated parts of pages: ``python docs/draw`` writes them, ``--check`` only compares."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from blocks import filled
from methods import DRAWINGS

DOCS = Path(__file__).parents[1]


def files() -> dict[Path, str]:
    """Every file that is generated, or has generated parts, as it should be."""
    pictures = {DOCS / "pictures" / "methods" / f"{name}.svg": draw().svg() for name, draw in DRAWINGS.items()}
    pages = {
        page: filled(page.read_text(encoding="utf-8"), "../" * len(page.relative_to(DOCS).parts[1:]))
        for page in sorted(DOCS.rglob("*.md"))
    }
    return pictures | pages


def main() -> int:
    """Write what is not up to date, or with ``--check`` list it; the exit status."""
    parser = argparse.ArgumentParser(prog="python docs/draw", description=__doc__)
    parser.add_argument("--check", action="store_true", help="Write nothing; fail where something is not up to date")
    check = parser.parse_args().check
    old = {
        path: text for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in old.items():
        print(f"{path.relative_to(DOCS.parent)} {'is not up to date: run python docs/draw' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
