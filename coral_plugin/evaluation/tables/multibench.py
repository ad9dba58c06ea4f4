"""Tables of what MultiBench reports: robustness, performance, and the cost of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coral_plugin.errors import counted
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.robustness.curves import RAW, REPRESENTATION
from coral_plugin.evaluation.tables.model import Table, cell
from coral_plugin.evaluation.tables.run import run_title, seeds_caption

_MEANING = """\
Noise reaches the test samples alone; the probe is fitted once, on clean ones, and level 0 is the clean score.
Area: under the curve over the levels, MultiBench's relative robustness before it is scaled.
Effective: MultiBench's effective robustness with the raw values under the same noise in place of its late fusion:
the sum over the levels of what is kept of the clean score beyond what raw values keep of theirs; above 0 is better."""
_PUBLISHED = """\
Scaled: both figures as MultiBench prints them, in {metric}, among its published curves of
{keys}: 1 is the best of them and this one, 0 the worst.
Those methods were trained with labels, on its own features and noise: a place to look, no comparison."""


def robustness_tables(record: Mapping[str, Any]) -> list[Table]:
    """A table for each task, a row for each condition.

    Args:
        record: Content of ``evaluation-robustness.json``.
    """
    return [_robustness(record, task, summary) for task, summary in record["tasks"].items()]


def _robustness(record: Mapping[str, Any], task: str, summary: Mapping[str, Any]) -> Table:
    percent = metric_named(summary["metric"]).is_share
    published = [scores["published"] for scores in summary["conditions"].values() if "published" in scores]
    rows: list[tuple[str, ...]] = []
    for name, scores in summary["conditions"].items():
        curve = scores[REPRESENTATION]["values"]
        figures = [[values[0] for values in curve], [values[-1] for values in curve]]
        figures += [scores[key]["values"] for key in ("relative", "raw_relative", "effective")]
        row: list[str] = [
            "all modalities" if name == ALL else name,
            *(cell(values, percent=percent) for values in figures),
        ]
        if published:
            scaled = scores.get("published", {})
            row += [cell(scaled.get(key, {}).get("values", []), percent=False, decimals=2) for key in _SCALED]
        rows.append(tuple(row))
    columns: tuple[str, ...] = (
        "noise on",
        "clean",
        f"level {record['levels'][-1]:g}",
        "area",
        "area: raw",
        "effective",
    )
    if published:
        columns += ("scaled area", "scaled effective")
    lines = [_MEANING]
    if published:
        keys = ", ".join(curves["key"] for curves in published)
        lines.append(_PUBLISHED.format(metric=published[0]["metric"], keys=keys))
    lines += [f"Noise on {name}: {noise['family']}, {noise['origin']}." for name, noise in record["noises"].items()]
    lines.append(seeds_caption(record))
    heading = f"{run_title(record)}, {task} under noise: {metric_named(summary['metric']).heading}"
    return Table(columns, tuple(rows), heading, "\n".join(lines))


_SCALED = ("relative", "effective")


def performance_table(metrics: Mapping[str, Any]) -> Table:
    """MultiBench's figures, a row for each; a column for the representation and the raw values on each task.

    Args:
        metrics: Content of ``evaluation-<probe>.json`` with ``performance``.
    """
    tasks = metrics["performance"]
    kinds = {REPRESENTATION: "all parts", RAW: "raw values"}
    names = dict.fromkeys(name for figures in tasks.values() for name in figures[REPRESENTATION])
    rows = [
        (
            metric_named(name).heading,
            *(
                cell(figures[kind].get(name, {}).get("values", []), percent=metric_named(name).is_share)
                for figures in tasks.values()
                for kind in kinds
            ),
        )
        for name in names
    ]
    columns = tuple(f"{task}: {kind}" for task in tasks for kind in kinds.values())
    return Table(
        ("figure", *columns), tuple(rows), f"{run_title(metrics)}, MultiBench's figures", seeds_caption(metrics)
    )


def training_table(cost: Mapping[str, Any]) -> Table:
    """The cost of training, from :func:`coral_plugin.runs.costs.training_cost`."""
    memory = cost["peak_memory_bytes"]
    rows = (
        ("parameters", f"{cost['parameters']:,}"),
        ("MFLOPs per sample and step", f"{cost['flops_per_sample'] / 1e6:.2f}"),
        ("seconds", cell(cost["seconds"], percent=False)),
        ("samples per second", cell(cost["samples_per_second"], percent=False)),
        (
            "peak memory, MiB",
            cell([value / 2**20 for value in memory], percent=False, decimals=1),
        ),
    )
    conditions = (
        f"{counted(cost['epochs'], 'epoch')} of {cost['samples']:,} samples in batches of {cost['batch_size']}; "
        f"memory is {_whose(cost['memory_of'])}.\n"
        "FLOPs: both views, loss and gradients; element-wise operations and the optimiser are not counted."
    )
    return Table(("cost", "value"), rows, f"Training{_per_seed(cost['seconds'])}", conditions)


def _per_seed(values: Iterable[float]) -> str:
    return ", mean ± sample standard deviation of the seeds" if len(list(values)) > 1 else ""


def _whose(memory: str) -> str:
    return "the peak of the whole process" if memory == "process" else "the peak of the GPU's allocator"
