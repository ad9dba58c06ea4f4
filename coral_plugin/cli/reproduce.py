"""``coral reproduce``: a table or figure of a paper, its numbers beside ours where data and protocol are the same."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.cli.grid_flags import add_grid_flags, names, pairs, run_and_report, seeds_flag, settings
from coral_plugin.cli.parser import CommandParser
from coral_plugin.errors import InputError

if TYPE_CHECKING:
    from coral_plugin.reproduce.targets import PaperTarget


def main(argv: list[str]) -> int:
    """Run ``coral reproduce``; returns the exit status."""
    parser = CommandParser(
        prog="coral reproduce",
        description="Run the grid behind a table or figure of the COrAL, CoMM or InfMasking papers; without a target, "
        "list them.",
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="such as table1; all are listed without one")
    parser.add_argument(
        "--scale", choices=("paper", "small"), default="paper",
        help="paper, or small: few epochs and two seeds; Trifeature at 32 px",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print the grid and what is missing, and run nothing")
    parser.add_argument("--datasets", type=names, metavar="A,B", help="only these of its data sets, or others")
    parser.add_argument("--rows", type=names, metavar="A,B", help="only these of its rows")
    seeds_flag(parser, None, "in place of the target's")
    add_grid_flags(parser, "runs/reproduce")
    arguments = parser.parse_args(argv)
    from coral_plugin.reproduce.protocol import PaperNumbers
    from coral_plugin.reproduce.targets import available, require, target, titles

    if arguments.target is None:
        for name, title in titles().items():
            print(f"{name:<20} {title}")
        return 0
    chosen = settings(arguments)
    if who := [name for name in chosen if name]:
        raise InputError(f"--set {who[0]}:...: the rows of a target are declared; coral bench sets single methods.")
    wanted = target(
        arguments.target,
        arguments.scale,
        data=pairs("--data", arguments.data),
        datasets=arguments.datasets,
        rows=arguments.rows,
        seeds=arguments.seeds,
        chosen=chosen[""],
        papers_data=arguments.papers_data,
    )
    wanted, left_out = available(wanted)
    if left_out and not arguments.quiet:
        sys.stderr.write(f"{wanted.name}: without {', '.join(left_out)}, for which there is no --data\n")
    if arguments.dry_run:
        _show(wanted)
        return 0
    require(wanted.grid, wanted.name)
    folder = Path(arguments.output)
    # runs are shared: a row that several tables have is trained once
    return run_and_report(
        wanted.grid,
        arguments,
        folder,
        folder / wanted.name,
        partial(PaperNumbers, wanted.published),
        embeddings=wanted.embeddings,
    )


def _show(wanted: PaperTarget) -> None:
    from coral_plugin.evaluation.tables.model import Table
    from coral_plugin.reproduce.targets import missing

    grid = wanted.grid
    lines = []
    for column in grid.columns:
        for row in grid.rows:
            own = {**column.chosen, **row.chosen, **row.by_column.get(column.name, {})}
            preset = row.presets.get(column.name, row.preset)
            said = [f"preset {preset}"] if preset else []
            said += [f"{key}={value}" for key, value in own.items()]
            conditions = " + ".join(condition for condition in column.conditions if condition) or "one"
            said += [f"then fine-tuned, {key}={value}" for key, value in (row.finetune or {}).items()]
            lines.append((row.name, row.objective, column.name, conditions, " ".join(said) or "defaults"))
    count = len(grid.seeds) * len(grid.rows) * sum(len(column.conditions) for column in grid.columns)
    seeds = ", ".join(map(str, grid.seeds))
    head = ("row", "objective", "data", "conditions", "settings")
    print(Table(head, tuple(lines), grid.title, f"{count} runs: every line with seeds {seeds}.").markdown())
    for line in missing(grid):
        print(f"missing: {line}")
