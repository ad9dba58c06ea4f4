"""``coral list``: the registered names."""

from __future__ import annotations

from coral_plugin.cli.parser import CommandParser
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES, suggest

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
            for entry in registry.entries():
                print(f"{'  ' if what is None else ''}{entry.name:<20} {entry.target}  ({entry.distribution})")
    return 0
