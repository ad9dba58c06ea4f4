"""What a registered name is, in one line, read from its source without importing it."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

_MOST_STEPS = 8  # of re-exports; a circle of them has no end
# markup, and sections of a paper of ours that a terminal cannot show: (METHODS 1.6)
_MARKUP = re.compile(r":\w+:`~?|`| \((?:in )?METHODS [\d., ]+\)")


def describe(target: str) -> str:
    """First line of the docstring behind ``module:attribute``; empty where there is none, or no source.

    A class or function without a docstring has that of its module. Names that a module has imported from another are
    followed there.

    >>> describe("coral_plugin.errors:InputError") != ""
    True
    >>> describe("a module that nobody has:thing")
    ''
    """
    module, _, attribute = target.partition(":")
    for _ in range(_MOST_STEPS):
        tree = _tree(module)
        if tree is None:
            return ""
        node = _defined(tree, attribute)
        if not isinstance(node, ast.ImportFrom):
            docstring = ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
            return _first_line(docstring or ast.get_docstring(tree))
        module, attribute = _imported(node, module, attribute)
    return ""


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return _MARKUP.sub("", lines[0]).rstrip(".") if lines else ""


def _defined(tree: ast.Module, name: str) -> ast.stmt | None:
    """What gives a module's ``name`` its value, as far as one statement says."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
            return node
    return None


def _imported(node: ast.ImportFrom, module: str, name: str) -> tuple[str, str]:
    """Module and attribute that ``from ... import name`` in ``module`` stands for."""
    attribute = next(each.name for each in node.names if (each.asname or each.name) == name)
    parts = module.split(".")
    if node.level:
        # a package's own name is its first level
        up = node.level - 1 if _is_package(module) else node.level
        parts = parts[: len(parts) - up]
        return ".".join([*parts, *([node.module] if node.module else [])]), attribute
    return node.module or "", attribute


def _is_package(module: str) -> bool:
    path = _source(module)
    return path is not None and path.name == "__init__.py"


@cache
def _tree(module: str) -> ast.Module | None:
    path = _source(module)
    try:
        return ast.parse(path.read_bytes()) if path is not None else None
    except (OSError, SyntaxError, ValueError):  # a stranger's file; whoever imports it is told why
        return None


@cache
def _source(module: str) -> Path | None:
    """File of a module, found as the import finds it, but without importing the packages around it."""
    path, origin, name = None, None, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
        spec = next((found for finder in finders if (found := finder.find_spec(name, path))), None)
        if spec is None:
            return None
        path, origin = spec.submodule_search_locations, spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None
