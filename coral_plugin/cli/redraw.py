"""``coral redraw``: pictures, tables and report of a folder anew, from the values that it holds."""

from __future__ import annotations

from pathlib import Path

from coral_plugin.cli.flags import CommandParser


def main(argv: list[str]) -> int:
    """Run ``coral redraw``; returns the exit status."""
    parser = CommandParser(
        prog="coral redraw",
        description="Draw the pictures of a folder anew from its values, and write its tables and report; nothing is "
        "trained. Pictures of embeddings stay: they need the weights.",
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help="Folder or record of coral train, coral bench, coral demo or coral ablate"
    )
    arguments = parser.parse_args(argv)
    from coral_plugin.reproduce.redraw import redraw_folder

    for path in redraw_folder(Path(arguments.folder)):
        print(path)
    return 0
