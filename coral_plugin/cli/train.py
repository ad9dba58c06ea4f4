"""``coral train``: train, score, draw, and leave a run directory."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.errors import InputError
from coral_plugin.training.signals import advise

if TYPE_CHECKING:
    from coral_plugin.runs.settings import RunSettings


def main(argv: list[str]) -> int:
    """Run ``coral train``; returns the exit status."""
    from coral_plugin.cli.options import parse_run  # takes seconds

    settings, flags = parse_run(argv)
    if flags.resume and not flags.output:
        raise InputError("--resume needs --output: the folder of the run to go on with.")
    folder = Path(flags.output) if flags.output else fresh_folder(settings.objective, settings.dataset, settings.data)
    command = ["coral", "train", *argv, *([] if flags.output else ["--output", str(folder)])]
    command += [] if flags.resume else ["--resume"]
    advise(f"Go on with: {shlex.join(command)}")
    return _train(settings, folder, flags)


def _train(settings: RunSettings, folder: Path, flags: argparse.Namespace) -> int:
    from coral_plugin.evaluation.tables.run import also_table, score_table
    from coral_plugin.runs.run import draw_run, run

    finished = run(settings, folder=folder, resume=flags.resume, quiet=flags.quiet)
    if finished.metrics["tasks"]:
        print(score_table(finished.metrics).text())
        print()
        print(also_table(finished.metrics).text())
    else:
        print("no labels with a test split: nothing was scored")
    pictures = draw_run(finished)
    print(end="", flush=True)
    if not flags.quiet:
        # a method that does not train leaves no log of it
        log = "metrics.csv, " if any(finished.histories.values()) else ""
        sys.stderr.write(f"{folder}: config.yaml, metrics.json, {log}weights by seed, {len(pictures)} pictures\n")
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
