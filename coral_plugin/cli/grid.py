"""What ``coral bench`` and ``coral reproduce`` share: the flags of a grid of runs, and how it is run and reported."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.cli.flags import CommandParser, check_record, name_list, positive
from coral_plugin.cli.settings import add_setting, add_settings
from coral_plugin.errors import InputError, say

if TYPE_CHECKING:
    from coral_plugin.bench.comparison import LookUp
    from coral_plugin.bench.grid import Grid
    from coral_plugin.bench.runner import FinishedGrid


def add_grid_flags(parser: CommandParser, output: str) -> None:
    """Add the flags of the grid's data, settings, engine and folders; ``output`` is the default folder."""
    parser.add_argument(
        "--data", action="append", default=[], metavar="DATASET=PATH", help="Files of a data set (repeatable)"
    )
    parser.add_argument(
        "--papers-data", type=name_list, default=[], metavar="A,B",
        help="Data sets whose files are those of the papers, which no fingerprint shows: where the settings are the "
        "papers' too, published numbers stand beside ours",
    )  # fmt: skip
    add_settings(parser, by_name=True)
    add_setting(parser, "--probe", key="probe.kind", metavar="KIND", help="linear, knn, ridge or reference")
    parser.add_argument(
        "--output",
        default=output,
        metavar="DIR",
        help=f"Folder of the runs, {output} by default; the same one continues",
    )
    parser.add_argument("--record", metavar="DIR", help="Folder for copies of tables, pictures and environment")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="Place of the runs: this machine, or a Ray cluster"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="Address of the Ray cluster; without it, one is started on this machine"
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="Number of runs at a time: one per GPU or core by default"
    )
    parser.add_argument(
        "--cost", action="store_true",
        help="Then measure seconds and memory of each method alone, in a fresh process; without it the tables show "
        "those of the runs, which share the machine",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="Write no progress to standard error")


def run_and_report(
    grid: Grid, arguments: argparse.Namespace, folder: Path, tables: Path, look_up: LookUp, *, embeddings: bool
) -> int:
    """Run a grid, write and print its tables; returns the exit status.

    Args:
        grid: Methods, data sets and seeds.
        arguments: Parsed flags of :func:`add_grid_flags`.
        folder: Folder of the runs.
        tables: Folder of tables, pictures and report.
        look_up: Function that makes the published numbers which may stand beside ours.
        embeddings: Whether the embeddings of the first seed of each method are drawn too.
    """
    from coral_plugin.bench.fingerprints import FINGERPRINTS_FILE
    from coral_plugin.bench.formats import text
    from coral_plugin.bench.page import EMBEDDINGS, TRAINING
    from coral_plugin.bench.pictures import draw_embeddings
    from coral_plugin.bench.report import write_report
    from coral_plugin.bench.run_files import draw_training
    from coral_plugin.bench.runner import RUNS_FOLDER, RunnerSettings, run_grid

    engine = RunnerSettings(
        engine=arguments.engine, workers=arguments.workers, address=arguments.address, quiet=arguments.quiet
    )
    if arguments.address is not None and arguments.engine != "ray":
        raise InputError("--address is that of a Ray cluster; add --engine ray.")
    record = check_record(arguments.record, tables)
    finished = run_grid(grid, folder, engine)
    finished = _with_costs(finished, folder, measure=arguments.cost, quiet=arguments.quiet)
    pictures = {TRAINING: draw_training(tables, finished.jobs)}
    written = write_report(tables, finished.comparison, look_up, pictures)
    if embeddings and (drawn := draw_embeddings(tables, finished.jobs)):  # the tables stand, whatever becomes of these
        written = write_report(tables, finished.comparison, look_up, {**pictures, EMBEDDINGS: drawn})
    if record is not None:
        leave = shutil.ignore_patterns(RUNS_FOLDER, FINGERPRINTS_FILE)
        shutil.copytree(tables, record, ignore=leave, dirs_exist_ok=True)
    print("\n".join(map(text, written)))
    sys.stdout.flush()
    return _report(finished, tables, quiet=arguments.quiet)


def _with_costs(finished: FinishedGrid, folder: Path, *, measure: bool, quiet: bool) -> FinishedGrid:
    """The finished runs with the costs that were measured alone, now or before."""
    from coral_plugin.bench.cost import measure_costs, read_costs, with_costs

    failed = dict(finished.failed)
    if measure:
        for label, reason in measure_costs(finished.jobs, folder, say=None if quiet else say).items():
            failed.setdefault(label, reason)
    comparison = with_costs(finished.comparison, finished.jobs, read_costs(folder))
    return replace(finished, comparison=comparison, failed=failed)


def _report(finished: FinishedGrid, tables: Path, *, quiet: bool) -> int:
    from coral_plugin.bench.grid import distinct

    for label, reason in finished.failed.items():
        sys.stderr.write(f"coral: {label} failed: {reason}\n")
    if not quiet:
        runs = len(distinct(finished.jobs))
        sys.stderr.write(
            f"{tables}: table.md, .tex, .csv, .json, scores.csv, report.html; "
            f"{finished.ran} run(s) now, {runs - finished.ran} before\n"
        )
    return 1 if finished.failed else 0
