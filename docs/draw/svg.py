"""The shapes of the schematics: modalities, encoders, tokens, vectors, and bonds between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

INK, QUIET, PAPER = "#1f2430", "#6b7280", "#ffffff"
PULL, APART = "#1f8a4c", "#c2362b"
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
Point = tuple[float, float]


class Colour(tuple[str, str]):
    """A dark colour for outlines and a light one for areas."""

    __slots__ = ()


FIRST, SECOND, JOINT, PLAIN = (
    Colour(("#2464ad", "#d7e6f7")),
    Colour(("#c96a12", "#fbe3c8")),
    Colour(("#6a4aa3", "#e6def4")),
    Colour(("#5b6472", "#eceff3")),
)
MODALITIES = FIRST, SECOND


class Drawing:
    """An SVG picture in the making; places are in pixels, from the upper left corner.

    Args:
        width: Width.
        height: Height without the legend.
        title: One sentence for readers who do not see the picture.

    Attributes:
        note: Further words of the legend, such as what x stands for.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []
        self.pills: list[tuple[float, float, str, str]] = []
        self.used: set[str] = set()
        self.note = ""

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 14,
        anchor: str = "middle",
        colour: str = INK,
        weight: str = "normal",
    ) -> None:
        """Words with their middle at height y; ``_x`` and ``_{xy}`` are subscripts."""
        self.parts.append(
            f'<text x="{x:g}" y="{y + size * 0.35:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{_spans(words, size)}</text>'
        )

    def rectangle(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: str,
        line: str,
        *,
        radius: float = 4,
        stroke: float = 1.3,
        dash: str = "",
    ) -> None:
        """A rectangle with its upper left corner at (x, y)."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius:g}" fill="{fill}" stroke="{line}" '
            f'stroke-width="{stroke:g}"{dashed}/>'
        )

    def path(self, route: str, line: str, *, stroke: float = 1.5, fill: str = "none", dash: str = "") -> None:
        """A path in SVG's own words."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path d="{route}" fill="{fill}" stroke="{line}" stroke-width="{stroke:g}"{dashed}/>')

    def box(self, x: float, y: float, w: float, h: float, words: str, colour: Colour = PLAIN, size: float = 13) -> None:
        """A box with its middle at (x, y); each line of ``words`` is a line in it."""
        dark, light = colour
        self.rectangle(x - w / 2, y - h / 2, w, h, light, dark)
        lines = words.split("\n")
        for place, line in enumerate(lines):
            self.text(x, y + (place - (len(lines) - 1) / 2) * size * 1.25, line, size=size)

    def modality(self, x: float, y: float, number: int, *, hidden: bool = False) -> None:
        """The values of the first modality, a curve, or the second, a picture; ``hidden`` covers half of them."""
        dark, _ = MODALITIES[number]
        self.rectangle(x - 28, y - 17, 56, 34, PAPER, dark)
        if number == 0:
            self.path(f"M{x - 23:g},{y + 3:g} c6,-18 10,-18 15,0 s9,16 14,0 s9,-14 17,-3", dark, stroke=2)
        else:
            self.parts.append(f'<circle cx="{x + 13:g}" cy="{y - 6:g}" r="4.5" fill="{dark}"/>')
            self.path(
                f"M{x - 25:g},{y + 14:g} l14,-20 l10,13 l7,-8 l13,15 z", dark, fill=MODALITIES[number][1], stroke=1.5
            )
        if hidden:
            self.used.add("hidden")
            for left in (-28, 0):
                self.rectangle(x + left, y - 17, 14, 34, "url(#hidden)", QUIET, radius=0, stroke=0.8, dash="2 2")

    def encoder(self, x: float, y: float, colour: Colour, *, height: float = 30, words: str = "") -> None:
        """A trained map, drawn as a funnel, with its middle at (x, y)."""
        dark, light = colour
        h = height / 2
        route = f"M{x - 17:g},{y - h:g} L{x + 17:g},{y - h * 0.55:g} V{y + h * 0.55:g} L{x - 17:g},{y + h:g} Z"
        self.path(route, dark, fill=light, stroke=1.3)
        if words:
            self.text(x, y, words, size=11)

    def tokens(self, x: float, y: float, colour: Colour, *, count: int = 4, hidden: Sequence[int] = ()) -> None:
        """A row of tokens that begins at x; those of ``hidden`` are masked."""
        dark, light = colour
        for place in range(count):
            masked = place in hidden
            if masked:
                self.used.add("hidden")
            fill, line = ("url(#hidden)", QUIET) if masked else (light, dark)
            self.rectangle(x + 16 * place, y - 6.5, 13, 13, fill, line, radius=2, dash="2 2" if masked else "")

    def vector(self, x: float, y: float, colours: Sequence[Colour], *, kept: bool = False, width: float = 48) -> None:
        """A vector with its middle at (x, y), in as many parts as colours; ``kept``: it is the representation."""
        part = width / len(colours)
        for place, (dark, light) in enumerate(colours):
            left = x - width / 2 + place * part
            self.rectangle(left, y - 8, part, 16, light, dark, radius=0)
            for cell in range(1, round(part / 12)):
                self.path(f"M{left + cell * 12:g},{y - 8:g} v16", dark, stroke=0.7)
        if kept:
            self.used.add("kept")
            self.rectangle(x - width / 2 - 3, y - 11, width + 6, 22, "none", INK, radius=4, stroke=2.4)

    def arrow(self, *points: Point) -> None:
        """The way of the data, from point to point."""
        (x0, y0), (x, y) = points[-2:]
        length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-6)
        along = ((x - x0) / length, (y - y0) / length)
        back = (x - 5 * along[0], y - 5 * along[1])
        # the line ends below the head, which comes to a point
        self.path("M" + " L".join(f"{a:.4g},{b:.4g}" for a, b in (*points[:-1], back)), QUIET, stroke=1.2)
        self._head((x, y), along, QUIET, 5.5)

    def pull(self, start: Point, end: Point, bend: float, words: str = "", *, at: float = 0.5) -> None:
        """A loss that pulls two vectors together: a curve ``bend`` pixels to the right, and its name ``at`` a share."""
        self._bond(start, end, bend, words, at, PULL, "")
        self.used.add("pull")

    def apart(self, start: Point, end: Point, bend: float, words: str = "", *, at: float = 0.5) -> None:
        """A loss that keeps two vectors apart."""
        self._bond(start, end, bend, words, at, APART, "5 3")
        self.used.add("apart")

    def svg(self) -> str:
        """The whole picture, with a legend of what it uses."""
        for x, y, words, colour in self.pills:
            wide = 7.4 * len(re.sub(r"[_{}]", "", words)) + 12
            self.rectangle(x - wide / 2, y - 10, wide, 20, PAPER, colour, radius=10, stroke=1.2)
            self.text(x, y, words, size=12.5, colour=colour)
        self._legend()
        height = self.height + 34
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}" '
            f'height="{height}" font-family="{FONT}" role="img">\n<title>{escape(self.title)}</title>\n'
            '<defs><pattern id="hidden" width="4" height="4" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect width="4" height="4" fill="#ffffff"/>'
            f'<path d="M0,0 v4" stroke="{QUIET}" stroke-width="1.6"/></pattern></defs>\n'
            f'<rect width="{self.width}" height="{height}" rx="8" fill="{PAPER}"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )

    def _bond(self, start: Point, end: Point, bend: float, words: str, at: float, colour: str, dash: str) -> None:
        (x0, y0), (x1, y1) = start, end
        across = max(x0, x1) + bend
        self.path(f"M{x0:g},{y0:g} C{across:g},{y0:g} {across:g},{y1:g} {x1:g},{y1:g}", colour, stroke=1.8, dash=dash)
        for x, y in (start, end):
            self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="2.8" fill="{colour}"/>')
        if words:
            # a cubic curve with its two control points at ``across``
            left = 1 - at
            x = left**3 * x0 + 3 * left * at * across + at**3 * x1
            y = (left**3 + 3 * left**2 * at) * y0 + (3 * left * at**2 + at**3) * y1
            self.pill(x, y, words, colour)

    def pill(self, x: float, y: float, words: str, colour: str) -> None:
        """The name of a loss on a white ground, above all lines."""
        self.pills.append((x, y, words, colour))

    def _head(self, point: Point, along: Point, colour: str, size: float) -> None:
        (x, y), (a, b) = point, along
        left = (x - size * a - size * 0.5 * b, y - size * b + size * 0.5 * a)
        right = (x - size * a + size * 0.5 * b, y - size * b - size * 0.5 * a)
        self.path(
            f"M{x:.4g},{y:.4g} L{left[0]:.4g},{left[1]:.4g} L{right[0]:.4g},{right[1]:.4g} Z",
            colour,
            fill=colour,
            stroke=0.5,
        )

    def _legend(self) -> None:
        y, x = self.height + 14, 22.0
        for name, words in _LEGEND.items():
            if name not in self.used:
                continue
            match name:
                case "pull" | "apart":
                    colour, dash = (PULL, "") if name == "pull" else (APART, "5 3")
                    self.path(f"M{x:g},{y:g} h24", colour, stroke=1.8, dash=dash)
                    for end in (x, x + 24):
                        self.parts.append(f'<circle cx="{end:g}" cy="{y:g}" r="2.8" fill="{colour}"/>')
                case "hidden":
                    self.rectangle(x, y - 6.5, 13, 13, "url(#hidden)", QUIET, radius=2, dash="2 2")
                case "kept":
                    self.rectangle(x, y - 8, 26, 16, PAPER, INK, radius=4, stroke=2.4)
            x += 23 if name == "hidden" else 33
            self.text(x, y, words, size=12.5, anchor="start", colour=QUIET)
            x += 6.1 * len(words) + 24
        self.text(x, y, self.note, size=12.5, anchor="start", colour=QUIET)


_LEGEND = {
    "kept": "representation",
    "pull": "pulled together",
    "apart": "kept apart",
    "hidden": "masked",
}


def _spans(words: str, size: float) -> str:
    """Text with subscripts as SVG, which has none of its own that every browser draws."""
    result = []
    for plain, long, short in re.findall(r"([^_]+)|_\{([^}]*)\}|_(.)", words):
        if plain:
            result.append(escape(plain))
        else:
            down = size * 0.25
            result.append(f'<tspan dy="{down:g}" font-size="{size * 0.75:g}">{escape(long or short)}</tspan>')
            result.append(f'<tspan dy="{-down:g}">\u200b</tspan>')
    return "".join(result)
