"""``coral evaluate``: score the representations of a run again, with any probe."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from coral_plugin.cli.parser import CommandParser


def main(argv: list[str]) -> int:
    """Run ``coral evaluate``; returns the exit status."""
    from coral_plugin.evaluation.probe import ProbeKind, ProbeSettings

    parser = CommandParser(
        prog="coral evaluate",
        description="Probe the trained seeds of a run on the data they were trained on, part by part.",
        epilog="Writes evaluation-<probe>.json into RUN_DIR (--umap: a picture too); metrics.json stays as it is.",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="directory that coral train wrote")
    parser.add_argument("--probe", choices=get_args(ProbeKind), default="linear", help="linear by default")
    parser.add_argument(
        "--neighbours",
        type=int,
        default=ProbeSettings().neighbours,
        help="of the kNN probe, %(default)s by default; 0 chooses",
    )
    parser.add_argument("--data", metavar="PATH", help="where the data lie now, if they were moved")
    parser.add_argument("--disentanglement", action="store_true", help="how much the parts share: |cos|, CKA, R2, ...")
    parser.add_argument("--complexity", action="store_true", help="parameters, FLOPs and time of a sample")
    parser.add_argument(
        "--missing",
        metavar="all|a,b+c",
        help="score the test samples from subsets of the modalities: all subsets, or those named",
    )
    parser.add_argument("--umap", action="store_true", help="draw the embeddings with UMAP beside PCA")
    arguments = parser.parse_args(argv)
    from coral_plugin.evaluation.tables import complexity_table, disentanglement_table, missing_table, score_table
    from coral_plugin.experiments.evaluate import evaluate

    result = evaluate(
        Path(arguments.run),
        ProbeSettings(kind=arguments.probe, neighbours=arguments.neighbours),
        data_path=arguments.data,
        umap=arguments.umap,
        missing=arguments.missing,
    )
    print(score_table(result.metrics).text())
    if "missing" in result.metrics:
        print()
        print(missing_table(result.metrics).text())
    if arguments.disentanglement:
        print()
        print(disentanglement_table(result.metrics).text())
    if arguments.complexity:
        print()
        print(complexity_table(result.complexity).text())
    return 0
