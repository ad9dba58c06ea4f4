"""``coral bench``: methods by data sets by seeds, one table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_plugin.cli.grid_flags import add_grid_flags, names, pairs, run_and_report, seeds_flag, settings
from coral_plugin.cli.parser import CommandParser
from coral_plugin.errors import InputError

if TYPE_CHECKING:
    from coral_plugin.bench.grid import DatasetColumn, Grid

_LONGEST = 80  # characters of a label
SEEDS = (41, 42, 43, 44, 45)


def main(argv: list[str]) -> int:
    """Run ``coral bench``; returns the exit status."""
    parser = CommandParser(
        prog="coral bench",
        description="Train and score methods on data sets with the same encoders, views, probe and seeds.",
        epilog="LABEL=NAME gives a method or data set a name of its own, so that it can stand in the table twice: "
        "--objectives coral,weak=coral --set weak:orthogonality_weight=0.1. The same command goes on with what was "
        "stopped: a complete run is never repeated while settings, data and code are the same.",
    )
    parser.add_argument("--objectives", metavar="A,B", help="methods (coral list objectives)")
    parser.add_argument("--datasets", metavar="C,D", help="data sets (coral list datasets)")
    parser.add_argument(
        "--redraw", metavar="RECORD",
        help="train nothing: write tables, pictures and report of a record anew, from the values that it holds",
    )  # fmt: skip
    seeds_flag(parser, SEEDS, "trainings of each, 41 to 45 by default")
    parser.add_argument(
        "--preset", action="append", default=[], metavar="METHOD=PRESET", help="of a method (repeatable)"
    )
    parser.add_argument(
        "--modalities", action="append", default=[], metavar="DATASET=a+b", help="which of them (repeatable)"
    )
    parser.add_argument(
        "--scale", choices=("small", "paper"), default="small",
        help="of trifeature: small (32 px, minutes on a CPU) or the papers' (224 px)",
    )  # fmt: skip
    add_grid_flags(parser, "runs/bench")
    arguments = parser.parse_args(argv)
    if arguments.redraw is not None:
        if len(argv) != (1 if "=" in argv[0] else 2):
            raise InputError("--redraw RECORD stands alone: it writes what the record holds, in its own folder.")
        return _redraw(Path(arguments.redraw))
    if absent := [flag for flag in ("objectives", "datasets") if getattr(arguments, flag) is None]:
        raise InputError(f"coral bench needs --{absent[0]} (or --redraw RECORD).")
    from coral_plugin.reproduce.protocol import PaperNumbers

    grid = _grid(arguments)
    folder = Path(arguments.output)
    return run_and_report(grid, arguments, folder, folder, partial(PaperNumbers, None))


def _redraw(folder: Path) -> int:
    from coral_plugin.bench.formats import text
    from coral_plugin.bench.stored import redraw
    from coral_plugin.reproduce.protocol import PaperNumbers

    print("\n".join(map(text, redraw(folder, PaperNumbers))))
    return 0


def _grid(arguments: Any) -> Grid:
    from coral_plugin.bench.grid import Grid, MethodRow
    from coral_plugin.registry import DATASETS, OBJECTIVES, suggest

    methods, data = _labelled("--objectives", arguments.objectives), _labelled("--datasets", arguments.datasets)
    for registry, found in ((OBJECTIVES, methods), (DATASETS, data)):
        for name in found.values():
            registry.get(name)
    chosen = settings(arguments)
    presets = pairs("--preset", arguments.preset)
    given = {"--data": pairs("--data", arguments.data), "--modalities": pairs("--modalities", arguments.modalities)}
    for flag, known, used in (
        ("--set", [*methods, *data], [who for who in chosen if who]),
        ("--preset", list(methods), presets),
        *((flag, list(data), own) for flag, own in given.items()),
    ):
        if wrong := [who for who in used if who not in known]:
            raise suggest(wrong[0], known, f"name in {flag}")
    if wrong := [who for who in arguments.papers_data if who not in data]:
        raise suggest(wrong[0], list(data), "name in --papers-data")
    columns = tuple(
        replace(_column(label, name, given, arguments.scale), papers_data=label in arguments.papers_data)
        for label, name in data.items()
    )
    rows = tuple(
        MethodRow(
            name=label,
            objective=name,
            preset=presets.get(label),
            chosen={**chosen[""], **chosen.get(label, {})},
            by_column={each: {**chosen.get(each, {}), **chosen.get(label, {})} for each in data},
        )
        for label, name in methods.items()
    )
    return Grid(rows=rows, columns=columns, seeds=arguments.seeds)


def _column(label: str, name: str, given: dict[str, dict[str, str]], scale: str) -> DatasetColumn:
    from coral_plugin.bench.grid import DatasetColumn
    from coral_plugin.reproduce.targets import TRIFEATURE
    from coral_plugin.reproduce.trifeature import trifeature_column

    if name == "trifeature":
        return trifeature_column(TRIFEATURE[scale], label)
    wanted = given["--modalities"].get(label)
    modalities = tuple(part.strip() for part in wanted.split("+")) if wanted else None
    return DatasetColumn(name=label, dataset=name, data=given["--data"].get(label), modalities=modalities)


def _labelled(flag: str, text: str) -> dict[str, str]:
    """``"a,b=a"`` to ``{"a": "a", "b": "a"}``."""
    from coral_plugin.errors import short

    found: dict[str, str] = {}
    for part in names(text):
        label, sign, name = part.partition("=")
        if sign and not (label.isprintable() and 0 < len(label) <= _LONGEST and not set(label) & set("/\\:")):
            raise InputError(
                f"{flag}: the label {short(label)} must be plain text of at most {_LONGEST} characters, without slash "
                "and colon, as pictures are named after it."
            )
        if label in found:
            raise InputError(f"{label} is named twice; give one of them a label of its own: other={label}.")
        found[label] = name if sign else label
    if not found:
        raise InputError(f"{flag} names nothing; give names with commas between.")
    return found
