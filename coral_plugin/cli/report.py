"""``coral report``: one HTML file about a run, or about a bench and its record."""

from __future__ import annotations

from pathlib import Path

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import InputError


def main(argv: list[str]) -> int:
    """Run ``coral report``; returns the exit status."""
    parser = CommandParser(
        prog="coral report",
        description="Write report.html, one file that a browser opens without network, from what a folder holds: the "
        "run directory of coral train or coral finetune, or a folder of coral bench. Nothing is trained.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="Run directory, or folder or record of coral bench")
    folder = Path(parser.parse_args(argv).folder)
    from coral_plugin.bench.report import TABLE_FILE
    from coral_plugin.evaluation.pages.model import REPORT_FILE
    from coral_plugin.reproduce.redraw import redraw_folder
    from coral_plugin.runs.folder import CONFIG

    if not any((folder / name).is_file() for name in (CONFIG, TABLE_FILE)):
        raise InputError(
            f"{folder} holds neither a run ({CONFIG}) nor a comparison ({TABLE_FILE}); give the folder that coral "
            "train or coral bench wrote."
        )
    redraw_folder(folder)  # the pictures too: a run from Python has drawn none
    print(folder / REPORT_FILE)
    return 0
