"""The pictures of a finished grid: scores as dots, and where the parts of each method lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coral_plugin.bench.comparison import ComparedRow, Comparison, Measure
from coral_plugin.bench.grid import Job
from coral_plugin.bench.worker import read_record
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import method_title, sentence_case
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.pictures.dots import ReferenceLine, ScorePanel, score_dots
from coral_plugin.io.paths import slug
from coral_plugin.runs.folder import WEIGHTS, load_objective, open_run
from coral_plugin.runs.pictures import embedded_parts
from coral_plugin.runs.run import load_data

PICTURES = "pictures"


def draw_scores(folder: Path, comparison: Comparison) -> dict[str, Path]:
    """Dots of every method, a picture for each metric and in it a panel for each score.

    Raw features, training with labels and chance are lines; where a score has no other row, they are rows of dots.

    Returns:
        ``{caption: PNG file}``.
    """
    drawn = {}
    columns = [column.name for column in comparison.grid.columns]
    for metric_name in dict.fromkeys(measure.metric for measure in comparison.measures):
        measures = [measure for measure in comparison.measures if measure.metric == metric_name]
        label = metric_named(metric_name).label
        titles = {measure: _panel_title(measure, measures) for measure in measures}
        panels = {titles[measure]: _panel(comparison, measure) for measure in measures}
        if not any(panel.rows for panel in panels.values()):
            continue
        title = f"{sentence_case(label)} on {_data(comparison, measures)}"
        name = f"{columns[0]}: {label}" if len(columns) == 1 else label
        path = folder / PICTURES / slug(name)
        score_dots(path, panels, title)
        drawn[title] = path.with_name(f"{path.name}.png")
    return drawn


def _data(comparison: Comparison, measures: Sequence[Measure]) -> str:
    """The data set of the measures, or their number."""
    places = {measure.column for measure in measures}
    columns = [column for column in comparison.grid.columns if column.name in places]
    if len(columns) == 1 and columns[0].name != columns[0].dataset:
        return columns[0].name
    names = {column.dataset_title for column in columns}
    return names.pop() if len(names) == 1 else f"{len(names)} data sets"


def _panel_title(measure: Measure, measures: Sequence[Measure]) -> str:
    if len({other.column for other in measures}) == 1:
        return measure.score
    alone = sum(other.column == measure.column for other in measures) == 1
    return measure.column.replace("_", " ") if alone else f"{measure.column.replace('_', ' ')}: {measure.score}"


def _panel(comparison: Comparison, measure: Measure) -> ScorePanel:
    rows = [row for row in comparison.rows if measure in row.scores]
    methods = [row for row in rows if row.kind == "method"]
    levels = [row for row in rows if row.kind != "method"] if methods else []
    lines = [
        ReferenceLine(label=_level_title(row, levels), values=row.values_of(measure), kind=row.kind)
        for row in levels
        if row.kind != "method"
    ]
    if measure.chance is not None:
        lines.append(ReferenceLine(label="chance", values=[measure.chance], kind="chance"))
    shown = methods or rows
    several = len({row.method.objective for row in shown}) > 1
    titles = {row.method.name: _row_title(row, several) for row in shown}
    return ScorePanel(
        metric=metric_named(measure.metric),
        rows={titles[row.method.name]: row.values_of(measure) for row in shown},
        lines=lines,
        kinds={titles[row.method.name]: row.kind for row in shown if row.kind != "method"},
        unit=measure.unit,
    )


def _row_title(row: ComparedRow, several: bool) -> str:
    """Name of the row, with its method where it has a label of its own and the picture shows several methods."""
    method = row.method
    of_method = f" ({method_title(method.objective)})" if several and method.name != method.objective else ""
    return method.title + of_method


def _level_title(row: ComparedRow, levels: Sequence[ComparedRow]) -> str:
    """Kind of the row, and its name where another one is of the same kind."""
    alone = sum(other.kind == row.kind for other in levels) == 1
    return row.kind if alone else f"{row.method.title} ({row.kind})"


def draw_embeddings(folder: Path, jobs: Sequence[Job]) -> dict[str, Path]:
    """Where the parts of each method's first complete seed lie, and the classes of test (as COrAL's Figure 5).

    The parts are those behind the projection heads, or the representation itself where a method has no heads, of the
    samples that have every modality. A picture that stands already stays: it has the run's identity in its name. Left
    out are fine-tuned rows, data without a test split, parts of several widths, and runs whose weights are on another
    machine of a cluster.

    Returns:
        ``{caption: PNG file}``.
    """
    drawn: dict[str, Path] = {}
    for job in jobs:
        cell = f"{job.row} on {job.column}{f' ({job.condition})' if job.condition else ''}"
        weights = job.folder / f"seed-{job.seed}" / WEIGHTS
        if job.finetune is not None or any(caption.startswith(f"{cell}:") for caption in drawn):
            continue
        if read_record(job) is None or not weights.is_file():
            continue
        caption = f"{cell}: embeddings, seed {job.seed}"
        path = folder / PICTURES / slug(f"{caption} {job.identity[:8]}")  # not that of another run of this name
        picture = path.with_name(f"{path.name}.png")
        title = f"{job.title} on {job.column}, seed {job.seed}: embeddings"
        if picture.is_file() or _draw_parts(path, job, title):
            drawn[caption] = picture
    return drawn


def _draw_parts(path: Path, job: Job, title: str) -> bool:
    """Draw the embeddings of a run; returns whether there are any in one plane."""
    data = load_data(open_run(job.folder)[0])
    if (embedded := embedded_parts(load_objective(job.folder, job.seed), data)) is None:
        return False
    (train, test), classes = embedded
    embedding_density(path, train, test, classes=classes, title=title)
    return True
