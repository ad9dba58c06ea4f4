"""Schematics of the methods, ``docs/pictures/methods/NAME.svg``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lanes import (
    EDGE,
    ENCODER,
    GAP,
    HEAD,
    MEAN,
    OUTPUT,
    ROW,
    SAMPLE,
    TOKENS,
    TOP,
    VALUES,
    VECTOR,
    VIEWS,
    drawing,
    fused,
    lane,
    pooled,
    projected,
)  # fmt: skip
from svg import APART, FIRST, JOINT, MODALITIES, PLAIN, PULL, QUIET, SECOND, Drawing, Point


def clip() -> Drawing:
    """One sample, two projections."""
    d = drawing(2, "CLIP: the modalities of a sample are encoded, projected and pulled together.", SAMPLE)
    d.pull(*pooled(d, TOP, "x", kept="output"), 90, "CLIP")
    return d


def cmc() -> Drawing:
    """One sample, every pair of modalities."""
    d = drawing(2, "CMC: NT-Xent between the projections of every two modalities of a sample.", SAMPLE)
    d.pull(*pooled(d, TOP, "x"), 110, "NTX, every pair")
    return d


def simclr() -> Drawing:
    """Two views, each modality by itself."""
    d = drawing(4.6, "SimCLR: two views of each modality are pulled together; no modality sees another.", VIEWS)
    one, two = pooled(d, lane(0), "x′"), pooled(d, lane(1), "x″")
    for a, b, bend, at in zip(one, two, (100, 210), (0.66, 0.5), strict=True):
        d.pull(a, b, bend, "NTX", at=at)
    return d


def cross_self() -> Drawing:
    """The sample and two views."""
    d = drawing(
        7.2, "Cross+Self: modalities of a sample, and two views of each, are pulled together.", f"{SAMPLE}; {VIEWS}"
    )
    one, raw, two = (pooled(d, lane(place), mark) for place, mark in enumerate(("x′", "x", "x″")))
    d.pull(*raw, 80, "NTX")
    for a, b, bend in zip(one, two, (190, 310), strict=True):
        d.pull(a, b, bend, "NTX")
    return d


def slip() -> Drawing:
    """CLIP on the sample, SimCLR on two views of a modality."""
    d = drawing(
        5.2, "SLIP: CLIP between the modalities of a sample, NT-Xent between two views of some.", f"{SAMPLE}; {VIEWS}"
    )
    step = ROW + GAP
    one = pooled(d, TOP, "x′", rows=[1], kept="", head="self")
    raw = pooled(d, TOP + step, "x", kept="output")
    two = pooled(d, TOP + step + 2 * ROW + GAP, "x″", rows=[1], kept="", head="self")
    d.pull(*raw, 80, "CLIP")
    d.pull(one[0], two[0], 230, "NTX")
    return d


def split(
    title: str, across: str, apart: str, within: str, halves: str, lanes: Sequence[int], note: str = VIEWS
) -> Drawing:
    """Outputs in two parts: the left ones agree across modalities, the right ones do not; two views agree."""
    d = drawing(4.6, title, note)
    parts = ((JOINT, FIRST), (JOINT, SECOND))
    views = [pooled(d, lane(place), mark, parts=parts) for place, mark in enumerate(("x′", "x″"))]
    left, right = OUTPUT - 12, OUTPUT + 12
    for place in lanes:
        (_, above), (_, below) = views[place]
        d.pull((left, above + 10), (left, below - 10), 0)
        d.apart((right, above + 10), (right, below - 10), 0)
        d.pill(left - 24, (above + below) / 2, across, PULL)
        d.pill(right + 24, (above + below) / 2, apart, APART)
    for a, b, bend, at in zip(*views, (130, 250), (0.7, 0.5), strict=True):
        d.pull(a, b, bend, within, at=at)
    d.text(OUTPUT, 38, halves, size=12, colour=QUIET)
    return d


def focal() -> Drawing:
    """Halves that are shared and private."""
    d = split(
        "FOCAL: shared halves agree across modalities, private halves across views; all halves are orthogonal.",
        "NTX", "cos", "NTX, private", "shared | private", (0, 1),
    )  # fmt: skip
    for y in (lane(0), lane(0) + ROW, lane(1), lane(1) + ROW):
        d.path(f"M{OUTPUT - 10},{y + 9:g} c2,9 18,9 20,0", APART, stroke=1.8, dash="4 2")
    return d


def decur() -> Drawing:
    """Dimensions that are common and unique."""
    return split(
        "DeCUR: common dimensions agree across modalities, unique ones do not correlate; all agree across views.",
        "C = 1", "C = 0", "C = 1", "common | unique", (0,), f"{VIEWS}; C: cross-correlation",
    )  # fmt: skip


def factorcl() -> Drawing:
    """A sample and its copy, between critics."""
    title = "FactorCL: critics bound the information that modalities and copies share, from below and from above."
    columns = {
        VALUES: "values", ENCODER: "encoder", TOKENS + 31: "tokens", VECTOR: "vector", HEAD: "5 heads",
        OUTPUT: "outputs",
    }  # fmt: skip
    d = drawing(4.6, title, "x′: a copy; S, U: lower bounds, B: upper bound", columns)
    plain, copies = pooled(d, lane(0), "x", kept="output"), pooled(d, lane(1), "x′", kept="")
    d.pull(*plain, 60, "S")
    d.apart((EDGE, plain[0][1] + 5), (EDGE, plain[1][1] - 5), 125, "B")
    d.pull(plain[0], copies[0], 260, "U_1")
    d.pull(plain[1], copies[1], 190, "U_2", at=0.7)
    d.text(748, 38, "C and BC: S and B of [x, x′]", size=12, anchor="end", colour=QUIET)
    return d


def comm_view(d: Drawing, y: float, mark: str, prime: str) -> tuple[Point, Point, Point]:
    """One view of CoMM: the first modality alone, all together, the second alone."""
    fused(d, y, mark)
    middle = y + ROW / 2
    rows = ((-36, [FIRST], "z_1"), (0, [JOINT], "z_J"), (36, [SECOND], "z_2"))
    one, joint, two = (
        projected(d, middle + step, colours, words + prime, kept=words == "z_J") for step, colours, words in rows
    )
    return one, joint, two


def cross_views(d: Drawing, first: Sequence[Point], second: Sequence[Point]) -> None:
    """The bonds of CoMM: everything of one view with the joint vector of the other."""
    for place, bend in ((0, 150), (1, 90), (2, 150)):
        d.pull(first[place], second[1], bend)
        if place != 1:
            d.pull(first[1], second[place], bend)
    d.pill(EDGE + 34 + 96, (first[1][1] + second[1][1]) / 2, "NTX", PULL)


def comm() -> Drawing:
    """Each modality alone, and all of them."""
    d = drawing(
        4.6, "CoMM: each modality alone, and all together, are pulled to all together in the other view.", VIEWS
    )
    cross_views(d, comm_view(d, lane(0), "x′", "′"), comm_view(d, lane(1), "x″", "″"))
    return d


def infmasking() -> Drawing:
    """CoMM, and masked fusions of a view."""
    d = drawing(6.9, "InfMasking: CoMM, and each view's joint vector is pulled to many masked views of itself.", VIEWS)
    first, second = comm_view(d, lane(0), "x′", "′"), comm_view(d, lane(1), "x″", "″")
    cross_views(d, first, second)
    y = lane(2)
    for number, hidden in ((0, (0, 1, 3)), (1, (0, 2, 3))):
        d.tokens(TOKENS, y + ROW * number - 8 * number, MODALITIES[number], hidden=hidden)
        d.arrow((TOKENS + 64, y + (ROW - 8) * number), (MEAN - 28, y + (ROW - 8) * number))
    d.text(94, y + 14, "tokens of x′ again,", size=12, colour=QUIET)
    d.text(94, y + 30, "K random masks", size=12, colour=QUIET)
    middle = y + (ROW - 8) / 2
    d.box(MEAN, middle, 56, ROW + 24, "fusion", JOINT)
    for step in (8, 4):
        d.vector(VECTOR + step, middle + step, [JOINT])
        d.vector(OUTPUT + step, middle + step, [JOINT])
    x, y = projected(d, middle, [JOINT], "\u2003m_k′")
    d.pull(first[1], (x + 16, y), 230, "M′", at=0.75)
    d.text(748, middle + 34, "and the same for x″: M″", size=12, anchor="end", colour=QUIET)
    return d


def coral_view(d: Drawing, y: float, mark: str, masked: int) -> tuple[Point, Point, Point]:
    """One view of COrAL: unique, shared, unique; the shared pathway does not see some tokens of one modality."""
    height = 46  # from one pathway to the next
    d.text(20, y + 1.5 * height, mark, size=15, weight="bold")
    for number, pathways in ((0, (0, 1)), (1, (2, 3))):
        colour, middle = MODALITIES[number], y + height * (0.5 + 2 * number)
        d.modality(VALUES, middle, number)
        for pathway in pathways:
            row = y + height * pathway
            d.arrow((VALUES + 28, middle), (ENCODER - 17, row))
            d.encoder(ENCODER, row, colour)
            hidden = (0, 2, 3) if number == masked and pathway in (1, 2) else ()
            d.tokens(TOKENS, row, colour, hidden=hidden)
            shared = pathway in (1, 2)
            d.arrow((TOKENS + 64, row), (MEAN - (28 if shared else 23), row))
            if not shared:
                d.box(MEAN, row, 46, 24, "pool", size=12)
    middle = y + 1.5 * height
    d.box(MEAN, middle, 56, height + 26, "fusion", JOINT)
    rows = ((y, [FIRST], "U_1"), (middle, [JOINT], "S"), (y + 3 * height, [SECOND], "U_2"))
    one, shared_end, two = (projected(d, row, colours, words, kept=True) for row, colours, words in rows)
    return one, shared_end, two


def coral() -> Drawing:
    """Shared and unique pathways."""
    d = drawing(7.1, "COrAL: a shared pathway with asymmetric masks and unique pathways, kept orthogonal.", VIEWS)
    views = [coral_view(d, TOP + place * 190, mark, place) for place, mark in enumerate(("x′", "x″"))]
    for (one, shared, two), step in zip(views, (34, -34), strict=True):
        d.pill(shared[0] + 50, shared[1] + step, "cos", APART)
        d.apart(one, shared, 26)
        d.apart(shared, two, 26)
        d.apart(one, two, 70)
    for a, b, bend, at in zip(*views, (130, 185, 240), (0.3, 0.5, 0.75), strict=True):
        d.pull(a, b, bend, "NTX", at=at)
    return d


def mae() -> Drawing:
    """Hidden values are reconstructed."""
    columns = {
        VALUES + 20: "values, most hidden",
        TOKENS + 31: "tokens",
        VECTOR: "[CLS]",
        550: "reconstructed",
        706: "values",
    }
    d = drawing(
        2.6, "MAE: most of each modality is hidden and reconstructed from what is left of all.", SAMPLE, columns
    )
    fused(d, TOP + 12, "x", hidden={0: (0, 2), 1: (0, 2)}, covered=True)
    middle = TOP + 12 + ROW / 2
    d.arrow((MEAN + 28, middle), (VECTOR - 28, middle))
    d.vector(VECTOR, middle, [JOINT], kept=True)
    d.arrow((VECTOR + 27, middle), (400, middle))
    d.box(436, middle, 72, ROW + 36, "decoder", PLAIN)
    for number in (0, 1):
        row = TOP + 12 + ROW * number
        d.arrow((472, row), (522, row))
        d.modality(550, row, number)
        d.modality(706, row, number)
        d.pull((582, row), (674, row), 0)
        d.pill(628, row, "MSE", PULL)
    d.text(628, middle, "where hidden", size=12, colour=QUIET)
    return d


def supervised() -> Drawing:
    """The fusion, and a linear layer on it."""
    columns = {
        VALUES: "values",
        ENCODER: "encoder",
        TOKENS + 31: "tokens",
        VECTOR: "vector",
        404: "linear",
        478: "prediction",
    }
    d = drawing(2.6, "Supervised: the shared network and a linear layer, trained on the labels.", VIEWS, columns)
    fused(d, TOP + 12, "x′, x″")
    middle = TOP + 12 + ROW / 2
    d.arrow((MEAN + 28, middle), (VECTOR - 28, middle))
    d.vector(VECTOR, middle, [JOINT], kept=True)
    d.arrow((VECTOR + 27, middle), (404 - 17, middle))
    d.encoder(404, middle, PLAIN, height=26)
    d.arrow((404 + 17, middle), (478 - 27, middle))
    d.vector(478, middle, [PLAIN])
    d.box(680, middle, 64, 28, "label", PLAIN)
    d.pull((506, middle), (648, middle), 0)
    d.pill(577, middle, "cross-entropy", PULL)
    return d


def concat_raw() -> Drawing:
    """Values side by side."""
    d = drawing(2, "Raw features: the values of all modalities side by side; nothing is trained.", SAMPLE,
                {VALUES: "values", 186: "flattened", 330: "side by side"})  # fmt: skip
    d.text(20, TOP + ROW / 2, "x", size=15, weight="bold")
    for number in (0, 1):
        row = TOP + ROW * number
        d.modality(VALUES, row, number)
        d.arrow((VALUES + 28, row), (186 - 50, row))
        d.vector(186, row, [MODALITIES[number]], width=96)
        d.arrow((186 + 48, row), (330 - 62 + 8, TOP + ROW / 2 + (number - 0.5) * 18))
    d.vector(346, TOP + ROW / 2, [FIRST, SECOND], kept=True, width=132)
    d.text(440, TOP + ROW / 2, "nothing is trained", size=13, anchor="start", colour=QUIET)
    return d


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    function.__name__: function
    for function in (
        coral, comm, infmasking, factorcl, clip, cross_self, cmc, simclr, slip, focal, decur, mae, supervised,
        concat_raw,
    )
}  # fmt: skip
