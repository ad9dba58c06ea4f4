"""One hash of the code that a run depends on."""

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
    roots = [RUN, OBJECTIVES.get(objective).__module__, DATASETS.get(dataset).__module__]
    packages = {name.partition(".")[0] for name in roots}
    encoders = [entry.target.partition(":")[0] for entry in ENCODERS.entries()]
    roots += [name for name in encoders if name.partition(".")[0] in packages]
    return source_hash([*roots, FINETUNE] if finetuned else roots)


def source_hash(roots: Iterable[str]) -> str:
    """sha256 (hex) over the files of ``roots`` and of what they import, within the top-level packages of ``roots``.

    What Python runs counts: an edit of a comment, of a docstring or of the layout leaves the hash as it is, and so does
    the folder that the modules are installed in.
    """
    remaining = list(roots)
    packages = {name.partition(".")[0] for name in remaining}
    hashes: dict[str, str] = {}
    while remaining:
        name = remaining.pop()
        path = None if name in hashes else _source(name)
        if path is None:
            continue
        remaining += [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        hashes[name], modules = _parsed(path.read_bytes(), package)
        remaining += [module for module in modules if module.partition(".")[0] in packages]
    lines = "\n".join(f"{name} {hashes[name]}" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def _parsed(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """Hash of what Python runs, and what is imported; a grid asks for the same files with every run."""
    tree = ast.parse(source)
    modules = tuple(dict.fromkeys(_imports(tree, package)))
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest(), modules


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :]
    return tree


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Modules that a source of ``package`` may import: of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _source(name: str) -> Path | None:
    """File of a module; None for a name that is no module, or has no source."""
    if (loaded := sys.modules.get(name)) is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # a class or a function, whose "package" is a module
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None
