"""The pictures of a run."""

from __future__ import annotations

from pathlib import Path

from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.pictures.plots import write_run_plots
from coral_plugin.evaluation.scoring import complete_samples
from coral_plugin.runs.run import Run

PLOTS = "plots"


def draw_run(finished: Run) -> list[Path]:
    """Curves, scores by part and the density of the embeddings (first seed), into ``plots/`` of the run's folder.

    Of the embeddings those samples are shown that have every modality.
    """
    if finished.folder is None:
        return []
    objective = finished.objectives[finished.settings.seeds[0]]
    test = None if finished.data.test is None else complete_samples(finished.data.test)
    shown = complete_samples(finished.data.train)
    embeddings = None
    if test is not None and shown is not None:
        train = embed_split(objective, shown, projected=True)
        embeddings = (train, embed_split(objective, test, projected=True)) if train else None
    return write_run_plots(finished.folder / PLOTS, finished.metrics, finished.histories, embeddings)
