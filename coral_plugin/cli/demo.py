"""``coral demo``: redundancy, uniqueness and synergy on Trifeature, in a few minutes on two cores."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from coral_plugin.cli.flags import CommandParser, add_trifeature_flags, positive
from coral_plugin.errors import counted


def main(argv: list[str]) -> int:
    """Run ``coral demo``; returns the exit status."""
    parser = CommandParser(
        prog="coral demo",
        description="Train COrAL on unbiased and on biased Trifeature pairs, probe both, and draw what was found.",
        examples=("coral demo", "coral demo --longer 2 --seeds 41,42", "coral demo --output runs/demo --resume"),
        epilog="Writes DIR/summary.json, a table, pictures, and a run directory for each of the two trainings.",
    )
    add_trifeature_flags(parser, "runs/demo")
    parser.add_argument(
        "--longer",
        type=positive,
        default=1,
        metavar="N",
        help="Factor of the number of epochs: better with more, and slower",
    )
    arguments = parser.parse_args(argv)
    from coral_plugin.io.files import write_json, write_text
    from coral_plugin.reproduce.figures import SUMMARY, draw_information
    from coral_plugin.reproduce.trifeature import PAPER, SMALL, clear, information_table, lengthened, run_variants

    started = time.monotonic()
    folder = Path(arguments.output)
    if not arguments.resume:
        clear(folder)
    scale = lengthened(PAPER if arguments.paper_scale else SMALL, arguments.longer)
    runs = run_variants(scale, {"COrAL": {}}, {"COrAL": folder}, seeds=arguments.seeds, resume=arguments.resume)[
        "COrAL"
    ]
    title = f"Trifeature, {scale.image_size} px, {counted(len(arguments.seeds), 'seed')}"
    table = information_table({"COrAL": runs}, title)
    write_json(folder / SUMMARY, runs.summary)
    write_text(folder / "table.md", table.markdown())
    draw_information(folder / "information", runs.summary)
    print(table.text(), flush=True)
    sys.stderr.write(f"{folder}: summary.json, information.png; {time.monotonic() - started:.0f} s\n")
    return 0
