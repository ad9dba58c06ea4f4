"""The files that a finished grid leaves beside its runs: tables in five formats, pictures, one HTML page."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coral_plugin.bench.cells import CellTable, cell_tables
from coral_plugin.bench.comparison import Comparison, LookUp
from coral_plugin.bench.formats import as_json, latex, markdown, scores_csv, summary_csv
from coral_plugin.bench.pictures import draw_scores
from coral_plugin.io.files import write_json, write_text
from coral_plugin.runs.environment import environment
from coral_plugin.runs.folder import ENVIRONMENT

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
