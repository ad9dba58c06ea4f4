"""``coral reproduce``: a table or figure of a paper, its numbers beside ours where data and protocol are the same."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.cli.flags import CommandParser, add_seeds, name_list, pairs
from coral_plugin.cli.grid import add_grid_flags, run_and_report
from coral_plugin.cli.settings import settings_of_all

if TYPE_CHECKING:
    from coral_plugin.reproduce.targets import PaperTarget


def main(argv: list[str]) -> int:
    """Run ``coral reproduce``; returns the exit status."""
    parser = CommandParser(
        prog="coral reproduce",
        description="Run the grid behind a table or figure of the COrAL, CoMM or InfMasking papers; without a target, "
        "list them.",
        usage="coral reproduce [TARGET] [FLAGS]",
        examples=(
            "coral reproduce",
            "coral reproduce figure4 --scale small",
            "coral reproduce table1 --data mosi=mosi_raw.pkl --dry-run",
        ),
        everyday="scale dry-run datasets rows seeds data papers-data set epochs device output workers quiet",
    )
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="Table or figure, such as table1; without one, all are listed"
    )
    parser.add_argument(
        "--scale", choices=("paper", "small"), default="paper",
        help="Scale of the runs: paper, or small (few epochs, two seeds, Trifeature at 32 px)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="Print the grid and what is missing, and run nothing")
    parser.add_argument("--datasets", type=name_list, metavar="A,B", help="Data sets, in place of the target's")
    parser.add_argument("--rows", type=name_list, metavar="A,B", help="Rows of the target that are run; all by default")
    add_seeds(parser, None, "Seeds, in place of the target's")
    add_grid_flags(parser, "runs/reproduce")
    arguments = parser.parse_args(argv)
    from coral_plugin.reproduce.protocol import PaperNumbers
    from coral_plugin.reproduce.targets import available, require, target, titles

    if arguments.target is None:
        for name, title in titles().items():
            print(f"{name:<20} {title}")
        return 0
    chosen = settings_of_all(arguments, "the rows of a target are declared; coral bench sets single methods")
    wanted = target(
        arguments.target,
        arguments.scale,
        data=pairs("--data", arguments.data),
        datasets=arguments.datasets,
        rows=arguments.rows,
        seeds=arguments.seeds,
        chosen=chosen,
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
            chosen = {**column.chosen, **row.chosen, **row.by_column.get(column.name, {})}
            preset = row.presets.get(column.name, row.preset)
            texts = [f"preset {preset}"] if preset else []
            texts += [f"{key}={value}" for key, value in chosen.items()]
            conditions = " + ".join(condition for condition in column.conditions if condition) or "one"
            texts += [f"then fine-tuned, {key}={value}" for key, value in (row.finetune or {}).items()]
            lines.append((row.name, row.objective, column.name, conditions, " ".join(texts) or "defaults"))
    count = len(grid.seeds) * len(grid.rows) * sum(len(column.conditions) for column in grid.columns)
    seeds = ", ".join(map(str, grid.seeds))
    head = ("row", "objective", "data", "conditions", "settings")
    print(Table(head, tuple(lines), grid.title, f"{count} runs: every line with seeds {seeds}.").markdown())
    for line in missing(grid):
        print(f"missing: {line}")
