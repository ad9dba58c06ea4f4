"""``coral finetune``: train a finished run further with labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

from coral_plugin.cli.parser import CommandParser


def main(argv: list[str]) -> int:
    """Run ``coral finetune``; returns the exit status."""
    from coral_plugin.runs.finetune import FinetuneSettings
    from coral_plugin.training.settings import Precision

    standard = FinetuneSettings()
    parser = CommandParser(
        prog="coral finetune",
        description="Train every seed of a run further with its labels: COrAL's own losses with the samples of a class "
        "as positives (paper, section 5.6.5), or a plain cross-entropy head as the baseline. Stops early on valid; "
        "the probe then reads test once.",
        epilog="The output is a run directory: coral evaluate and coral embed take it.",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="directory that coral train wrote")
    parser.add_argument(
        "--loss",
        choices=("contrastive", "cross_entropy"),
        default=standard.loss,
        help="%(default)s by default, which is COrAL's; cross_entropy works with every objective",
    )
    parser.add_argument(
        "--positives",
        choices=("class", "class_neutral"),
        default=standard.positives,
        help="all samples of a class (default), or only the other view, with the rest of the class left out",
    )
    parser.add_argument("--labels", default="", metavar="TASK", help="classification task; the first by default")
    parser.add_argument("--mask-ratio", type=float, default=standard.mask_ratio, help="%(default)s by default")
    parser.add_argument("--orthogonality-weight", type=float, default=standard.orthogonality_weight, help="%(default)s")
    parser.add_argument("--epochs", type=int, default=standard.epochs, help="at most; %(default)s by default")
    parser.add_argument(
        "--patience",
        type=int,
        default=standard.patience,
        help="epochs without a better score on valid after which it stops; %(default)s by default",
    )
    parser.add_argument("--learning-rate", type=float, default=standard.learning_rate, help="%(default)s by default")
    parser.add_argument("--batch-size", type=int, default=standard.batch_size, help="%(default)s by default")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="the run's by default, if it is here")
    parser.add_argument("--precision", choices=get_args(Precision), help="the run's by default")
    parser.add_argument("--data", metavar="PATH", help="where the data lie now, if they were moved")
    parser.add_argument("--output", metavar="DIR", help="RUN_DIR/finetuned-<loss> by default")
    parser.add_argument("--resume", action="store_true", help="go on with a fine-tuning that was stopped")
    arguments = vars(parser.parse_args(argv))
    folder, data, output = (arguments.pop(key) for key in ("run", "data", "output"))
    how = {key: arguments.pop(key) for key in ("device", "precision", "resume")}
    return finetune(folder, FinetuneSettings(**arguments), data, output, **how)


def finetune(folder: str, settings: Any, data: str | None, output: str | None, **how: Any) -> int:
    """Fine-tune the run in ``folder`` (``how``: device, precision, resume); print the scores before and after."""
    from coral_plugin.evaluation.tables.model import Table, cell
    from coral_plugin.evaluation.tables.run import score_table
    from coral_plugin.runs.finetune import finetune as tune

    result = tune(Path(folder), settings, data_path=data, output=Path(output) if output else None, **how)
    found = result.record
    rows = [("pretrained, probe", cell(found["before"])), (f"{settings.loss}, probe", cell(found["after"]))]
    if found["classifier"]:
        rows.append((f"{settings.loss}, its own head", cell(found["classifier"])))
    print(score_table(result.metrics).text())
    print()
    print(Table(columns=(f"{found['task']}: balanced accuracy, %", "test ↑"), rows=tuple(rows), title="").text())
    sys.stderr.write(f"{result.folder}: stopped at the best epochs {found['best_epochs']} on valid\n")
    return 0
