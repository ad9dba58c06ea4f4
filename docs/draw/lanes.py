"""What the schematics have in common: columns, and a view of two modalities up to its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from svg import FIRST, JOINT, MODALITIES, PLAIN, QUIET, SECOND, Colour, Drawing, Point

WIDTH, TOP, ROW, GAP = 760, 62, 52, 30
# middles of the columns; tokens begin there
VALUES, ENCODER, TOKENS, MEAN, VECTOR, HEAD, OUTPUT = 70, 134, 166, 262, 332, 394, 450
EDGE = OUTPUT + 28  # where bonds begin
VIEWS = "x′, x″: two augmented views"
SAMPLE = "x: the sample as it is"


def drawing(rows: float, title: str, note: str, columns: Mapping[float, str] | None = None) -> Drawing:
    """An empty picture of some rows, with the names of its columns."""
    d = Drawing(WIDTH, round(TOP + ROW * rows - 18), title)
    d.note = note
    named = {
        VALUES: "values",
        ENCODER: "encoder",
        TOKENS + 31: "tokens",
        VECTOR: "vector",
        HEAD: "head",
        OUTPUT: "output",
    }
    for x, words in (named if columns is None else columns).items():
        d.text(x, 20, words, size=12, colour=QUIET)
    return d


def lane(place: int) -> float:
    """Height of the first row of a view of two modalities."""
    return TOP + place * (2 * ROW + GAP)


def pooled(
    d: Drawing,
    y: float,
    mark: str,
    *,
    rows: Sequence[int] = (0, 1),
    kept: str = "vector",
    parts: Sequence[Sequence[Colour]] = ((FIRST,), (SECOND,)),
    head: str = "",
) -> list[Point]:
    """Each modality's values, encoder, tokens, mean and head, in rows from y on; the right ends of the outputs."""
    d.text(20, y + ROW / 2 * (len(rows) - 1), mark, size=15, weight="bold")
    ends = []
    for place, number in enumerate(rows):
        colour, middle = MODALITIES[number], y + ROW * place
        encoded(d, middle, number)
        d.arrow((TOKENS + 64, middle), (MEAN - 23, middle))
        d.box(MEAN, middle, 46, 24, "mean", size=12)
        d.arrow((MEAN + 23, middle), (VECTOR - 28, middle))
        d.vector(VECTOR, middle, [colour], kept=kept == "vector")
        headed(d, middle, parts[number], kept=kept == "output", words=head)
        ends.append((EDGE, middle))
    return ends


def encoded(d: Drawing, y: float, number: int, *, hidden: Sequence[int] = (), covered: bool = False) -> None:
    """Values, encoder and tokens of a modality."""
    d.modality(VALUES, y, number, hidden=covered)
    d.arrow((VALUES + 28, y), (ENCODER - 17, y))
    d.encoder(ENCODER, y, MODALITIES[number])
    d.tokens(TOKENS, y, MODALITIES[number], hidden=hidden)


def headed(d: Drawing, y: float, colours: Sequence[Colour], *, kept: bool = False, words: str = "") -> None:
    """A head, and its output."""
    d.arrow((VECTOR + 27, y), (HEAD - 17, y))
    d.encoder(HEAD, y, PLAIN, height=26, words=words)
    d.arrow((HEAD + 17, y), (OUTPUT - 27, y))
    d.vector(OUTPUT, y, colours, kept=kept)


def fused(
    d: Drawing, y: float, mark: str, *, hidden: Mapping[int, Sequence[int]] | None = None, covered: bool = False
) -> None:
    """Tokens of both modalities into one fusion."""
    d.text(20, y + ROW / 2, mark, size=12 if "," in mark else 15, weight="bold")
    for number in (0, 1):
        encoded(d, y + ROW * number, number, hidden=(hidden or {}).get(number, ()), covered=covered)
        d.arrow((TOKENS + 64, y + ROW * number), (MEAN - 28, y + ROW * number))
    d.box(MEAN, y + ROW / 2, 56, ROW + 36, "fusion", JOINT)


def projected(d: Drawing, y: float, colours: Sequence[Colour], words: str, *, kept: bool = False) -> Point:
    """A fused vector, its head, and the output with its name; the right end."""
    d.arrow((MEAN + 28, y), (VECTOR - 28, y))
    d.vector(VECTOR, y, colours, kept=kept)
    headed(d, y, colours)
    d.text(EDGE + 2, y, words, size=13, anchor="start")
    return EDGE + 34, y
