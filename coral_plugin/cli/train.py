"""``coral train``: train, score, draw, and leave a run directory."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.cli.train_flags import NoDatasetError, parse_run
from coral_plugin.errors import InputError
from coral_plugin.training.signals import advise

if TYPE_CHECKING:
    from coral_plugin.runs.settings import RunSettings

_FIRST_COMMANDS = """\
coral train needs a data set. To begin with:
  coral train --dataset digits --epochs 5   handwritten digits in two halves
  coral train --data mine.npz               your own arrays (coral data check mine.npz)
  coral demo                                generated pairs of images, and what the parts hold of them
coral list datasets shows the others; coral train --help explains the flags.
"""


def main(argv: list[str]) -> int:
    """Run ``coral train``; returns the exit status."""
    try:
        settings, arguments = parse_run(argv)
    except NoDatasetError:
        sys.stderr.write(_FIRST_COMMANDS)
        return 2
    if arguments.resume and not arguments.output:
        raise InputError("--resume needs --output: the folder of the run to go on with.")
    output = arguments.output
    folder = Path(output) if output else fresh_folder(settings.objective, settings.dataset, settings.data)
    if arguments.resume:
        from coral_plugin.runs.start import with_saved_seeds

        settings = with_saved_seeds(settings, folder, more=arguments.new_seeds)
    command = ["coral", "train", *argv, *([] if output else ["--output", str(folder)])]
    command += [] if arguments.resume else ["--resume"]
    advise(f"Go on with: {shlex.join(command)}")
    return _train(settings, folder, arguments)


def _train(settings: RunSettings, folder: Path, arguments: argparse.Namespace) -> int:
    from coral_plugin.evaluation.tables.run import also_table, score_table
    from coral_plugin.runs.report import write_run_report
    from coral_plugin.runs.run import draw_run, run

    finished = run(
        settings,
        folder=folder,
        resume=arguments.resume,
        quiet=arguments.quiet,
        workers=arguments.workers,
        loggers=arguments.logger,
        opening=tuple(filter(None, (arguments.decision, f"run folder: {folder}"))),
    )
    if finished.metrics["tasks"]:
        print(score_table(finished.metrics).text())
        print()
        print(also_table(finished.metrics).text())
    else:
        print("no labels with a test split: nothing was scored")
    pictures = [path for path in draw_run(finished) if path.suffix == ".png"]  # each is there as .svg and .csv too
    write_run_report(folder)
    print(end="", flush=True)
    if not arguments.quiet:
        # a method that does not train leaves no log of it
        log = "metrics.csv, " if any(finished.histories.values()) else ""
        sys.stderr.write(
            f"{folder}: config.yaml, metrics.json, {log}weights by seed, {len(pictures)} pictures, report.html\n"
        )
    return 0


def fresh_folder(objective: str, dataset: str, data: str | None) -> Path:
    """``runs/<objective>-<data>``, with a number behind it where that is taken."""
    name = Path(data).stem if data else dataset
    base = Path("runs") / f"{objective}-{name}"
    folder, count = base, 1
    while folder.exists():
        count += 1
        folder = base.with_name(f"{base.name}-{count}")
    return folder
