"""``coral list``: the registered names, with a line of description for each."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from coral_plugin.cli.details import DETAILS, list_presets
from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import InputError
from coral_plugin.registry import (
    AUGMENTATIONS,
    DATASETS,
    ENCODERS,
    OBJECTIVES,
    OURS,
    Entry,
    Registry,
    first_line,
    suggest,
)

REGISTRIES = {"objectives": OBJECTIVES, "datasets": DATASETS, "encoders": ENCODERS, "augmentations": AUGMENTATIONS}
_NAME_WIDTH = 20
_LEAST_WIDTH, _MOST_WIDTH = 60, 98  # columns of a line; all groups together are indented by two


def main(argv: list[str]) -> int:
    """Run ``coral list``; returns the exit status."""
    parser = CommandParser(
        prog="coral list",
        usage="coral list [WHAT [NAME]] [FLAGS]",
        description="List what can be selected by name, with a line of description for each; the options of one NAME.",
        examples=("coral list datasets", "coral list encoders gru", "coral list presets coral"),
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help=f"{', '.join(REGISTRIES)}, or presets of a method")
    parser.add_argument("name", nargs="?", metavar="NAME", help="One of them: its options, their defaults and meaning")
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="Also print object, distribution, presets of objectives, and the source of data",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON")
    arguments = parser.parse_args(argv)
    what = arguments.what
    if what is not None and what not in DETAILS:
        raise suggest(what, list(DETAILS), "list")
    if what == "presets" and arguments.name is None:
        raise InputError(f"coral list presets needs a method: {', '.join(OBJECTIVES.names())}.")
    if arguments.name is not None:
        print("\n".join(DETAILS[what](arguments.name)))
        return 0
    chosen = {title: registry for title, registry in REGISTRIES.items() if what in (None, title)}
    if arguments.json:
        print(json.dumps({title: list(records(registry)) for title, registry in chosen.items()}, indent=2))
        return 0
    if what is None and not arguments.verbose:
        print("\n".join(overview()))
        return 0
    for title, registry in chosen.items():
        if what is None:
            print(f"{title}:")
        for line in lines(registry, verbose=arguments.verbose):
            print(textwrap.indent(line, "  " if what is None else ""))
    return 0


def overview() -> Iterator[str]:
    """The names of each group; those of other distributions, and broken ones, on lines of their own."""
    for title, registry in REGISTRIES.items():
        sound = [record["distribution"] == OURS and not record["fault"] for record in records(registry)]
        ours = ", ".join(record["name"] for record, whole in zip(records(registry), sound, strict=True) if whole)
        yield f"{title} (coral list {title} describes them):"
        yield textwrap.fill(ours, _MOST_WIDTH, initial_indent="  ", subsequent_indent="  ")
        others = (line for line, whole in zip(lines(registry), sound, strict=True) if not whole)
        yield from (textwrap.indent(line, "  ") for line in others)


def records(registry: Registry) -> Iterator[dict[str, Any]]:
    """Yield ``name``, ``description``, ``target``, ``distribution`` and ``fault`` for each name and distribution.

    A name that other distributions have registered and that is broken has one record; its ``fault`` says why. Their
    plugins are imported to find out. Ours are not, which would take seconds: ``coral doctor`` does that.
    """
    entries = registry.entries()
    shadowed = {entry: fault for entry in entries if (fault := registry.shadowed(entry))}
    imported = {entry.name for entry in entries if entry.distribution != OURS and entry not in shadowed}
    for name, claims in groupby(entries, key=lambda entry: entry.name):
        broken = registry.fault(name) if name in imported else None
        for entry in claims:
            fault = broken or shadowed.get(entry)
            yield {
                "name": name,
                "description": "" if fault else describe(registry, entry),
                "target": entry.target,
                "distribution": entry.distribution,
                "fault": fault,
            }
            if broken:
                break


def describe(registry: Registry, entry: Entry) -> str:
    """First line of the docstring of a registered object, else of its module; ours are read without an import."""
    if entry.distribution == OURS:
        text = _source_docstring(*entry.target.split(":"))
    else:
        registered = registry.get(entry.name)
        module = sys.modules.get(getattr(registered, "__module__", ""))
        text = getattr(registered, "__doc__", None) or getattr(module, "__doc__", None)
    return first_line(text)


def _source_docstring(module: str, name: str) -> str | None:
    top, room, *parts = module.split(".")
    spec = find_spec(f"{top}.{room}")  # imports coral_plugin alone, which loads nothing
    folder = Path(((spec and spec.submodule_search_locations) or [""])[0])
    tree = ast.parse(folder.joinpath(*parts).with_suffix(".py").read_bytes())
    defined = (node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name)
    return next(filter(None, map(ast.get_docstring, defined)), None) or ast.get_docstring(tree)


def lines(registry: Registry, *, verbose: bool = False) -> Iterator[str]:
    """A text for each of :func:`records`, in lines that fit a terminal; ``verbose`` adds origin and presets."""
    width = min(max(_LEAST_WIDTH, shutil.get_terminal_size((_MOST_WIDTH + 2, 0)).columns - 2), _MOST_WIDTH)
    for record in records(registry):
        if record["fault"]:
            yield f"{record['name']:<{_NAME_WIDTH}} BROKEN: {record['fault']}"
            continue
        origin = "" if record["distribution"] == OURS else f"  ({record['distribution']})"
        name, text = f"{record['name']:<{_NAME_WIDTH}} ", f"{record['description'] or record['target']}{origin}"
        yield textwrap.fill(text, width, initial_indent=name, subsequent_indent=" " * len(name), break_on_hyphens=False)
        if verbose:
            yield f"{'':<{_NAME_WIDTH}} = {record['target']}  ({record['distribution']})"
            if registry is OBJECTIVES:
                yield f"{'':<{_NAME_WIDTH}} presets: {list_presets(registry.get(record['name']).presets)}"
            if registry is DATASETS:
                dataset = registry.get(record["name"])
                yield f"{'':<{_NAME_WIDTH}} from {dataset.source}; licence: {dataset.licence}"
