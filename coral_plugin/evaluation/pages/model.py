"""A report as data: sections of paragraphs, tables, pictures and lists, and the HTML file that is made of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from coral_plugin.io.paths import slug

REPORT_FILE, TEMPLATE = "report.html", "page.html.j2"
LARGEST_PICTURE = 400_000  # bytes; a greater one would make the file slow to open and to send


@dataclass(frozen=True)
class PageCell:
    """A cell of a table.

    Attributes:
        text: Plain text.
        mark: Place among the methods, which the cell is set in bold or underlined for.
    """

    text: str
    mark: Literal["", "best", "second"] = ""


@dataclass(frozen=True)
class PageGroup:
    """Rows of a table that belong together.

    Attributes:
        rows: Cells by row; the first cell names the row.
        label: Line above the rows; empty for none.
    """

    rows: Sequence[Sequence[PageCell]]
    label: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table that scrolls inside itself, its first column always in view.

    Attributes:
        head: Heads of the columns.
        groups: Groups of rows, with a rule between them.
        notes: Sentences below the table.
        words: Whether the cells are words, which are set to the left, and not numbers.
    """

    form: ClassVar[str] = "table"
    head: Sequence[str]
    groups: Sequence[PageGroup]
    notes: Sequence[str] = ()
    words: bool = False


@dataclass(frozen=True)
class Paragraphs:
    """Sentences, a paragraph each."""

    form: ClassVar[str] = "paragraphs"
    lines: Sequence[str]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    form: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Definition:
    """An entry of a list of definitions.

    Attributes:
        term: Name that is defined.
        text: Sentence about it.
        code: Name that a user types for it; empty for none.
        facts: Short facts, set one beside the other.
    """

    term: str
    text: str = ""
    code: str = ""
    facts: Sequence[str] = ()


@dataclass(frozen=True)
class Definitions:
    """A list of definitions."""

    form: ClassVar[str] = "definitions"
    entries: Sequence[Definition]


@dataclass(frozen=True)
class Listing:
    """Text that a user copies, for example a command."""

    form: ClassVar[str] = "listing"
    text: str


@dataclass(frozen=True)
class PagePicture:
    """A picture from a PNG file, which becomes part of the page.

    Attributes:
        caption: Description, which stands below it and for readers who cannot see it.
        path: PNG file.
    """

    form: ClassVar[str] = "picture"
    caption: str
    path: Path

    @property
    def address(self) -> str:
        """The picture itself as an address (``data:`` URL)."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()

    @property
    def fits(self) -> bool:
        """Whether the file is small enough to become part of the page."""
        return self.path.stat().st_size <= LARGEST_PICTURE


@dataclass(frozen=True)
class Folded:
    """Items that a reader opens.

    Attributes:
        summary: Line that is always visible.
        content: Items that it opens.
    """

    form: ClassVar[str] = "folded"
    summary: str
    content: Sequence[PageItem]


@dataclass(frozen=True)
class PageSection:
    """A section with a heading, which the list at the top of the page leads to."""

    title: str
    content: Sequence[PageItem]

    @property
    def anchor(self) -> str:
        """Name of the section in addresses."""
        return slug(self.title).lower()


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: Methods and data sets of the report.
        kind: Command that wrote it, above the title.
        lead: Sentences below the title: what came out.
        facts: ``(name, value)`` of what a reader needs first.
        sections: Sections; those without items are left out.
    """

    title: str
    kind: str
    lead: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[PageSection] = field(default_factory=tuple)

    def html(self) -> str:
        """The page as one file. Everything that it shows is escaped.

        >>> page = Page("a < b", "coral bench", sections=[PageSection("Results", [Paragraphs(["<script>"])])])
        >>> "<h1>a &lt; b</h1>" in page.html(), "<p>&lt;script&gt;</p>" in page.html()
        (True, True)
        """
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("coral_plugin.evaluation.pages", "."),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["unbroken"] = _unbroken
        sections = [section for section in self.sections if section.content]
        return environment.get_template(TEMPLATE).render(page=self, sections=sections)


def _unbroken(text: str) -> str:
    """The text with its numbers, deviations and units in one line each."""
    for sign in (" \N{PLUS-MINUS SIGN} ", " < "):
        text = text.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


PageItem = Paragraphs | Heading | Definitions | Listing | PageTable | PagePicture | Folded
