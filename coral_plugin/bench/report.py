"""The files that a finished grid leaves beside its runs: tables in five formats, pictures, one HTML page."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coral_plugin.bench.captions import shown_name
from coral_plugin.bench.cells import CellTable, cell_tables
from coral_plugin.bench.comparison import Comparison, LookUp
from coral_plugin.bench.formats import as_json, latex, markdown, scores_csv, summary_csv
from coral_plugin.bench.grid import Job
from coral_plugin.bench.worker import read_record
from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.pictures.bars import grouped_bars
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.io.files import write_json, write_text
from coral_plugin.io.paths import slug
from coral_plugin.runs.environment import environment
from coral_plugin.runs.folder import ENVIRONMENT, load_objective, open_run
from coral_plugin.runs.run import load_data

TABLE_FILE, TEMPLATE = "table.json", "report.html.j2"


def write_report(
    folder: Path,
    comparison: Comparison,
    look_up: LookUp,
    more_pictures: Mapping[str, Path] | None = None,
    record: Mapping[str, Any] | None = None,
) -> list[CellTable]:
    """``table.md``, ``.tex``, ``.csv``, ``.json``, ``scores.csv`` by seed, pictures and ``report.html``.

    Args:
        folder: Folder of these files.
        comparison: Scores of the runs.
        look_up: Maker of the published numbers that may be shown with it.
        more_pictures: ``{caption: PNG file}`` for the page.
        record: Command and machine behind the runs; those of this process by default.

    Returns:
        The tables.
    """
    tables = cell_tables(comparison, look_up)
    record = record or environment()
    write_text(folder / "table.md", "\n".join(map(markdown, tables)))
    write_text(folder / "table.tex", "\n".join(map(latex, tables)))
    write_text(folder / "table.csv", summary_csv(comparison, look_up))
    write_text(folder / "scores.csv", scores_csv(comparison))
    write_json(folder / TABLE_FILE, as_json(comparison, look_up))
    write_json(folder / ENVIRONMENT, record)
    pictures = {**draw_scores(folder, comparison), **(more_pictures or {})}
    write_text(folder / "report.html", _page(comparison, tables, pictures, record))
    return tables


def draw_scores(folder: Path, comparison: Comparison) -> dict[str, Path]:
    """Bars of every method on every data set; returns ``{caption: PNG file}``."""
    drawn = {}
    for column in comparison.grid.columns:
        for metric_name in dict.fromkeys(m.metric for m in comparison.measures if m.column == column.name):
            measures = [m for m in comparison.measures if m.column == column.name and m.metric == metric_name]
            metric = metric_named(metric_name)
            groups = {
                shown_name(row, comparison, [column.name]): {
                    m.score: list(row.scores[m].values.values()) for m in measures if m in row.scores
                }
                for row in comparison.rows
            }
            groups = {name: values for name, values in groups.items() if values}
            if not groups:
                continue
            name = f"{column.name}: {metric.label}"
            path = folder / "pictures" / slug(name)
            grouped_bars(
                path,
                groups,
                {m.score: m.chance for m in measures if m.chance is not None},
                name,
                metric.axis_label,
                percent=metric.is_share,
            )
            drawn[name] = path.with_name(f"{path.name}.png")
    return drawn


def draw_embeddings(folder: Path, jobs: Sequence[Job]) -> dict[str, Path]:
    """Densities of the projected parts of train and test, of each method's first complete seed (COrAL's Figure 5).

    A run whose weights are on another machine of a cluster is left out, and one whose parts differ in width too.

    Returns:
        ``{caption: PNG file}``.
    """
    drawn: dict[str, Path] = {}
    for job in jobs:
        cell = f"{job.row} on {job.column}{f' ({job.condition})' if job.condition else ''}"
        weights = job.folder / f"seed-{job.seed}" / "model.safetensors"
        if job.finetune is not None or any(caption.startswith(f"{cell}:") for caption in drawn):
            continue
        if read_record(job) is None or not weights.is_file():
            continue
        data = load_data(open_run(job.folder)[0])
        if data.test is None:
            continue
        objective = load_objective(job.folder, job.seed)
        train = embed_split(objective, data.train, projected=True)
        test = embed_split(objective, data.test, projected=True)
        if len({part.shape[1] for part in train.values()}) == 1:
            caption = f"{cell}: embeddings, seed {job.seed}"
            path = folder / "pictures" / slug(caption)
            embedding_density(path, train, test)
            drawn[caption] = path.with_name(f"{path.name}.png")
    return drawn


def _page(
    comparison: Comparison, tables: Sequence[CellTable], pictures: Mapping[str, Path], record: Mapping[str, Any]
) -> str:
    from jinja2 import Environment, PackageLoader

    page = Environment(loader=PackageLoader("coral_plugin.bench", "."), autoescape=True)
    command = [Path(record["command"][0]).name, *record["command"][1:]]
    return page.get_template(TEMPLATE).render(
        title=comparison.grid.title,
        tables=tables,
        pictures=[(name, _inline(path)) for name, path in pictures.items()],
        failed=comparison.failed,
        command=shlex.join(command),
        environment=record,
        fingerprints=comparison.fingerprints,
    )


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
