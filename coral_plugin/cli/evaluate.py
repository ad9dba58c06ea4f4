"""``coral evaluate``: score the representations of a run again, with any probe, and under noise."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import InputError
from coral_plugin.evaluation.names import PROBES

if TYPE_CHECKING:
    from coral_plugin.runs.evaluate import Evaluation
    from coral_plugin.runs.robustness import RobustnessSettings

_EPILOG = """\
Writes evaluation-<probe>.json into RUN_DIR; --robustness also evaluation-robustness.json and plots/robustness.png,
--missing, --over-training and --umap a picture each; metrics.json stays as it is. docs/robustness.md says what noise
does and what the figures mean."""
_NOISE_FLAGS = ("levels", "noise", "noise_by", "multibench")


def main(argv: list[str]) -> int:
    """Run ``coral evaluate``; returns the exit status."""
    arguments = _parser().parse_args(argv)
    noise_flags = [name for name in _NOISE_FLAGS if getattr(arguments, name) is not None]
    if noise_flags and not arguments.robustness:
        raise InputError(f"--{noise_flags[0].replace('_', '-')} goes with --robustness, which is not given.")
    from coral_plugin.evaluation.probe import ProbeSettings
    from coral_plugin.runs.evaluate import ROBUSTNESS, Extras, evaluate

    extras = Extras(
        umap=arguments.umap,
        missing=arguments.missing,
        over_training=arguments.over_training,
        performance=arguments.performance,
        training=arguments.complexity,
        robustness=_robustness(arguments) if arguments.robustness else None,
    )
    if arguments.neighbours is not None and arguments.probe != "knn":
        raise InputError("--neighbours goes with --probe knn, which is not given.")
    neighbours = {} if arguments.neighbours is None else {"neighbours": arguments.neighbours}
    probe = ProbeSettings(kind=arguments.probe, **neighbours)
    result = evaluate(Path(arguments.run), probe, extras, data_path=arguments.data)
    print("\n".join(table.text() for table in _tables(result, arguments)))
    for path in result.pictures:
        print(f"{path}.png, .svg, .csv")
    written = [f"evaluation-{probe.kind}.json", *([ROBUSTNESS] if arguments.robustness else [])]
    print(f"written: {', '.join(str(Path(arguments.run) / name) for name in written)}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="coral evaluate",
        description="Probe the trained seeds of a run on the data they were trained on, part by part.",
        epilog=_EPILOG,
        everyday="probe data disentanglement performance missing umap robustness levels",
        examples=(
            "coral evaluate runs/coral-digits --probe knn",
            "coral evaluate runs/coral-digits --missing all --disentanglement",
            "coral evaluate runs/coral-digits --robustness --levels 0,0.5,1",
        ),
    )
    add = parser.add_argument
    add("run", metavar="RUN_DIR", help="Run directory of coral train")
    add("--probe", choices=tuple(PROBES), default="linear", help="Kind of the probe; linear by default")
    add("--neighbours", type=int, help="Number of neighbours of the kNN probe, 20 by default; 0 chooses it")
    add("--data", metavar="PATH", help="New path of the data, if they were moved")
    add("--disentanglement", action="store_true", help="Print how much the parts share: |cos|, CKA, R2, ...")
    add(
        "--performance",
        action="store_true",
        help="Print the figures that MultiBench reports: accuracy, F1, AUPRC, MSE, affect",
    )
    add(
        "--complexity",
        action="store_true",
        help="Print parameters, FLOPs, time and memory of the training and of embedding a sample",
    )
    add(
        "--missing",
        metavar="all|a,b+c",
        help="Subsets of the modalities that the test samples are scored from: all, or those named",
    )
    add(
        "--over-training",
        action="store_true",
        help="Score the weights that training.keep_every kept on the way too, with a picture",
    )
    add("--umap", action="store_true", help="Draw the embeddings with UMAP beside PCA")
    _add_noise(parser)
    return parser


def _add_noise(parser: CommandParser) -> None:
    noise = parser.add_argument_group("noise on the test samples").add_argument
    noise("--robustness", action="store_true", help="Score under noise on each modality and on all, with a picture")
    noise("--levels", metavar="0,0.1,...,1", help="Noise levels, rising from 0, which is clean; these by default")
    noise(
        "--noise",
        metavar="MODALITY=FAMILY,...",
        help="Noise family of a modality: visual, text, timeseries, audio or tabular; by kind and name by default",
    )
    noise(
        "--noise-by",
        choices=("auto", "multibench", "own"),
        help="Origin of the noise: MultiBench where there is a checkout (auto, the default), or one of the two",
    )
    noise("--multibench", metavar="DIR", help="MultiBench checkout; else MULTIBENCH_ROOT, else the current directory")


def _robustness(arguments: argparse.Namespace) -> RobustnessSettings:
    from coral_plugin.evaluation.robustness.measures import LEVELS, parse_levels
    from coral_plugin.runs.robustness import RobustnessSettings

    levels = LEVELS if arguments.levels is None else parse_levels(arguments.levels)
    return RobustnessSettings(levels=levels, noise=arguments.noise, **_multibench_noise(arguments))


def _multibench_noise(arguments: argparse.Namespace) -> dict[str, Any]:
    """MultiBench's noise and curves, if they are requested and there is a checkout."""
    if arguments.noise_by == "own":
        if arguments.multibench is not None:
            raise InputError("--noise-by own needs no --multibench; leave one of them out.")
        return {}
    from coral_plugin.multibench.checkout import find_checkout
    from coral_plugin.multibench.noise import noise_of
    from coral_plugin.multibench.reference import references

    try:
        checkout = find_checkout(arguments.multibench)
    except InputError:
        if arguments.noise_by == "multibench" or arguments.multibench is not None:
            raise
        return {}
    return {"source": noise_of(checkout), "references": references(checkout), "checkout": checkout.describe()}


def _tables(result: Evaluation, arguments: argparse.Namespace) -> list[Any]:
    from coral_plugin.evaluation.tables import multibench as reports
    from coral_plugin.evaluation.tables import run as tables

    shown = [tables.score_table(result.metrics)]
    if "missing" in result.metrics:
        shown.append(tables.missing_table(result.metrics))
    if "over_training" in result.metrics:
        shown.append(tables.over_training_table(result.metrics))
    if arguments.disentanglement:
        shown.append(tables.disentanglement_table(result.metrics))
    if "performance" in result.metrics:
        shown.append(reports.performance_table(result.metrics))
    if result.robustness is not None:
        shown += reports.robustness_tables(result.robustness)
    if "training" in result.complexity:
        shown.append(reports.training_table(result.complexity["training"]))
    if arguments.complexity:
        shown.append(tables.complexity_table(result.complexity))
    return shown
