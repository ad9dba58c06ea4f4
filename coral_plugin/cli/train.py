"""``coral train``: train, score, draw, and leave a run directory."""

from __future__ import annotations

import sys
from pathlib import Path

from coral_plugin.cli.options import parse_run


def main(argv: list[str]) -> int:
    """Run ``coral train``; returns the exit status."""
    settings, flags = parse_run(argv)
    from coral_plugin.evaluation.tables import also_table, score_table
    from coral_plugin.experiments.pictures import draw_run
    from coral_plugin.experiments.run import run

    folder = Path(flags.output) if flags.output else fresh_folder(settings.objective, settings.dataset, settings.data)
    finished = run(settings, folder=folder, resume=flags.resume, quiet=flags.quiet)
    if finished.metrics["tasks"]:
        print(score_table(finished.metrics).text())
        print()
        print(also_table(finished.metrics).text())
    else:
        print("no labels with a test split: nothing was scored")
    pictures = draw_run(finished)
    sys.stdout.flush()
    if not flags.quiet:
        sys.stderr.write(
            f"{folder}: config.yaml, metrics.json, metrics.csv, weights by seed, {len(pictures)} pictures\n"
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
