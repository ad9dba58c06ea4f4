"""Colours, axes and labels that all pictures share, and the three files that a picture is saved as.

Only matplotlib's object interface: no pyplot, no settings changed for the rest of the process.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from coral_plugin.io.files import csv_text, write_aside, write_text

# Okabe and Ito: distinguishable with every common form of colour blindness
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
GREY = "#5A5A5A"
RAW_COLOUR = "#B34700"
WIDTH = 8.0
_TITLE = 100  # letters of a title
_LETTERS, _TITLE_LINE = 9.0, 0.22  # letters of a title in an inch, inches of a line
DPI = 150


def colour_of(index: int) -> str:
    """Colour of a curve or part by its number; the palette repeats after eight."""
    return PALETTE[index % len(PALETTE)]


def short_label(text: str, width: int = 32) -> str:
    r"""A name from a user's file as a label: at most ``width`` characters, without matplotlib's formulas.

    >>> short_label("price in $ or $US")
    'price in \\$ or \\$US'
    """
    text = " ".join(text.split())
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.replace("$", r"\$")


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, its size in inches, that keeps labels from overlapping."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    FigureCanvasAgg(figure)
    return figure


def put_title(figure: Figure, title: str, addition: str) -> None:
    """Put a title at the upper left of the figure, which grows by the lines of one that is longer than it is wide.

    Args:
        figure: Figure.
        title: Title, with names from a user's files; a long one is cut.
        addition: Words behind it, as the number of seeds, which are whole in any case.
    """
    title, width = f"{short_label(title, _TITLE)}, {addition}", round(_LETTERS * figure.get_figwidth())
    text = figure.suptitle(textwrap.fill(title, width), fontsize=13, x=0.012, ha="left")
    while text.get_window_extent().x1 > 0.99 * figure.bbox.x1 and width > 9:  # capitals are wide
        width -= 4
        text.set_text(textwrap.fill(title, width))
    figure.set_figheight(figure.get_figheight() + _TITLE_LINE * text.get_text().count("\n"))


def style_axes(axes: Any, *, grid: str | None = "y") -> None:
    """Two spines, a light grid behind the data, readable ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=GREY, labelcolor="black", labelsize=10)
    if grid:
        axes.grid(axis=grid, color="#DDDDDD", linewidth=0.8)
        axes.set_axisbelow(True)


def save_figure(figure: Figure, path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write ``<path>.png``, ``<path>.svg`` and ``<path>.csv``, the data behind the picture."""
    for kind, metadata in (("png", {"Software": "coral-multibench"}), ("svg", {"Date": None})):
        # names inside an SVG are random without a salt: the same picture would be another file each time
        with write_aside(path.with_name(f"{path.name}.{kind}")) as aside, rc_context({"svg.hashsalt": "coral"}):
            # the name of the file that is renamed later need not end in its format
            figure.savefig(aside, format=kind, dpi=DPI, metadata=metadata, facecolor="white")
    write_text(path.with_name(f"{path.name}.csv"), csv_text(columns, rows))
