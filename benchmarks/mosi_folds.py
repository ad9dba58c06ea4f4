"""Probes the MOSI runs of ``small.sh mosi`` inside the test part, whose features have not seen their labels.

    sh benchmarks/small.sh mosi && python benchmarks/mosi_folds.py --output results/small/mosi

The text and vision features of ``../shared/data/mosi`` come from networks that were trained with the labels of train
and valid (its SOURCE.md), so a probe that is fitted there learns what does not hold on test. Here it is fitted on three
of five folds of whole videos of the test part, its penalty is chosen on a fourth, and the fifth is scored; nothing was
chosen by these figures. Raw values get the same probe.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np

from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.features import ALL, concatenate, embed_split, raw_features
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment
from coral_plugin.runs.folder import RESULT, load_objective, open_run
from coral_plugin.runs.run import load_data

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("CORAL_TEST_DATA") or ROOT.parent / "shared" / "data")
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "small" / "mosi" / "runs", help="finished runs")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "results" / "small" / "mosi", help="where the record goes"
    )
    arguments = parser.parse_args()
    with np.load(SHARED / "mosi" / "mosi_utterance.npz") as file:
        folds = file["meta/test_clean_fold"]
    scores: dict[tuple[str, str], list[float]] = {}
    for place, values in scored(arguments.runs, folds):
        scores.setdefault(place, []).append(fmean(values))
    if not scores:
        parser.error(f"{arguments.runs} holds no finished run of COrAL; run: sh benchmarks/small.sh mosi")
    rows = [{"modalities": m, "features": f, "values": values} for (m, f), values in scores.items()]
    write_json(arguments.output / "folds.json", {"schema": 1, "environment": environment(), "rows": rows})
    table = Table(
        ("modalities", "features", "balanced accuracy, % ↑", "n"),
        tuple((m, f, cell(values), str(len(values))) for (m, f), values in scores.items()),
        "MOSI, probed inside its test part",
        f"Means over {FOLDS} folds of whole videos; mean ± sample standard deviation over n trainings.",
    )
    write_text(arguments.output / "folds.md", table.markdown())
    print(table.markdown())


def scored(runs: Path, folds: np.ndarray) -> Iterator[tuple[tuple[str, str], list[float]]]:
    """``(modalities, features), score of each fold`` of every finished run, and of the raw values once."""
    embedded: set[str] = set()
    for folder in sorted(path.parent.parent for path in runs.glob(f"coral-*/seed-*/{RESULT}")):
        settings, _ = open_run(folder)
        data = load_data(settings)
        names = "+".join(modality.name for modality in data.modalities)
        sources = {"coral": embed_split(load_objective(folder, settings.seeds[0]), data.test)}
        if names not in embedded:
            embedded.add(names)
            sources["raw"] = raw_features(data.test, data.modalities)
        for source, features in sources.items():
            for part, values in {ALL: concatenate(features), **features}.items():
                yield (names, f"{source}: {part}"), folded(data, values, folds)


def folded(data: MultimodalData, features: np.ndarray, folds: np.ndarray) -> list[float]:
    """The score of ``features`` (N, d) of the test part in every fold."""
    (task,) = data.tasks
    truth = data.test.targets[task.name].numpy()
    scores = []
    for fold in range(FOLDS):
        test, valid = folds == fold, folds == (fold + 1) % FOLDS
        pairs = [(features[rows], truth[rows]) for rows in (~(test | valid), valid, test)]
        scores.append(probe(*pairs, task, ProbeSettings()).value)
    return scores


if __name__ == "__main__":
    main()
