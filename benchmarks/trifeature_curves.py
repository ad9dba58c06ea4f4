"""Scores the weights that long Trifeature trainings kept on their way: redundancy, uniqueness and synergy over epochs.

    coral bench --datasets trifeature ... --set training.keep_every=5 --output runs/long/trifeature
    python benchmarks/trifeature_curves.py --runs runs/long/trifeature --output results/long/trifeature

Redundancy and uniqueness are read from the training on unbiased pairs, synergy from the one on biased pairs, as in
every table. A second table reads all three from the training on biased pairs: one model in place of two. The same call
goes on with what a stopped one has left; scores are those of ``coral evaluate --over-training``.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coral_plugin.data import MultimodalData
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.names import method_title
from coral_plugin.evaluation.pictures.over_training import score_curves
from coral_plugin.evaluation.tables.model import NO_VALUE, Table, cell
from coral_plugin.io.files import read_json, write_json, write_text
from coral_plugin.reproduce.trifeature import PAIRINGS, TASK_OF
from coral_plugin.runs.environment import environment
from coral_plugin.runs.evaluate import kept_epochs, score_kept
from coral_plugin.runs.folder import RESULT, open_run, read_result
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import RunSettings, make_settings
from coral_plugin.training.checkpoint import kept_weights

AUROC = "synergy, AUROC"
CURVES = "over-training.json"  # in the folder of a seed: its scores, once they are computed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="--output of coral bench")
    parser.add_argument("--output", type=Path, required=True, help="where the record goes")
    arguments = parser.parse_args()
    try:
        by_row = scored(arguments.runs / "runs")
    except InputError as error:
        parser.error(str(error))
    if not by_row:
        parser.error(f"{arguments.runs} holds no finished run of Trifeature with weights that were kept.")
    panels = {kind: lines(by_row, kind) for kind in (*TASK_OF, AUROC)}
    write_json(
        arguments.output / "curves.json",
        {
            "schema": 1,
            "environment": environment(),
            "panels": panels,
            "biased": {k: ends(v) for k, v in by_row.items()},
        },
    )
    text = "\n".join(table.markdown() for table in (over_epochs(panels), one_model(by_row)))
    write_text(arguments.output / "curves.md", text)
    print(text)
    last = max(point["epochs"] for by_name in panels.values() for points in by_name.values() for point in points)
    score_curves(
        arguments.output / "curves",
        panels,
        "Trifeature over the training",
        marks=("COrAL's mask ratio rises", [last * quarter / 4 for quarter in (1, 2, 3)])
        if any("COrAL" in by_name for by_name in panels.values())
        else ("", ()),
    )


def scored(runs: Path) -> dict[str, dict[str, dict[int, dict[int, Any]]]]:
    """``{row: {pairing: {epochs: {seed: {task: score}}}}}`` of every finished run that kept weights."""
    data: dict[str, MultimodalData] = {}
    by_row: dict[str, dict[str, dict[int, dict[int, Any]]]] = {}
    for result in sorted(runs.glob(f"*/seed-*/{RESULT}")):
        folder, seed_folder = result.parent.parent, result.parent
        settings, _ = open_run(folder)
        if settings.dataset != "trifeature" or not settings.training.keep_every:
            continue
        pairing, (seed,), name = settings.source.pairing, settings.seeds, row_name(settings)
        if not (seed_folder / kept_weights(0)).is_file():
            print(f"{folder.name}: has kept no weights, left out", flush=True)
            continue
        if (seed_folder / CURVES).is_file():
            scores = {int(epochs): by_task for epochs, by_task in read_json(seed_folder / CURVES).items()}
        else:
            if pairing not in data:
                data[pairing] = load_data(settings)
            scores = {
                epochs: score_kept(folder, seed, epochs, data[pairing], settings.probe)
                for epochs in kept_epochs(folder, settings.seeds, settings.training.epochs)
            }
            scores[settings.training.epochs] = read_result(seed_folder)["scores"][ALL]
            write_json(seed_folder / CURVES, {str(epochs): by_task for epochs, by_task in scores.items()})
            print(f"{folder.name}: scored after {len(scores)} numbers of epochs", flush=True)
        for epochs, by_task in scores.items():
            by_seed = by_row.setdefault(name, {}).setdefault(pairing, {}).setdefault(epochs, {})
            if seed in by_seed:
                raise InputError(f"Two runs are {name}, {pairing} pairs, seed {seed}; {folder} is one of them.")
            by_seed[seed] = by_task
    return by_row


def row_name(settings: RunSettings) -> str:
    """The method, and what its settings differ by from those of its first preset."""
    usual = asdict(make_settings(settings.objective, settings.dataset).method)
    changed = {key: value for key, value in asdict(settings.method).items() if value != usual[key]}
    return ", ".join([method_title(settings.objective), *(f"{key}={value}" for key, value in changed.items())])


def lines(by_row: dict[str, Any], kind: str) -> dict[str, list[dict[str, Any]]]:
    """``{row: its points}`` of one kind of information, for the picture."""
    kind_of = "synergy" if kind == AUROC else kind
    pairing = next(name for name, kinds in PAIRINGS.items() if kind_of in kinds)
    return {
        row: [
            {"epochs": epochs, "score": summary(by_seed, TASK_OF[kind_of], auroc=kind == AUROC)}
            for epochs, by_seed in sorted(by_pairing[pairing].items())
        ]
        for row, by_pairing in by_row.items()
        if pairing in by_pairing
    }


def summary(by_seed: dict[int, Any], task: str, *, auroc: bool) -> dict[str, Any]:
    """Values of the seeds as a picture takes them."""
    scores = [by_seed[seed][task] for seed in sorted(by_seed)]
    if auroc:
        return {"metric": "auroc", "values": [score["also"]["auroc"] for score in scores]}
    return {"metric": scores[0]["metric"], "values": [score["value"] for score in scores]}


def ends(by_pairing: dict[str, Any]) -> dict[str, Any]:
    """``{kind: values of the seeds}`` at the end of the training on biased pairs alone."""
    if "biased" not in by_pairing:
        return {}
    by_seed = by_pairing["biased"][max(by_pairing["biased"])]
    kinds = {kind: summary(by_seed, task, auroc=False)["values"] for kind, task in TASK_OF.items()}
    return {**kinds, AUROC: summary(by_seed, TASK_OF["synergy"], auroc=True)["values"]}


def over_epochs(panels: dict[str, dict[str, list[dict[str, Any]]]]) -> Table:
    """A row for each method and number of epochs."""
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for kind, by_row in panels.items():
        for row, points in by_row.items():
            for point in points:
                cells.setdefault((row, point["epochs"]), {})[kind] = cell(point["score"]["values"])
    rows = tuple(
        (row, str(epochs), *(by_kind.get(kind, NO_VALUE) for kind in panels))
        for (row, epochs), by_kind in cells.items()
    )
    return Table(("method", "epochs", *(f"{kind} ↑" for kind in panels)), rows, "Trifeature over the training")


def one_model(by_row: dict[str, Any]) -> Table:
    """What the training on biased pairs alone holds, at its end."""
    found = {row: ends(by_pairing) for row, by_pairing in by_row.items()}
    kinds = (*TASK_OF, AUROC)
    rows = tuple((row, *(cell(values[kind]) for kind in kinds)) for row, values in found.items() if values)
    return Table(("method", *(f"{kind} ↑" for kind in kinds)), rows, "One model: the training on biased pairs alone")


if __name__ == "__main__":
    main()
