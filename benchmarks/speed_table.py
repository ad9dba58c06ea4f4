"""Records of training speed: their summary, their page, and what has become slower. No measurement happens here."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

OURS, AUTHORS, OTHER, PLAIN, OPTION = "this code", "authors' code", "other tree", "plain", "option"
TOLERATED = 0.2
INTRODUCTION = (
    "Record: [`records/train_speed.json`](records/train_speed.json).\n\n"
    "A sample is one multimodal sample; a step takes a batch of 64 and two augmented views of it. Values are random. "
    "Each measurement has its own process, and the processes of a row take turns. A figure is the median over these "
    "turns, with the lowest and the highest in brackets. *Whole step* has the batch, its views, the networks and the "
    "optimiser; *networks* is without batch and views. *Matmul* is the rate of a product of two matrices of 2048 rows "
    "and columns in the same process; *share* is the part of it that the matrix products and convolutions of a step "
    "reach. Peak memory is that of the process, libraries and data included."
)


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median and extremes.

    >>> middle([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(blocks: Sequence[Mapping[str, Any]], end: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a process.

    Args:
        blocks: ``whole`` and ``model``, seconds of the steps of each block, and ``matmul``, the rate of a matrix
            product after it in FLOP/s (None where it was not measured).
        end: ``peak_memory_bytes``, ``batch_size`` and what else the process reported at its end; with ``operations``,
            those of a step, the record has the share of the matrix product's rate.

    Returns:
        ``end`` with medians and extremes over the blocks.
    """
    size = end["batch_size"]
    model = [statistics.median(block["model"]) for block in blocks]
    record = {
        **end,
        "whole_samples_per_second": middle([size / statistics.median(block["whole"]) for block in blocks]),
        "model_samples_per_second": middle([size / seconds for seconds in model]),
    }
    if rates := [block["matmul"] for block in blocks if block["matmul"]]:
        record["matmul_flops"] = middle(rates)
        if "operations" in end:
            shares = [end["operations"] / s / rate for s, rate in zip(model, rates, strict=True)]
            record["share_of_matmul"] = middle(shares)
    return record


def gain(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many times as fast our whole steps are: median and extremes of the ratios, one per pair of blocks."""
    pairs = zip(ours, theirs, strict=True)
    return middle([statistics.median(b["whole"]) / statistics.median(a["whole"]) for a, b in pairs])


def slower(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each row that is more than 20 % worse than its record.

    Speed is taken per rate of the matrix product in the same process, so that a busy or another machine counts less.

    Args:
        before: Rows of the record.
        now: Rows of this run.
    """
    records = {row["row"]: row for row in before}
    return [line for row in now if row["row"] in records for line in _worse(records[row["row"]], row)]


def _worse(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old, new = before["sides"][OURS], now["sides"][OURS]
    rates = [side["whole_samples_per_second"]["median"] / side["matmul_flops"]["median"] for side in (old, new)]
    if rates[1] < (1 - TOLERATED) * rates[0]:
        yield f"{now['row']}: {100 * (1 - rates[1] / rates[0]):.0f} % slower than the record, per matmul rate"
    peaks = [side["peak_memory_bytes"] for side in (old, new)]
    if peaks[1] > (1 + TOLERATED) * peaks[0]:
        yield f"{now['row']}: {peaks[1] / 2**30:.2f} GiB at its peak, {peaks[0] / 2**30:.2f} in the record"
    for name, path in now["gains"].items():
        known = before["gains"].get(name)
        if name.startswith(PLAIN) and known and path["median"] < (1 - TOLERATED) * known["median"]:
            yield f"{now['row']}: {name} gains {path['median']:.2f} times, {known['median']:.2f} in the record"


def page(record: Mapping[str, Any], shapes: Mapping[str, str]) -> str:
    """The text of ``RESULTS.md``.

    Args:
        record: Content of the JSON record. Its ``regressions`` are the lines of :func:`slower`, None where there was no
            record to compare with.
        shapes: ``{shape: its description}``.
    """
    rows, place = record["rows"], record["environment"]
    names = [name for name in shapes if any(row["shape"] == name for row in rows)]
    command = " ".join(["python", *place["command"]])
    parts = [
        "# Training speed",
        (
            f"Written by `{command}` on {place['when'][:10]}: {place['processor']}, float32, torch "
            f"{place['packages']['torch']}, commit {_short(place['commit'])}. {INTRODUCTION}"
        ),
        "\n".join(f"- **{name}**: {shapes[name]}." for name in names),
        "## This package",
        _table(
            ("method, shape", "whole step, samples/s", "networks, samples/s", "matmul, GFLOP/s", "share", "peak GiB"),
            [(row["row"], *_speed(row["sides"][OURS]), *_share(row["sides"][OURS])) for row in rows],
        ),
    ]
    for side, title in (
        (AUTHORS, "## Beside the authors' code, in the same run"),
        (OTHER, "## Beside another version of this package, in the same run"),
    ):
        matching = [row for row in rows if side in row["sides"]]
        if matching:
            lines = [(r["row"], *_speed(r["sides"][side]), _peak(r["sides"][side]), _gain(r, side)) for r in matching]
            heads = ("method, shape", "its whole step, samples/s", "its networks, samples/s", "its peak GiB")
            parts += [title, _table((*heads, "this package against it"), lines)]
    if references := record.get("references"):
        commits = ", ".join(f"{name} {_short(commit)}" for name, commit in references.items())
        parts.append(
            f"Commits: {commits}. Their own main script builds model and data. Their loader runs in one process beside "
            "the step, on images in two. Lightning's loop is left out."
        )
    for kind, title, heads in (
        (PLAIN, "## Fast paths against their plain twins", ("fast path", "without it, samples/s", "its gain")),
        (OPTION, "## Options that are off", ("option", "with it, samples/s", "this package without it against it")),
    ):
        if lines := list(_alternatives(rows, kind)):
            first, speed, last = heads
            columns = (first, "method, shape", speed, "networks, samples/s", "peak GiB", last)
            parts += [title, _table(columns, lines)]
    parts += ["## Against the committed record", _verdict(record["regressions"])]
    if failures := record["failures"]:
        parts += ["## Not measured", "\n".join(f"- {line}" for line in failures)]
    return "\n\n".join(parts) + "\n"


def _alternatives(rows: Sequence[Mapping[str, Any]], kind: str) -> Iterator[tuple[str, ...]]:
    """A line for each side of the rows that is this package with other settings."""
    for row in rows:
        for name, side in row["sides"].items():
            if name.startswith(kind):
                yield name.removeprefix(f"{kind}: "), row["row"], *_speed(side), _peak(side), _gain(row, name)


def _verdict(regressions: Sequence[str] | None) -> str:
    if regressions is None:
        return "There was no record of these rows."
    if not regressions:
        return "No row is more than 20 % worse than its record."
    return "\n".join(f"- {line}" for line in regressions)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _few(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _speed(side: Mapping[str, Any]) -> tuple[str, str]:
    return _range(side["whole_samples_per_second"]), _range(side["model_samples_per_second"])


def _range(values: Mapping[str, float]) -> str:
    return f"{_few(values['median'])} ({_few(values['min'])} to {_few(values['max'])})"


def _share(side: Mapping[str, Any]) -> tuple[str, str, str]:
    shares = {name: 100 * value for name, value in side["share_of_matmul"].items()}
    percent = f"{shares['median']:.0f} % ({shares['min']:.0f} to {shares['max']:.0f})"
    return f"{side['matmul_flops']['median'] / 1e9:.0f}", percent, _peak(side)


def _peak(side: Mapping[str, Any]) -> str:
    return f"{side['peak_memory_bytes'] / 2**30:.2f}"


def _gain(row: Mapping[str, Any], side: str) -> str:
    values = row["gains"][side]
    return f"{values['median']:.2f} times ({values['min']:.2f} to {values['max']:.2f})"


def _short(commit: str | None) -> str:
    """Ten digits of a commit, and the ``+`` of an edited checkout."""
    return "unknown" if commit is None else commit[:10] + commit[40:]
