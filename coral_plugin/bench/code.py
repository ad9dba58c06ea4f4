"""Which code a run depends on, as one hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES

RUN, FINETUNE = "coral_plugin.runs.run", "coral_plugin.runs.finetune"


def run_code(objective: str, dataset: str, finetuned: bool = False) -> str:
    """Hash of the source of everything that a run of these names, perhaps fine-tuned, imports from its own packages.

    The package's run, the objective, the data set and every encoder are followed through their imports, those inside
    functions included. So a new objective, a picture or a flag leaves finished runs alone, and an edit of a loss that
    a run uses does not. Other distributions (torch, scikit-learn) are not followed: ``environment.json`` names them.
    """
    own = [OBJECTIVES.get(objective).__module__, DATASETS.get(dataset).__module__]
    tops = {name.partition(".")[0] for name in (RUN, *own)}
    encoders = [entry.target.partition(":")[0] for entry in ENCODERS.entries()]
    return source_hash(
        [RUN, *([FINETUNE] if finetuned else []), *own, *(name for name in encoders if name.partition(".")[0] in tops)]
    )


def source_hash(roots: Iterable[str]) -> str:
    """sha256 (hex) over ``roots`` and what they import, within the top-level packages of ``roots``.

    What Python runs is hashed: an edit of a comment, of a docstring or of the layout leaves it as it is.
    """
    roots = list(roots)
    tops = frozenset(name.partition(".")[0] for name in roots)
    seen: dict[str, str] = {}
    todo = roots
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        path = _source(name)
        if path is None:
            continue
        tree = ast.parse(path.read_bytes())
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        todo += parents + [found for found in _imports(tree, package) if found.partition(".")[0] in tops]
        seen[name] = ast.dump(_without_docstrings(tree))
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name} {len(seen[name])}\n{seen[name]}".encode())
    return digest.hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return tree


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Modules that a source of ``package`` may import: of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _source(name: str) -> Path | None:
    """File of a module; None for what is no module of its own, or has no source."""
    if (loaded := sys.modules.get(name)) is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # a class or a function, whose "package" is a module
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None
