"""Scores of a method from the records in ``results/``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tables import table

RESULTS = Path(__file__).parents[2] / "results"
# folder and column of a record, and what was measured there
RECORDS = {
    ("wearables", ""): "four sensors",
    ("small/wearables", "wearables"): "four sensors",
    ("small/rivals_wearables", "wearables"): "four sensors, second record",
    ("long/trifeature", "trifeature"): "Trifeature, 32\u00a0px",
    ("long/trifeature_plus", "trifeature"): "Trifeature, 32\u00a0px, biased pairs alone",
    ("small/trifeature", "trifeature"): "Trifeature, 32\u00a0px",
    ("small/rivals_trifeature", "trifeature"): "Trifeature, 32\u00a0px",
    ("small/plus_trifeature", "trifeature"): "Trifeature, 32\u00a0px, second record",
    ("small/avmnist", "avmnist"): "AV-MNIST mini",
    ("small/digits", "digits"): "digits in two halves",
    ("small/plus_wearables", "wearables"): "four sensors, third record",
    ("small/mosi", "all"): "MOSI, three modalities",
    ("small/mosi", "vision_text"): "MOSI, vision and text",
    ("small/mosi", "audio_text"): "MOSI, audio and text",
    ("small/mosi", "vision_audio"): "MOSI, vision and audio",
}
_METRIC = "balanced_accuracy"


def results(name: str) -> str:
    """A row for each score of the method in every record, beside raw features, labels and chance."""
    rows = []
    for (folder, column), title in RECORDS.items():
        path = RESULTS / folder / "table.json"
        lines = _of_table(path, column, name) if path.exists() else _of_run(path.with_name("metrics.json"), name)
        rows += [(f"[{title}](../../results/{folder}){label}", *figures) for label, *figures in lines]
    if not rows:
        return "There is no record yet."
    head = ("data", "epochs", "this method", "raw features", "with labels", "chance", "seeds")
    return (
        f"{table(head, rows, numbers=6)}\n\n"
        "Balanced accuracy on test samples in %, mean ± sample standard deviation over the seeds. No person of the "
        "sensors' test samples and no speaker of AV-MNIST's is in a training sample."
    )


def _of_table(path: Path, column: str, name: str) -> Iterator[tuple[str, ...]]:
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    references = {
        kind: next((row for row in rows if row["kind"] == kind), None) for kind in ("raw features", "with labels")
    }
    for row in rows:
        if row["objective"] != name:
            continue
        for score in _scores(row, column):
            reference_figures = [
                next((_figure(other) for other in _scores(reference, column) if other["score"] == score["score"]), "–")
                if reference and reference is not row
                else "–"
                for reference in references.values()
            ]
            variant = f", {row['name'].replace('_', ' ')}" if row["name"] != name else ""
            of = f", {score['score']}" if score["score"] != "label" else ""
            yield (
                f"{variant}{of}",
                _epochs(row),
                _figure(score),
                *reference_figures,
                f"{100 * score['chance']:.1f}",
                str(score["n"]),
            )


def _of_run(path: Path, name: str) -> Iterator[tuple[str, ...]]:
    run = json.loads(path.read_text(encoding="utf-8"))
    if run["objective"] != name:
        return
    raw = (run.get("raw_features") or run["floor"])["all"]
    for task, score in run["tasks"].items():
        of = f", {task}" if task != "label" else ""
        epochs = str(run["train"]["epochs"])
        chance, seeds = f"{100 * score['chance']:.1f}", str(len(run["seeds"]))
        yield of, epochs, _figure(score), _figure(raw[task]), "–", chance, seeds


def _scores(row: Mapping[str, Any], column: str) -> list[dict[str, Any]]:
    return [score for score in row["scores"] if score["column"] == column]


def _epochs(row: Mapping[str, Any]) -> str:
    return str(row["chosen"].get("training.epochs", "–")) if row["kind"] != "raw features" else "–"


def _figure(score: Mapping[str, Any]) -> str:
    if score["metric"] != _METRIC:
        raise ValueError(f"{score['metric']} is no balanced accuracy, which the caption of the table says")
    deviation = f"\u00a0±\u00a0{100 * score['std']:.1f}" if score["std"] else ""
    return f"{100 * score['mean']:.1f}{deviation}"
