"""``coral demo``: redundancy, uniqueness and synergy on Trifeature, in a few minutes on two cores."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from coral_plugin.cli.parser import CommandParser, positive, seeds


def main(argv: list[str]) -> int:
    """Run ``coral demo``; returns the exit status."""
    parser = CommandParser(
        prog="coral demo",
        description="Train COrAL on unbiased and on biased Trifeature pairs, probe both, and draw what was found.",
        epilog="Writes DIR/summary.json, a table, pictures, and a run directory for each of the two trainings.",
    )
    parser.add_argument("--output", default="runs/demo", metavar="DIR", help="runs/demo by default")
    parser.add_argument("--seeds", type=seeds, default=(41,), metavar="41,42", help="one pair of trainings each")
    parser.add_argument("--resume", action="store_true", help="go on with what DIR holds")
    parser.add_argument(
        "--longer", type=positive, default=1, metavar="N", help="N times as many epochs: better, slower"
    )
    parser.add_argument("--paper-scale", action="store_true", help="224 px, 10,000 pairs, 100 epochs: wants a GPU")
    arguments = parser.parse_args(argv)
    from coral_plugin.evaluation.pictures.plots import bars
    from coral_plugin.io.files import write_json, write_text
    from coral_plugin.reproduce.trifeature import PAPER, SMALL, clear, information_table, lengthened, run_variants

    started = time.monotonic()
    folder = Path(arguments.output)
    if not arguments.resume:
        clear(folder)
    scale = lengthened(PAPER if arguments.paper_scale else SMALL, arguments.longer)
    runs = run_variants(scale, {"COrAL": {}}, {"COrAL": folder}, seeds=arguments.seeds, resume=arguments.resume)[
        "COrAL"
    ]
    table = information_table({"COrAL": runs}, f"Trifeature, {scale.image_size} px, {len(arguments.seeds)} seed(s)")
    write_json(folder / "summary.json", runs.summary)
    write_text(folder / "table.md", table.markdown())
    bars(
        folder / "information",
        {kind: entry["values"] for kind, entry in runs.summary.items()},
        {kind: entry["chance"] for kind, entry in runs.summary.items()},
        "What COrAL recovers of Trifeature",
    )
    print(table.text(), flush=True)
    sys.stderr.write(f"{folder}: summary.json, information.png; {time.monotonic() - started:.0f} s\n")
    return 0
