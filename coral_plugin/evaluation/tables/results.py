"""Result tables: views of ``metrics.json``, as Markdown, CSV or aligned text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

ABSENT = "\N{EN DASH}"
ALL_PARTS = "all parts"
_NAMES = {
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "auroc": "AUROC",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
}
# metrics without a common scale; everything else is a share in [0, 1] of which more is better
_ERRORS = {"mse", "mae", "rmse"}
_UNSCALED = {*_ERRORS, "r2", "pearson", "correlation"}
_MEASURES = {
    "cosine": "mean |cos|",
    "cka": "linear CKA",
    "grassmann_distance": "Grassmann distance",
    "canonical_angle": "canonical-correlation angle over samples",
    "grassmann": "canonical-correlation angle over samples",  # its key in metrics.json of before
    "r2_forward": "R² 1st → 2nd",
    "r2_backward": "R² 2nd → 1st",
}


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column names the rows.

    Attributes:
        columns: The head.
        rows: As wide as the head.
        title: Said above the table.
        caption: Said below it.
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

    def csv(self) -> str:
        """Head and rows only, for a machine."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def text(self) -> str:
        """Columns aligned with spaces, for a terminal; a head ``task: metric`` takes two lines to be narrower."""
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


def is_share(metric: str) -> bool:
    """Whether a metric lies in [0, 1] and is therefore shown in percent."""
    return metric not in _UNSCALED


def metric_name(metric: str) -> str:
    """How a metric is called in prose.

    >>> metric_name("balanced_accuracy"), metric_name("macro_f1")
    ('balanced accuracy', 'macro F1')
    """
    return _NAMES.get(metric, metric.replace("_", " "))


def head(metric: str) -> str:
    """Name, unit and better direction of a metric.

    >>> head("balanced_accuracy"), head("mse")
    ('balanced accuracy, % ↑', 'MSE ↓')
    """
    unit = ", %" if is_share(metric) else ""
    return f"{metric_name(metric)}{unit} {'↓' if metric in _ERRORS else '↑'}"


def cell(values: Sequence[float | None], *, percent: bool = True, decimals: int | None = None) -> str:
    """``mean ± sample deviation``; no deviation for one seed, a dash for none.

    Args:
        values: One a seed; None where a seed has none.
        percent: Multiply by 100.
        decimals: One for percent, else as many as three significant digits of the mean need.

    >>> cell([0.672, 0.686]), cell([0.1]), cell([]), cell([0.012, 0.014], percent=False)
    ('67.9 ± 1.0', '10.0', '–', '0.0130 ± 0.0014')
    """
    own = [value * (100 if percent else 1) for value in values if value is not None]
    if not own:
        return ABSENT
    if not all(map(math.isfinite, own)):
        return "not finite"
    mean = fmean(own)
    if decimals is None:
        decimals = 1 if percent or mean == 0 else min(6, max(0, 2 - math.floor(math.log10(abs(mean)))))
    spread = f" ± {stdev(own):.{decimals}f}" if len(own) > 1 else ""
    return f"{mean:.{decimals}f}{spread}"


def score_rows(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The named rows of a result, ``{row: {task: summary}}``: the representation, its parts, the raw values."""
    floor = {f"raw: {part}": scores for part, scores in metrics.get("floor", {}).items()}
    return {ALL_PARTS: metrics["tasks"], **metrics.get("parts", {}), **floor}


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Every part of the representation, the raw values and chance, on every task.

    Args:
        metrics: Content of ``metrics.json``.
    """
    tasks = metrics["tasks"]
    rows = [
        (name, *(_score(scores.get(task), summary["metric"]) for task, summary in tasks.items()))
        for name, scores in score_rows(metrics).items()
    ]
    rows.append(("chance", *(cell([summary.get("chance")]) for summary in tasks.values())))
    columns = ("representation", *(f"{task}: {head(summary['metric'])}" for task, summary in tasks.items()))
    return Table(columns, tuple(rows), title(metrics), caption(metrics))


def also_table(metrics: Mapping[str, Any]) -> Table:
    """The other metrics of the whole representation, a row for each task."""
    tasks = metrics["tasks"]
    names = list(dict.fromkeys(name for summary in tasks.values() for name in summary.get("also", {})))
    rows = tuple(
        (task, *(_score(summary.get("also", {}).get(name), name) for name in names)) for task, summary in tasks.items()
    )
    return Table(("task", *map(head, names)), rows, f"{title(metrics)}, {ALL_PARTS}", caption(metrics))


def disentanglement_table(metrics: Mapping[str, Any]) -> Table:
    """How far apart each two parts lie, as they are probed and behind their heads, over the seeds."""
    runs = list(metrics.get("disentanglement", {}).values())
    spaces = list(dict.fromkeys(space for run in runs for space in run))
    pairs = {
        (space, pair): [run.get(space, {}).get(pair, {}) for run in runs]
        for space in spaces
        for pair in dict.fromkeys(pair for run in runs for pair in run.get(space, {}))
    }
    found = dict.fromkeys(name for own in pairs.values() for record in own for name in record)
    measures = [*(name for name in _MEASURES if name in found), *(name for name in found if name not in _MEASURES)]
    rows = tuple(
        (pair, space, *(cell([record.get(m) for record in own], percent=False, decimals=3) for m in measures))
        for (space, pair), own in pairs.items()
    )
    columns = ("parts", "space", *(_MEASURES.get(name, metric_name(name)) for name in measures))
    return Table(columns, rows, f"{title(metrics)}, parts against each other", caption(metrics))


def missing_table(metrics: Mapping[str, Any]) -> Table:
    """The whole representation with modalities missing, a row for each subset that is there.

    Args:
        metrics: Content of ``metrics.json`` with ``missing``
            (:func:`coral_plugin.runs.summary.summarise_missing`).
    """
    tasks = metrics["tasks"]
    kinds = {"complete": "probe of all", "refitted": "refitted"}
    rows = [
        (
            " + ".join(entry["modalities"]) + (f" ({entry['lacking']} samples have none)" if entry["lacking"] else ""),
            *(_score(entry[kind].get(task), tasks[task]["metric"]) for task in tasks for kind in kinds),
        )
        for entry in metrics["missing"]
    ]
    rows.append(("chance", *(cell([summary.get("chance")]) for summary in tasks.values() for _ in kinds)))
    columns = tuple(
        f"{task}, {said}: {head(summary['metric'])}" for task, summary in tasks.items() for said in kinds.values()
    )
    said = (
        "Test samples are embedded from these modalities alone; parts that tell of a missing one are zero.\n"
        "Probe of all: fitted on features from all modalities. Refitted: on features from the same ones.\n"
    )
    return Table(("modalities", *columns), tuple(rows), f"{title(metrics)}, {ALL_PARTS}", said + caption(metrics))


def complexity_table(cost: Mapping[str, Any]) -> Table:
    """What embedding one sample costs, from :func:`coral_plugin.evaluation.complexity.inference_cost`."""
    memory, test = cost.get("peak_memory_bytes"), cost.get("test")
    rows: tuple[tuple[str, str], ...] = (
        ("parameters", f"{cost['parameters']['total']:,}"),
        ("of them trained", f"{cost['parameters']['trainable']:,}"),
        ("MFLOPs a sample", f"{cost['flops_per_sample'] / 1e6:.2f}"),
        ("milliseconds a sample", f"{cost['seconds_per_sample'] * 1e3:.3f}"),
        ("peak memory, MiB", ABSENT if memory is None else f"{memory / 2**20:.1f}"),
    )
    if test:
        rows += ((f"seconds for the {test['samples']:,} samples of test", f"{test['seconds']:.3f}"),)
    said = f"Batches of {cost['batch_size']}; element-wise operations are not counted."
    if memory is not None and cost.get("memory_of") == "process":
        said += " Memory is that of the whole process."
    return Table(("cost", "value"), rows, "Embedding, evaluation mode", said)


def _score(summary: Mapping[str, Any] | None, metric: str) -> str:
    return cell(summary["values"] if summary else [], percent=is_share(metric))


def title(metrics: Mapping[str, Any]) -> str:
    """Method, preset and data set of a result."""
    preset = f" ({metrics['preset']})" if metrics.get("preset") else ""
    return f"{metrics['objective']}{preset} on {metrics['dataset']}"


def caption(metrics: Mapping[str, Any]) -> str:
    """What the figures of a result are over: one seed, or the mean of several."""
    seeds = metrics["seeds"]
    listed = ", ".join(map(str, seeds))
    if len(seeds) < 2:
        return f"Seed {listed}."
    return f"Mean ± sample deviation of {len(seeds)} seeds ({listed})."


def _markdown_line(texts: Iterable[str]) -> str:
    safe = (" ".join(text.split()).replace("|", "\\|") for text in texts)
    return f"| {' | '.join(safe)} |"
