"""The files that a finished grid leaves beside its runs: tables in five formats, pictures, one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_plugin.bench.cells import CellTable, cell_tables
from coral_plugin.bench.comparison import Comparison, LookUp
from coral_plugin.bench.formats import as_json, latex, markdown, scores_csv, summary_csv
from coral_plugin.bench.page import SCORES, Pictures, comparison_page
from coral_plugin.bench.pictures import draw_scores
from coral_plugin.evaluation.pages.model import REPORT_FILE
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import ENVIRONMENT, environment

TABLE_FILE = "table.json"


def write_report(
    folder: Path,
    comparison: Comparison,
    look_up: LookUp,
    more_pictures: Pictures | None = None,
    record: Mapping[str, Any] | None = None,
) -> list[CellTable]:
    """``table.md``, ``.tex``, ``.csv``, ``.json``, ``scores.csv`` by seed, pictures and ``report.html``.

    Args:
        folder: Folder of these files.
        comparison: Scores of the runs.
        look_up: Maker of the published numbers that may be shown with it.
        more_pictures: ``{section: {caption: PNG file}}`` for the page; files in ``folder/pictures``.
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
    listed = {
        section: {caption: path.name for caption, path in drawn.items()}
        for section, drawn in (more_pictures or {}).items()
    }
    write_json(folder / TABLE_FILE, {**as_json(comparison, look_up), "pictures": listed})
    write_json(folder / ENVIRONMENT, record)
    pictures = {SCORES: draw_scores(folder, comparison), **(more_pictures or {})}
    write_text(folder / REPORT_FILE, comparison_page(comparison, tables, pictures, record).html())
    return tables
