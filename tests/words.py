"""Checks the words of docstrings and names: ``python tests/words.py FOLDER ...`` prints what is not plain English.

An entry under ``Args:`` or ``Attributes:`` is a noun phrase with a subject ("Run settings."), not "Of the run.".
"""

# ruff: noqa: SIM905

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# first words of an entry that leave its subject to be guessed
FRAGMENTS = frozenset(
    "as by called divides for from gets go holds how in is its least makes most not of on says takes tells that their "
    "to what where which whose with without".split()
)
# first words of a summary line that do the same
HALF_SENTENCES = frozenset("as at by for from of on to whose with".split())
# words of a private dialect, and their standard ones
DIALECT = {
    "said": "stated, reported, noted",
    "told": "reported, known",
    "wish": "request",
    "wishes": "requests",
    "thing": "its name",
    "things": "their name",
    "pile": "batch, column, samples",
    "piles": "batches, columns, samples",
    "carve": "split",
    "carved": "split",
    "settle": "decide",
    "settled": "decided",
    "what is there": "which modalities are present",
}
# names that say neither a type nor a role
NAMES = frozenset(
    "found each own where said told there wish who here lacking pile ask asked tell beside settle carve spread "
    "separate _one given made done still like likes".split()
)
_ENTRY = re.compile(r"^    (?! )(\*{0,2}[\w.]+(?: \([^)]*\))?): +(\S+)")
_DIALECT = re.compile(r"\b(" + "|".join(sorted(DIALECT, key=len, reverse=True)) + r")\b", re.IGNORECASE)


def faults(path: Path) -> Iterator[str]:
    """A line for each fault of a Python file: its place, the words, and what to write."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            line = getattr(node, "lineno", 1)
            for fault in _docstring_faults(ast.get_docstring(node) or ""):
                yield f"{path}:{line}: {fault}"
        for name in _bound_names(node):
            if name in NAMES:
                yield f"{path}:{node.lineno}: the name {name!r} says neither a type nor a role"  # type: ignore[attr-defined]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in _DIALECT.finditer(node.value):
                yield f"{path}:{node.lineno}: {match[0]!r}: write {DIALECT[match[0].lower()]}"
    for number, line_text in enumerate(text.splitlines(), start=1):
        code, sharp, comment = line_text.partition("# ")
        if sharp and not code.count('"') % 2 and (match := _DIALECT.search(comment)):
            yield f"{path}:{number}: {match[0]!r} in a comment: write {DIALECT[match[0].lower()]}"


def _docstring_faults(docstring: str) -> Iterator[str]:
    lines = docstring.splitlines()
    if lines and _first(lines[0]) in HALF_SENTENCES:
        yield f"half a sentence: {lines[0]!r}"
    section = ""
    for line in lines:
        if re.fullmatch(r"[A-Z]\w+:", line):
            section = line
        elif section in ("Args:", "Attributes:") and (match := _ENTRY.match(line)):
            if _first(match[2]) in FRAGMENTS:
                yield f"a fragment: {line.strip()!r}"
        elif line and not line.startswith(" "):
            section = ""


def _first(text: str) -> str:
    return text.split()[0].strip(".,;:").lower() if text.split() else ""


def _bound_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name


if __name__ == "__main__":
    places = map(Path, sys.argv[1:])
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    lines = [line for file in files for line in faults(file)]
    print(*lines, f"{len(lines)} faults in {len(files)} files", sep="\n")
    sys.exit(bool(lines))
