"""``coral bench``: methods by data sets by seeds, one table."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_plugin.cli.flags import CommandParser, add_seeds, name_list, pairs
from coral_plugin.cli.grid import add_grid_flags, run_and_report
from coral_plugin.cli.own_data import OWN_DATA, check_own_data, refuse_file
from coral_plugin.cli.settings import settings_by_name
from coral_plugin.errors import InputError, say, short
from coral_plugin.evaluation.names import row_title
from coral_plugin.io.paths import slug
from coral_plugin.registry import DATASETS

if TYPE_CHECKING:
    from coral_plugin.bench.grid import DatasetColumn, Grid

_LONGEST_LABEL = 80  # characters
BENCH_SEEDS = (41, 42, 43, 44, 45)


def main(argv: list[str]) -> int:
    """Run ``coral bench``; returns the exit status."""
    parser = CommandParser(
        prog="coral bench",
        description="Train and score methods on data sets with the same encoders, augmentations, probe and seeds.",
        usage="coral bench --objectives A,B --datasets C,D [--data C=PATH] [FLAGS]",
        examples=(
            "coral bench --objectives coral,comm,concat_raw --datasets digits --epochs 5 --seeds 41,42,43",
            "coral bench --objectives coral,clip --datasets trifeature",
            "coral bench --objectives coral,concat_raw --data mine.npz --epochs 20",
        ),
        everyday=("objectives datasets seeds preset data set epochs batch-size lr device probe output workers quiet"),
        epilog="LABEL=NAME gives a method or data set a name of its own, so that it can stand in the table twice: "
        "--objectives coral,weak=coral --set weak:orthogonality_weight=0.1. The same command goes on with what was "
        "stopped: a complete run is never repeated while settings, data and code are the same.",
    )
    parser.add_argument("--objectives", metavar="A,B", help="Methods (coral list objectives)")
    parser.add_argument("--datasets", metavar="C,D", help="Data sets (coral list datasets)")
    add_seeds(parser, BENCH_SEEDS, "Seeds, one training of each method for each; 41 to 45 by default")
    parser.add_argument(
        "--preset", action="append", default=[], metavar="METHOD=PRESET", help="Preset of a method (repeatable)"
    )
    parser.add_argument(
        "--modalities", action="append", default=[], metavar="DATASET=a+b", help="Modalities that are used (repeatable)"
    )
    parser.add_argument(
        "--scale", choices=("small", "paper"), default="small",
        help="Scale of trifeature: small (32 px, minutes on a CPU) or the papers' (224 px)",
    )  # fmt: skip
    parser.add_argument(
        "--no-embeddings", action="store_true",
        help="Leave out the pictures of embeddings, for which each method's first seed is loaded and embeds once more",
    )  # fmt: skip
    add_grid_flags(parser, "runs/bench")
    arguments = parser.parse_args(argv)
    _check_named(arguments)
    from coral_plugin.reproduce.protocol import PaperNumbers

    grid = _grid(arguments)
    folder = Path(arguments.output)
    look_up = partial(PaperNumbers, None)
    return run_and_report(grid, arguments, folder, folder, look_up, embeddings=not arguments.no_embeddings)


def _check_named(arguments: Any) -> None:
    """Check that methods and data are named; your own arrays, given by their path alone, get the name of their file.

    Raises:
        InputError: a method that is none, no methods, or no data.
    """
    from coral_plugin.registry import OBJECTIVES

    if arguments.objectives is None:
        raise InputError("coral bench needs --objectives.")
    for name in _labelled("--objectives", arguments.objectives).values():
        if name not in OBJECTIVES.names():  # before torch is loaded
            OBJECTIVES.get(name)
    columns = _labelled("--datasets", arguments.datasets) if arguments.datasets else {}
    files: list[str] = []
    for text in arguments.data:
        if "=" in text:
            files.append(text)
            continue
        check_own_data(text, name_it="--datasets NAME --data NAME=PATH")
        label = _label_of(text, columns, {file.partition("=")[0] for file in [*files, *arguments.data] if "=" in file})
        columns[label] = OWN_DATA
        files.append(f"{label}={text}")
        if not arguments.quiet:
            say(f"{text}: read as your own arrays (--datasets {label}={OWN_DATA} --data {files[-1]})")
    if any("=" not in text for text in arguments.data):
        arguments.datasets = ",".join(f"{label}={dataset}" for label, dataset in columns.items())
    if arguments.datasets is None:
        raise InputError("coral bench needs --datasets NAME, or --data FILE.npz for your own arrays.")
    arguments.data = files
    for name in _labelled("--datasets", arguments.datasets).values():
        refuse_file(name)


def _label_of(path: str, columns: Mapping[str, str], with_file: Container[str]) -> str:
    """The name of the column that reads one's own arrays at ``path``: the one that lacks a file, or the file's name.

    Args:
        path: File or folder.
        columns: ``{label: data set}`` of ``--datasets`` and of the files so far.
        with_file: Labels that have a file.

    Raises:
        InputError: several columns lack a file, the name is another column's or cannot be one.
    """
    label = Path(path).stem
    waiting = [name for name, dataset in columns.items() if dataset == OWN_DATA and name not in with_file]
    if label not in waiting and waiting:
        if len(waiting) > 1:
            raise InputError(f"{path} may be that of {', '.join(waiting)}: say --data NAME={path}.")
        return waiting[0]
    if "," in label:
        raise InputError(f"{path}: a comma cannot stand in a name; --datasets NAME={OWN_DATA} --data NAME={path}")
    dataset = columns.get(label, OWN_DATA)
    if dataset == label and label in DATASETS.names():
        raise InputError(f"{label} is a data set: say --data {label}={path} if {path} is its file, else other={path}.")
    if label in with_file or dataset not in (OWN_DATA, label):
        raise InputError(f"{label} is named twice; give {path} a label of its own: other={path}.")
    return label


def _grid(arguments: Any) -> Grid:
    from coral_plugin.bench.grid import Grid, MethodRow
    from coral_plugin.registry import DATASETS, OBJECTIVES, suggest

    methods, data = _labelled("--objectives", arguments.objectives), _labelled("--datasets", arguments.datasets)
    for registry, names in ((OBJECTIVES, methods.values()), (DATASETS, data.values())):
        for name in names:
            registry.get(name)
    chosen = settings_by_name(arguments)
    presets = pairs("--preset", arguments.preset)
    files, modalities = pairs("--data", arguments.data), pairs("--modalities", arguments.modalities)
    for flag, known, labels in (
        ("--set", [*methods, *data], filter(None, chosen)),
        ("--preset", list(methods), presets),
        ("--data", list(data), files),
        ("--modalities", list(data), modalities),
        ("--papers-data", list(data), arguments.papers_data),
    ):
        if wrong := [label for label in labels if label not in known]:
            raise suggest(wrong[0], known, f"name in {flag}")
    single = [label for label in methods if "source.pairing" in chosen.get(label, {})]
    if single and "trifeature" in data.values():
        raise InputError(
            f"--set {single[0]}:source.pairing: every method trains on the same pairs; say --set source.pairing=..."
        )
    columns = tuple(
        replace(
            _column(
                label,
                name,
                files.get(label),
                modalities.get(label),
                arguments.scale,
                {**chosen[""], **chosen.get(label, {})},
            ),
            papers_data=label in arguments.papers_data,
        )
        for label, name in data.items()
    )
    rows = tuple(
        MethodRow(
            name=label,
            objective=name,
            preset=presets.get(label),
            chosen={**chosen[""], **chosen.get(label, {})},
            by_column={column: {**chosen.get(column, {}), **chosen.get(label, {})} for column in data},
        )
        for label, name in methods.items()
    )
    return Grid(rows=rows, columns=columns, seeds=arguments.seeds)


def _column(
    label: str, name: str, files: str | None, modalities: str | None, scale: str, chosen: Mapping[str, Any]
) -> DatasetColumn:
    from coral_plugin.bench.grid import DatasetColumn
    from coral_plugin.reproduce.targets import TRIFEATURE
    from coral_plugin.reproduce.trifeature import trifeature_column

    if name == "trifeature":
        if files or modalities:
            flag = "--data" if files else "--modalities"
            raise InputError(
                f"{flag} {label}=...: the pairs of trifeature are generated, both images of them; leave it out."
            )
        return trifeature_column(TRIFEATURE[scale], label, chosen.get("source.pairing"))
    names = tuple(part.strip() for part in modalities.split("+")) if modalities else None
    return DatasetColumn(name=label, dataset=name, data=files, modalities=names)


def _labelled(flag: str, text: str) -> dict[str, str]:
    """``"a,b=a"`` to ``{"a": "a", "b": "a"}``.

    Raises:
        InputError: no name, a label that cannot name a file, or one that has the name of another in files or reports.
    """
    labels: dict[str, str] = {}
    shown: dict[str, str] = {}  # {name in files or reports: label}; some file systems fold capitals
    for part in name_list(text):
        label, sign, name = part.partition("=")
        if sign and not (label.isprintable() and 0 < len(label) <= _LONGEST_LABEL and not set(label) & set("/\\:")):
            raise InputError(
                f"{flag}: the label {short(label)} must be plain text of at most {_LONGEST_LABEL} characters, without "
                "slash and colon, as pictures are named after it."
            )
        if label in labels:
            raise InputError(f"{label} is named twice; give one of them a label of its own: other={label}.")
        labels[label] = name if sign else label
        for text in (label, row_title(label, labels[label])):
            if (other := shown.setdefault(slug(text).casefold(), label)) != label:
                raise InputError(
                    f"{flag}: {short(other)} and {short(label)} would share a name in files or reports, where signs "
                    "and capitals do not count and methods have their papers' names; change a letter of one."
                )
    if not labels:
        raise InputError(f"{flag} names nothing; give names with commas between.")
    return labels
