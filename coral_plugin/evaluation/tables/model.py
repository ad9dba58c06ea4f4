"""The model of a result table: cells, title and caption, and its formats Markdown and aligned text.

Written by hand: ``tabulate`` would save a dozen lines, escape no ``|`` in Markdown and be one more dependency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

NO_VALUE = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column names the rows.

    Attributes:
        columns: Headings of the columns.
        rows: Rows, as wide as the headings.
        title: Line above the table.
        caption: Lines below the table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    caption: str = ""

    def markdown(self) -> str:
        """A GitHub-flavoured table with its title and caption."""
        lines = [_markdown_line(self.columns)]
        lines.append(_markdown_line([":---", *["---:"] * (len(self.columns) - 1)]))
        lines.extend(_markdown_line(row) for row in self.rows)
        return self._between(lines, f"**{self.title}**" if self.title else "")

    def text(self) -> str:
        """Columns aligned with spaces, for a terminal; a heading ``task: metric`` takes two lines to be narrower."""
        heads = [column.rpartition(": ")[::2] for column in self.columns]
        above = [tuple(upper for upper, _ in heads)] if any(upper for upper, _ in heads) else []
        top = [*above, tuple(lower for _, lower in heads)]
        widths = [max(len(line[i]) for line in (*top, *self.rows)) for i in range(len(self.columns))]

        def aligned(line: Sequence[str]) -> str:
            first, *others = (
                text.ljust(width) if i == 0 else text.rjust(width)
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            )
            return "  ".join([first, *others]).rstrip()

        rule = "  ".join("-" * width for width in widths)
        return self._between([*map(aligned, top), rule, *map(aligned, self.rows)], self.title)

    def _between(self, lines: Iterable[str], title: str) -> str:
        blocks = (title, "\n".join(lines), self.caption)
        return "\n\n".join(block for block in blocks if block) + "\n"


def cell(values: Sequence[float | None], *, percent: bool = True, decimals: int | None = None) -> str:
    """``mean ± sample standard deviation``; the mean alone for one seed, a dash for none.

    Args:
        values: Value of each seed; None where a seed has none.
        percent: Whether values are multiplied by 100.
        decimals: Number of decimals; by default one for percent, else as many as three significant digits need.

    >>> cell([0.672, 0.686]), cell([0.1]), cell([]), cell([0.012, 0.014], percent=False)
    ('67.9 ± 1.0', '10.0', '–', '0.0130 ± 0.0014')
    """
    numbers = [value * (100 if percent else 1) for value in values if value is not None]
    if not numbers:
        return NO_VALUE
    if not all(map(math.isfinite, numbers)):
        return "not finite"
    mean = fmean(numbers)
    if decimals is None:
        decimals = 1 if percent or mean == 0 else min(6, max(0, 2 - math.floor(math.log10(abs(mean)))))
    deviation = f" ± {stdev(numbers):.{decimals}f}" if len(numbers) > 1 else ""
    return f"{mean:.{decimals}f}{deviation}"


def _markdown_line(texts: Iterable[str]) -> str:
    safe = (" ".join(text.split()).replace("|", "\\|") for text in texts)
    return f"| {' | '.join(safe)} |"
