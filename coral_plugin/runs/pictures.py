"""Pictures of a run that its networks or an evaluation give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_plugin.data import MultimodalData
from coral_plugin.evaluation.features import ALL, embed_split, project_parts
from coral_plugin.evaluation.names import run_names
from coral_plugin.evaluation.pictures.classes import ClassPoints, class_points
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.pictures.over_training import score_curves
from coral_plugin.evaluation.pictures.parts import missing_dots
from coral_plugin.evaluation.pictures.run import SplitEmbeddings
from coral_plugin.evaluation.scoring import complete_samples
from coral_plugin.objectives import Objective
from coral_plugin.runs.folder import PLOTS, load_objective

# why there is no picture of the embeddings
NO_PLANE = "the parts differ in width, or no sample of train or of test has every modality"


def embedded_parts(objective: Objective, data: MultimodalData) -> tuple[SplitEmbeddings, ClassPoints | None] | None:
    """Parts of the train and test samples that have every modality, and the classes of test.

    The parts are those behind the projection heads, or the representation itself where a method has no heads.

    Args:
        objective: Trained networks.
        data: Data set of the run.

    Returns:
        None without such samples, and where the parts differ in width: a picture has one plane for all of them.
    """
    train, test = complete_samples(data.train), data.test and complete_samples(data.test)
    if train is None or test is None:
        return None
    parts = embed_split(objective, test)
    for projected in (True, False):
        of_train = embed_split(objective, train, projected=projected)
        of_test = project_parts(objective, parts, test) if projected else parts
        if len({part.shape[1] for part in of_train.values()}) == 1:
            return (of_train, of_test), class_points(objective, test, data.tasks, parts)
    return None


def draw_umap(folder: Path, seed: int, data: MultimodalData) -> list[Path]:
    """Draw the embeddings of a seed with UMAP into ``plots/`` of the run's ``folder``.

    Returns:
        Path of the picture, without ending; none where :func:`embedded_parts` has nothing for it.
    """
    objective = load_objective(folder, seed)
    if (embedded := embedded_parts(objective, data)) is None:
        return []
    (train, test), classes = embedded
    path = folder / PLOTS / "embeddings-umap"
    embedding_density(path, train, test, classes=classes, title=f"Embeddings of seed {seed}", method="umap")
    return [path]


def draw_evaluation(folder: Path, metrics: Mapping[str, Any]) -> list[Path]:
    """Draw an evaluation's scores of missing modalities and over the training into ``plots/`` of the run's ``folder``.

    Args:
        folder: Run directory.
        metrics: Content of ``evaluation-<probe>.json``, with ``missing`` or ``over_training`` where they were scored.

    Returns:
        Paths of the pictures, without ending.
    """
    pictures = []
    if "missing" in metrics:
        pictures.append(folder / PLOTS / "missing")
        missing_dots(pictures[-1], metrics)
    if "over_training" in metrics:
        pictures.append(folder / PLOTS / "over-training")
        _draw_over_training(pictures[-1], metrics)
    return pictures


def _draw_over_training(path: Path, metrics: Mapping[str, Any]) -> None:
    points = {
        task: [{"epochs": entry["epochs"], "score": entry["tasks"][task]} for entry in metrics["over_training"]]
        for task in metrics["tasks"]
    }
    name = run_names(metrics)
    raw = {task: score["mean"] for task, score in metrics["raw_features"].get(ALL, {}).items()}
    score_curves(path, {task: {name: line} for task, line in points.items()}, f"{name} over the training", raw=raw)
