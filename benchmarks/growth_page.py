"""Fitted lines and page of ``growth.py``. No measurement happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from growth_points import SERIES

MIB, GIB = 2**20, 2**30
AXES = {
    "batch": "samples in a batch",
    "length": "steps of a series",
    "modalities": "modalities",
    "samples": "samples of the training split",
    "processes": "processes",
}
# what is fitted of a point, and what it is called
TIME, MEMORY = "seconds", "memory_bytes"
Points = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Line:
    """A fitted line.

    Attributes:
        slope: Exponent b of ``a x^b``, or slope b of ``a + b x``.
        error: Standard error of the slope; None for fewer than three points.
        start: a of either.
        power: Whether it is a power law.
    """

    slope: float
    error: float | None
    start: float
    power: bool

    def at(self, x: float) -> float:
        """Value at ``x``."""
        return self.start * x**self.slope if self.power else self.start + self.slope * x


def memory_of(point: Mapping[str, float]) -> float:
    """Memory of a point: of the step where that was measured, else of the whole process."""
    return point.get("step_bytes", point["peak_bytes"])


def fitted(x: Sequence[float], y: Sequence[float], *, power: bool) -> Line:
    """Least squares through ``y`` over ``x``, of their logarithms for a power law.

    >>> line = fitted([1, 2, 4], [3, 12, 48], power=True)
    >>> round(line.slope, 6), round(line.start, 6), round(line.at(8), 3)
    (2.0, 3.0, 192.0)
    """
    a, b = (np.log(x), np.log(y)) if power else (np.asarray(x, float), np.asarray(y, float))
    slope, start = np.polyfit(a, b, 1)
    error = None
    if len(a) > 2:
        rest = b - (start + slope * a)
        error = float(np.sqrt((rest**2).sum() / (len(a) - 2) / ((a - a.mean()) ** 2).sum()))
    return Line(float(slope), error, float(np.exp(start) if power else start), power)


def lines_of(name: str, points: Points) -> dict[str, Line]:
    """The line of time and that of memory; none where there are fewer than two points."""
    tail = SERIES[name].tail
    xs = [x for x in sorted(points) if tail is None or x >= tail]
    if len(xs) < 2:
        return {}
    values = {TIME: [points[x]["seconds"] for x in xs], MEMORY: [memory_of(points[x]) for x in xs]}
    return {what: fitted(xs, y, power=tail is not None) for what, y in values.items()}


def page(record: Mapping[str, Any], speed: float | None) -> str:
    """The text of ``GROWTH.md``.

    Args:
        record: Content of the JSON record.
        speed: Samples per second on MOSI's shapes (``records/train_speed.json``); None where it is not known.
    """
    place, measured = record["environment"], numbered(record["points"])
    parts = [
        "# Growth",
        (
            f"Written by `python {' '.join(place['command'])}` on {place['when'][:10]}: {place['processor']}, float32, "
            f"torch {place['packages']['torch']}, commit {(place['commit'] or 'unknown')[:10]}; load of the machine "
            f"{record['load']:.1f}. Record: [`records/growth.json`](records/growth.json). Every point is a process of "
            "its own, with random values. COrAL, where no other method is named. *Memory* is what a step takes beyond "
            "libraries, data and weights; of `coral train` it is the peak of the process."
        ),
        "![Time and memory over batch, length, modalities and samples](pictures/growth.png)",
        "## Fitted lines",
        (
            "`x^b` is the exponent of a power law, fitted to the logarithms of the points from the given value on; "
            "otherwise the line is straight, through all points. ± is the standard error."
        ),
        _table(("what grows", "series", "from", "time", "memory"), [_row(n, p) for n, p in measured.items()]),
        "## What it means for a million and a billion samples",
        *meaning(measured, record["memory"], speed),
        "## Points",
    ]
    for name, points in measured.items():
        series = SERIES[name]
        rows = [
            (
                f"{x:,}",
                f"{p['seconds']:.3g}",
                f"{p['samples_per_second']:,.0f}" if "samples_per_second" in p else "",
                f"{memory_of(p) / MIB:,.0f}",
                f"{p['peak_bytes'] / MIB:,.0f}",
            )
            for x, p in sorted(points.items())
        ]
        heads = (AXES[series.axis], "seconds", "samples/s", "memory, MiB", "peak of the process, MiB")
        parts += [f"**{name}**: {series.words}.", _table(heads, rows)]
    return "\n\n".join(parts) + "\n"


def numbered(points: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    """The points of a record with numbers as keys, in the order of the series."""
    return {name: {int(x): p for x, p in points[name].items()} for name in SERIES if points.get(name)}


def meaning(measured: Mapping[str, Points], memory: int | None, speed: float | None) -> list[str]:
    """Paragraphs on large trainings, from the fitted lines.

    Args:
        measured: ``{series: {x: point}}``.
        memory: Bytes of memory of the machine.
        speed: Samples per second on MOSI's shapes.
    """
    lines = {name: lines_of(name, points) for name, points in measured.items()}
    parts = []
    if folder := lines.get("samples, folder"):
        per = folder[TIME].slope
        text = (
            f"**Time.** Small networks on tables (width 32) take {_span(1e6 * per)} for an epoch of a million samples "
            f"in a folder, and {_span(1e9 * per)} for a billion, on this machine."
        )
        if speed:
            text += (
                f" With the networks of MOSI, at {speed:.0f} samples/s ([speed](RESULTS.md)), it is "
                f"{_span(1e6 / speed)} and {_span(1e9 / speed)}."
            )
        parts.append(text + " Time is a straight line in the samples, so a billion is work for many machines or GPUs.")
        text = f"**Where data lie.** Samples of 1 KiB: a folder takes {_bytes_per_sample(folder)} of memory per sample"
        if shards := lines.get("samples, shards"):
            text += f", shards {_bytes_per_sample(shards)}"
        if held := lines.get("samples, memory"):
            text += f", data in memory {_bytes_per_sample(held)}"
            if memory and held[MEMORY].slope > 0:
                room = (0.8 * memory - held[MEMORY].start) / held[MEMORY].slope
                text += f" (four fifths of this machine's {memory / GIB:.0f} GiB hold {room / 1e6:.0f} million of them)"
        parts.append(
            text + ". The order of an epoch alone is 8 bytes per sample in each process: 8 MB for a million, 8 GB for "
            "a billion. The folder itself takes 1 GB and 1 TB of disk."
        )
    if batch := lines.get("batch"):
        text = (
            f"**Batch.** Memory grows with the batch to the power of {_exponent(batch[MEMORY])}: by the line a step "
            f"takes about {_size(batch[MEMORY].at(8192))} at 8,192 samples and "
            f"{_size(batch[MEMORY].at(65_536))} at 65,536"
        )
        if whole := lines.get("batch, whole"):
            text += (
                f"; with whole matrices the power is {_exponent(whole[MEMORY])}: "
                f"{_size(whole[MEMORY].at(8192))} and {_size(whole[MEMORY].at(65_536))}"
            )
        parts.append(
            f"{text}. Time grows to the power of {_exponent(batch[TIME])}: the loss compares every row with every "
            "other one, the networks do not, so the power goes from 1 to 2 as the batch grows."
        )
    if length := lines.get("length"):
        text = (
            f"**Length.** Of a transformer memory grows with the steps to the power of {_exponent(length[MEMORY])} and "
            f"time to that of {_exponent(length[TIME])}: attention compares every two steps, but holds no matrix of "
            "them all. One of up to 4 million weights, all samples and heads together, is still kept; more are "
            "computed in a CPU's cache, and once more for the gradient."
        )
        if convolutions := lines.get("length, convolutions"):
            text += (
                f" Of convolutions, the default of time series, the powers are {_exponent(convolutions[MEMORY])} and "
                f"{_exponent(convolutions[TIME])}."
            )
        parts.append(text)
    if modalities := lines.get("modalities"):
        text = (
            f"**Modalities.** COrAL's time grows with their number n to the power of {_exponent(modalities[TIME])}, "
            f"its memory to that of {_exponent(modalities[MEMORY])}: n encoders for each of two "
            "pathways; the penalty of every pair of parts is small."
        )
        if pairs := lines.get("modalities, FactorCL"):
            text += f" FactorCL, which has critics for every pair, takes time to the power of {_exponent(pairs[TIME])}."
        parts.append(text)
    processes = measured.get("processes", {})
    if 1 in processes and 2 in processes:
        one, two = processes[1], processes[2]
        gain = two["samples_per_second"] / one["samples_per_second"]
        parts.append(
            f"**Processes.** Two processes of one thread train {gain:.2f} times as fast as one of one thread. Each "
            f"takes {two['peak_bytes'] / MIB:,.0f} MiB at its peak, the one alone {one['peak_bytes'] / MIB:,.0f}. The "
            "contrastive loss itself is not divided: each process computes that of the whole batch."
        )
    return parts


def _row(name: str, points: Points) -> tuple[str, ...]:
    series, lines = SERIES[name], lines_of(name, points)
    if not lines:
        return AXES[series.axis], series.label, "", "", ""
    if series.tail is not None:
        texts = [f"x^{_exponent(lines[what])}" for what in (TIME, MEMORY)]
        return AXES[series.axis], series.label, f"{max(series.tail, min(points)):,}", *texts
    time = lines[TIME]
    error = "" if time.error is None else f" ± {1e6 * time.error:,.0f}"
    straight = f"{time.start:.1f} s + {1e6 * time.slope:,.0f}{error} s per million"
    return AXES[series.axis], series.label, "all", straight, f"{_bytes_per_sample(lines)} per sample"


def _exponent(line: Line) -> str:
    return f"{line.slope:.2f}" + ("" if line.error is None else f" ± {line.error:.2f}")


def _bytes_per_sample(lines: Mapping[str, Line]) -> str:
    line = lines[MEMORY]
    text = f"{line.slope:,.0f}" + ("" if line.error is None else f" ± {line.error:,.0f}") + " bytes"
    within_noise = line.error is not None and abs(line.slope) < 2 * line.error
    return f"none beyond noise ({text})" if within_noise else text


def _size(amount: float) -> str:
    return f"{amount / GIB:,.1f} GiB" if amount >= GIB else f"{amount / MIB:,.0f} MiB"


def _span(seconds: float) -> str:
    """A length of time in its unit.

    >>> [_span(s) for s in (90, 7200, 1e6, 1e9)]
    ['90 s', '2.0 hours', '12 days', '32 years']
    """
    for unit, size, least in (("years", 31_557_600, 2), ("days", 86_400, 2), ("hours", 3600, 1), ("minutes", 60, 2)):
        if seconds >= least * size:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))
