"""``coral finetune``: train a finished run further with labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from coral_plugin.cli.flags import CommandParser, positive
from coral_plugin.cli.settings import add_setting, add_settings, settings_of_all

# settings of a run that a fine-tuning has values of its own for
_FINETUNE_KEYS = {
    **{f"training.{name}": name for name in ("epochs", "batch_size", "learning_rate")},
    **{f"method.{name}": name for name in ("positives", "labels", "mask_ratio", "orthogonality_weight")},
}


def main(argv: list[str]) -> int:
    """Run ``coral finetune``; returns the exit status."""
    from coral_plugin.evaluation.tables.model import Table, cell
    from coral_plugin.evaluation.tables.run import score_table
    from coral_plugin.runs.finetune import FinetuneSettings, finetune
    from coral_plugin.runs.settings import build

    arguments = _parser(FinetuneSettings()).parse_args(argv)
    chosen = settings_of_all(arguments, "a fine-tuning has one run")
    values = {name: getattr(arguments, name) for name in ("loss", "positives", "labels", "patience")}
    values |= {name: chosen.pop(key) for key, name in _FINETUNE_KEYS.items() if key in chosen}
    settings = build(FinetuneSettings, values, "finetune")
    result = finetune(
        Path(arguments.run),
        settings,
        output=Path(arguments.output) if arguments.output else None,
        data_path=arguments.data,
        chosen=chosen,
        resume=arguments.resume,
    )
    record = result.record
    rows = [("pretrained, probe", cell(record["before"])), (f"{settings.loss}, probe", cell(record["after"]))]
    if record["classifier"]:
        rows.append((f"{settings.loss}, its own head", cell(record["classifier"])))
    print(score_table(result.metrics).text())
    print()
    print(Table(columns=(f"{record['task']}: balanced accuracy, %", "test ↑"), rows=tuple(rows), title="").text())
    best = ", ".join(str(epoch + 1) for epoch in record["best_epochs"])
    sys.stderr.write(f"{result.folder}: the best epoch on valid, by seed: {best}\n")
    return 0


def _parser(standard: Any) -> CommandParser:
    parser = CommandParser(
        prog="coral finetune",
        description="Train every seed of a run further with its labels: COrAL's own losses with the samples of a class "
        "as positives (paper, section 5.6.5), or a plain cross-entropy head as the baseline. Stops early on valid; "
        "the probe then reads test once.",
        examples=(
            "coral finetune runs/coral-digits --epochs 5",
            "coral finetune runs/coral-digits --loss cross_entropy --epochs 5 --lr 1e-4",
        ),
        everyday="loss labels patience epochs batch-size lr mask-ratio set device data output resume",
        epilog="The output is a run directory: coral evaluate and coral embed take it. Settings that are not named "
        "here are those of the run; device and precision may differ.",
    )
    add = parser.add_argument
    add("run", metavar="RUN_DIR", help="Run directory of coral train")
    add(
        "--loss", choices=("contrastive", "cross_entropy"), default=standard.loss,
        help="Loss: COrAL's own (contrastive, the default), or cross_entropy, which works with every objective",
    )  # fmt: skip
    add(
        "--positives", choices=("class", "class_neutral"), default=standard.positives,
        help="Positives of a sample: its class (default), or only its other view, with the rest of the class left out",
    )  # fmt: skip
    add("--labels", default=standard.labels, metavar="TASK", help="Classification task; the first one by default")
    add(
        "--patience", type=positive, default=standard.patience, metavar="N",
        help="Number of epochs without a better score on valid before it stops; %(default)s by default",
    )  # fmt: skip
    add_settings(parser)
    for flag, key, text in (
        ("--mask-ratio", "method.mask_ratio", f"Share of masked tokens, {standard.mask_ratio} by default"),
        ("--orthogonality-weight", "method.orthogonality_weight", "Weight of the orthogonality, 1 by default"),
    ):
        add_setting(parser, flag, key=key, metavar="X", help=text)
    add("--data", metavar="PATH", help="New path of the data, if they were moved")
    add("--output", metavar="DIR", help="Folder of the fine-tuned run; RUN_DIR/finetuned-<loss> by default")
    add("--resume", action="store_true", help="Go on with a fine-tuning that was stopped")
    return parser
