"""Pictures and reports anew from what a folder holds, without any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from coral_plugin.bench.report import TABLE_FILE
from coral_plugin.bench.stored import redraw
from coral_plugin.errors import CoralError, InputError
from coral_plugin.evaluation.pages.model import REPORT_FILE
from coral_plugin.evaluation.pictures.parts import part_dots
from coral_plugin.evaluation.pictures.run import draw_run_pictures
from coral_plugin.io.files import read_json
from coral_plugin.reproduce.figures import ABLATION, SUMMARY, draw_ablation, draw_information
from coral_plugin.reproduce.protocol import PaperNumbers
from coral_plugin.runs.evaluate import ROBUSTNESS
from coral_plugin.runs.finetune import is_finetuned
from coral_plugin.runs.folder import CONFIG, METRICS, PLOTS
from coral_plugin.runs.pictures import draw_evaluation
from coral_plugin.runs.report import write_run_report
from coral_plugin.runs.robustness import draw_robustness
from coral_plugin.training.log import LOG, read_log


def redraw_folder(folder: Path) -> list[Path]:
    """Draw every picture that the records in a folder allow, and write its report and a comparison's tables.

    Pictures of embeddings need the weights of a run: they stay as they are.

    Args:
        folder: Run directory, or folder or record of ``coral bench``, ``coral demo`` or ``coral ablate``.

    Returns:
        The pictures, as PNG files, and the report.

    Raises:
        InputError: no record, or a damaged one.
    """
    try:
        drawn = sorted(set(_redraw(folder)))
    except CoralError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"A record in {folder} is damaged ({type(error).__name__}: {error}).") from error
    if not drawn:
        raise InputError(
            f"{folder} holds nothing to draw: give the folder of coral train, coral bench, coral demo or coral ablate, "
            f"with its {METRICS}, {TABLE_FILE}, {SUMMARY} or {ABLATION}."
        )
    return drawn


def _redraw(folder: Path) -> Iterator[Path]:
    if (folder / TABLE_FILE).is_file():
        redraw(folder, PaperNumbers)
        yield from [*(folder / "pictures").glob("*.png"), folder / REPORT_FILE]
    if (folder / SUMMARY).is_file():
        draw_information(folder / "information", read_json(folder / SUMMARY))
        yield folder / "information.png"
    if (folder / ABLATION).is_file():
        variants = read_json(folder / ABLATION)["variants"]
        draw_ablation(folder / "ablation", {name: variant["summary"] for name, variant in variants.items()})
        yield folder / "ablation.png"
    if (folder / METRICS).is_file():
        metrics = {**read_json(folder / METRICS), "finetuned": is_finetuned(folder)}
        written = draw_run_pictures(folder / PLOTS, metrics, _histories(folder / LOG), None)
        yield from (path for path in written if path.suffix == ".png")
    for path in sorted(folder.glob("metrics-*.json")):  # the runs of the demo, in the record of its figures
        training = path.stem.removeprefix("metrics-")
        name = f"parts-{training}"
        part_dots(folder / name, read_json(path), training)
        yield folder / f"{name}.png"
    # the newest evaluation last: evaluations with several probes draw pictures of the same names
    for path in sorted(folder.glob("evaluation-*.json"), key=lambda path: path.stat().st_mtime_ns):
        draw = draw_robustness if path.name == ROBUSTNESS else draw_evaluation
        yield from (picture.with_name(f"{picture.name}.png") for picture in draw(folder, read_json(path)))
    if (folder / CONFIG).is_file():  # last: it shows the pictures
        yield write_run_report(folder)


def _histories(path: Path) -> dict[int, list[Mapping[str, float]]]:
    """``{seed: a record per epoch}`` of the log of a run; empty where a record has none."""
    histories: dict[int, list[Mapping[str, float]]] = {}
    for row in read_log(path):
        histories.setdefault(int(row.pop("seed")), []).append(row)
    return histories
