"""``coral list``: the registered names, and what they are."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from coral_plugin.cli.describe import describe
from coral_plugin.cli.flags import CommandParser
from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, Registry, suggest

OURS = "coral-multibench"

REGISTRIES = {"objectives": OBJECTIVES, "datasets": DATASETS, "encoders": ENCODERS, "augmentations": AUGMENTATIONS}
_NAME = 20
_LEAST = 60  # columns of a terminal; a narrower one wraps


def main(argv: list[str]) -> int:
    """Run ``coral list``; returns the exit status."""
    parser = CommandParser(prog="coral list", description="List what can be selected by name, and what it is.")
    parser.add_argument("what", nargs="?", metavar="|".join(REGISTRIES), help="all by default")
    parser.add_argument("--verbose", action="store_true", help="with the object behind each name, and who brings it")
    parser.add_argument("--json", action="store_true", help="all of it as JSON")
    arguments = parser.parse_args(argv)
    what = arguments.what
    if what is not None and what not in REGISTRIES:
        raise suggest(what, list(REGISTRIES), "list")
    chosen = {title: registry for title, registry in REGISTRIES.items() if what in (None, title)}
    if arguments.json:
        print(json.dumps({title: list(records(registry)) for title, registry in chosen.items()}, indent=2))
        return 0
    for title, registry in chosen.items():
        if what is None:
            print(f"{title}:")
        for line in lines(registry, verbose=arguments.verbose):
            print(f"{'  ' if what is None else ''}{line}")
    return 0


def records(registry: Registry) -> Iterator[dict[str, Any]]:
    """For each name and distribution: ``name``, ``description``, ``target``, ``distribution`` and ``fault``.

    A name that strangers have registered and that is broken has one record; its ``fault`` says why. Strangers' plugins
    are imported to find out. Our own are not, which would take seconds: ``coral doctor`` does that.
    """
    entries = registry.entries()
    strangers = {entry.name for entry in entries if entry.distribution not in (OURS, "this process")}
    for name, own in groupby(entries, key=lambda entry: entry.name):
        fault = registry.fault(name) if name in strangers else None
        for entry in own:
            yield {
                "name": name,
                "description": "" if fault else describe(entry.target),
                "target": entry.target,
                "distribution": entry.distribution,
                "fault": fault,
            }
            if fault:
                break


def lines(registry: Registry, *, verbose: bool = False) -> Iterator[str]:
    """A line for each of :func:`records`, cut to a terminal's width; ``verbose`` adds one on where it comes from."""
    width = max(_LEAST, shutil.get_terminal_size().columns - 2) if sys.stdout.isatty() else None
    for record in records(registry):
        if record["fault"]:
            yield f"{record['name']:<{_NAME}} BROKEN: {record['fault']}"
            continue
        brought = "" if record["distribution"] == OURS else f"  ({record['distribution']})"
        text = f"{record['name']:<{_NAME}} {record['description'] or record['target']}"
        shown = textwrap.shorten(text[_NAME:], width - _NAME - len(brought), placeholder=" ...") if width else ""
        yield (f"{text[:_NAME]} {shown}" if width else text) + brought
        if verbose:
            yield f"{'':<{_NAME}} = {record['target']}  ({record['distribution']})"
