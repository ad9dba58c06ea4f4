"""Flags that ``coral bench`` and ``coral reproduce`` share, and what both do with a grid."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from coral_plugin.cli.parser import CommandParser, positive, seeds
from coral_plugin.errors import InputError, one_line

if TYPE_CHECKING:
    from coral_plugin.bench.comparison import LookUp
    from coral_plugin.bench.grid import Grid
    from coral_plugin.bench.runner import Finished

SHORT = {"epochs": "training.epochs", "batch_size": "training.batch_size", "device": "training.device"}


def add_grid_flags(parser: CommandParser, output: str) -> None:
    """The flags of the grid's data, settings, engine and places."""
    parser.add_argument(
        "--data", action="append", default=[], metavar="DATASET=PATH", help="files of a data set (repeatable)"
    )
    parser.add_argument(
        "--papers-data", type=names, default=[], metavar="A,B",
        help="data sets whose files are those of the papers, which no fingerprint tells: where the settings are the "
        "papers' too, published numbers stand beside ours",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="[NAME:]KEY=VALUE",
        help="one setting of every run, or of those of one method or data set; without a group, of the method",
    )  # fmt: skip
    parser.add_argument("--epochs", type=positive, metavar="N", help="short for --set training.epochs=N")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="short for --set training.batch_size=N")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="short for --set training.device=...")
    parser.add_argument("--output", default=output, metavar="DIR", help=f"{output} by default; the same one continues")
    parser.add_argument("--record", metavar="DIR", help="also write tables, pictures and environment there")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster")
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster; without it, one on this machine")
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="runs at a time: one for each GPU or core by default"
    )
    parser.add_argument(
        "--cost", action="store_true",
        help="then measure seconds and memory of each method by itself, in a fresh process; without it the tables show "
        "those of the runs, which share the machine",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def seeds_flag(parser: CommandParser, default: tuple[int, ...] | None, said: str) -> None:
    """``--seeds``."""
    parser.add_argument("--seeds", type=seeds, default=default, metavar="41,42", help=said)


def names(text: str) -> list[str]:
    """``"a, b"`` to ``["a", "b"]``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """``["a=b"]`` to ``{"a": "b"}``.

    Raises:
        InputError: a text without a sign, or a name twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise InputError(f"{flag} needs NAME=VALUE, got {text!r}.")
        if name in found:
            raise InputError(f"{flag} is given twice for {name}.")
        found[name] = value
    return found


def settings(arguments: Any) -> dict[str, dict[str, Any]]:
    """``{name of a row or column, or "" for all: {"group.key": value}}`` of ``--set`` and its short forms.

    Raises:
        InputError: a text that is no setting.
    """
    from coral_plugin.runs.settings import GROUPS

    found: dict[str, dict[str, Any]] = {"": {}}
    for short, key in SHORT.items():
        if (value := getattr(arguments, short)) is not None:
            found[""][key] = value
    for key, text in pairs("--set", arguments.set).items():
        who, colon, setting = key.rpartition(":")
        if colon and not who:
            raise InputError(f"--set needs [NAME:]KEY=VALUE, got '{key}={text}'.")
        if setting.partition(".")[0] not in (*GROUPS, "augmentations", "plain_augmentations"):
            setting = f"method.{setting}"
        found.setdefault(who, {})[setting] = _value(text)
    return found


def _value(text: str) -> Any:
    """A YAML value; ``1e-3`` is a number too."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set cannot read the value {text!r}: {one_line(error, 300)}.") from error
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def run_and_report(
    grid: Grid, arguments: Any, folder: Path, views: Path, look_up: LookUp, *, embeddings: bool = False
) -> int:
    """Run a grid, write its views, print its tables; returns the exit status.

    Args:
        grid: What is compared.
        arguments: With the flags of :func:`add_grid_flags`.
        folder: Gets the runs.
        views: Gets the tables.
        look_up: Makes the published numbers that may stand beside it.
        embeddings: Also draw the densities of the embeddings of the first seed.
    """
    from coral_plugin.bench.embeddings import draw_embeddings
    from coral_plugin.bench.fingerprints import FINGERPRINTS_FILE
    from coral_plugin.bench.formats import text
    from coral_plugin.bench.report import write_views
    from coral_plugin.bench.runner import RUNS_FOLDER, RunnerSettings, run_grid

    engine = RunnerSettings(
        engine=arguments.engine, workers=arguments.workers, address=arguments.address, quiet=arguments.quiet
    )
    if arguments.address is not None and arguments.engine != "ray":
        raise InputError("--address is of a Ray cluster; add --engine ray.")
    finished = run_grid(grid, folder, engine)
    finished = _with_costs(finished, folder, measure=arguments.cost, quiet=arguments.quiet)
    pictures = draw_embeddings(views, finished) if embeddings else {}
    tables = write_views(views, finished.comparison, look_up, pictures)
    if arguments.record:
        leave = shutil.ignore_patterns(RUNS_FOLDER, FINGERPRINTS_FILE)
        shutil.copytree(views, arguments.record, ignore=leave, dirs_exist_ok=True)
    print("\n".join(map(text, tables)))
    sys.stdout.flush()
    return _closing(finished, views, quiet=arguments.quiet)


def _with_costs(finished: Finished, folder: Path, *, measure: bool, quiet: bool) -> Finished:
    """What was finished with the costs that were measured by themselves, now or before."""
    from coral_plugin.bench.cost import measure_costs, read_costs, with_costs

    failed = dict(finished.failed)
    if measure:
        for label, reason in measure_costs(finished.jobs, folder, say=_silent if quiet else _say).items():
            failed.setdefault(label, reason)
    comparison = with_costs(finished.comparison, finished.jobs, read_costs(folder))
    return replace(finished, comparison=comparison, failed=failed)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _silent(line: str) -> None:
    del line


def _closing(finished: Finished, views: Path, *, quiet: bool) -> int:
    for label, reason in finished.failed.items():
        sys.stderr.write(f"coral: {label} failed: {reason}\n")
    if not quiet:
        sys.stderr.write(
            f"{views}: table.md, .tex, .csv, .json, scores.csv, report.html; "
            f"{finished.ran} run(s) now, {len(finished.jobs) - finished.ran} before\n"
        )
    return 1 if finished.failed else 0
