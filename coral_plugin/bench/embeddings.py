"""Densities of the embeddings of finished runs, as in COrAL's Figure 5."""

from __future__ import annotations

from pathlib import Path

from coral_plugin.bench.runner import Finished
from coral_plugin.bench.worker import read_record
from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.io.paths import slug
from coral_plugin.runs.folder import load_objective, open_run
from coral_plugin.runs.run import load_data


def draw_embeddings(folder: Path, finished: Finished) -> dict[str, Path]:
    """Projected parts of train and test of each method's first complete seed; returns ``{caption: PNG file}``.

    A run whose weights lie on another machine of a cluster is left out, and one without parts of one width too.
    """
    drawn: dict[str, Path] = {}
    for job in finished.jobs:
        where = f"{job.row} on {job.column}{f' ({job.condition})' if job.condition else ''}"
        caption = f"{where}: embeddings, seed {job.seed}"
        if job.finetune is not None:
            continue
        weights = job.folder / f"seed-{job.seed}" / "model.safetensors"
        if any(each.startswith(f"{where}:") for each in drawn) or read_record(job) is None or not weights.is_file():
            continue
        data = load_data(open_run(job.folder)[0])
        if data.test is None:
            continue
        objective = load_objective(job.folder, job.seed)
        train = embed_split(objective, data.train, projected=True)
        test = embed_split(objective, data.test, projected=True)
        if len({part.shape[1] for part in train.values()}) != 1:
            continue
        path = folder / "pictures" / slug(caption)
        embedding_density(path, train, test)
        drawn[caption] = path.with_name(f"{path.name}.png")
    return drawn
