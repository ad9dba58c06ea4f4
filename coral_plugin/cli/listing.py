"""``coral list``: the registered names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from coral_plugin.cli.parser import CommandParser
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES, Registry, suggest

OURS = "coral-multibench"

REGISTRIES = {"objectives": OBJECTIVES, "datasets": DATASETS, "encoders": ENCODERS}


def main(argv: list[str]) -> int:
    """Run ``coral list``; returns the exit status."""
    parser = CommandParser(
        prog="coral list", description="List what can be selected by name, with where it comes from."
    )
    parser.add_argument("what", nargs="?", metavar="|".join(REGISTRIES), help="all three by default")
    what = parser.parse_args(argv).what
    if what is not None and what not in REGISTRIES:
        raise suggest(what, list(REGISTRIES), "list")
    for title, registry in REGISTRIES.items():
        if what in (None, title):
            if what is None:
                print(f"{title}:")
            for line in lines(registry):
                print(f"{'  ' if what is None else ''}{line}")
    return 0


def lines(registry: Registry) -> Iterator[str]:
    """A line for each name and distribution; one for a name that strangers have registered and that is broken.

    Strangers' plugins are imported to find out. Our own are not, which would take seconds: ``coral doctor`` does that.
    """
    entries = registry.entries()
    strangers = {entry.name for entry in entries if entry.distribution not in (OURS, "this process")}
    for name, own in groupby(entries, key=lambda entry: entry.name):
        if name in strangers and (fault := registry.fault(name)):
            yield f"{name:<20} BROKEN: {fault}"
            continue
        for entry in own:
            yield f"{name:<20} {entry.target}  ({entry.distribution})"
