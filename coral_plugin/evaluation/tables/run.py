"""The tables of a run: scores, other metrics, disentanglement, missing modalities and cost, from ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import result_suffix
from coral_plugin.evaluation.tables.model import NO_VALUE, Table, cell

ALL_PARTS, RAW_PREFIX = "all parts", "raw: "
_MEASURES = {
    "cosine": "mean |cos|",
    "cka": "linear CKA",
    "grassmann_distance": "Grassmann distance",
    "canonical_angle": "canonical-correlation angle over samples",
    "grassmann": "canonical-correlation angle over samples",  # its key in metrics.json of before
    "r2_forward": "R² 1st → 2nd",
    "r2_backward": "R² 2nd → 1st",
}


def score_rows(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The named rows of a result, ``{row: {task: summary}}``: the representation, its parts, the raw values."""
    raw = metrics.get("raw_features", metrics.get("floor", {}))  # its key in schema 1
    rows = {f"{RAW_PREFIX}{part}": scores for part, scores in raw.items()}
    return {ALL_PARTS: metrics["tasks"], **metrics.get("parts", {}), **rows}


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
    columns = (
        "representation",
        *(f"{task}: {metric_named(summary['metric']).heading}" for task, summary in tasks.items()),
    )
    caption = "\n".join(filter(None, (seeds_caption(metrics), _unconverged(metrics))))
    return Table(columns, tuple(rows), run_title(metrics), caption)


def _unconverged(metrics: Mapping[str, Any]) -> str:
    """A line on the probes that stopped early; empty where all converged."""
    parts = [
        f"{ALL_PARTS if part == ALL else part} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"
        for part, seeds in metrics.get("unconverged", {}).items()
    ]
    return f"Probe of {', '.join(parts)}: stopped before convergence." if parts else ""


def also_table(metrics: Mapping[str, Any]) -> Table:
    """The other metrics of the whole representation, a row for each task."""
    tasks = metrics["tasks"]
    names = list(dict.fromkeys(name for summary in tasks.values() for name in summary.get("also", {})))
    rows = tuple(
        (task, *(_score(summary.get("also", {}).get(name), name) for name in names)) for task, summary in tasks.items()
    )
    return Table(
        ("task", *(metric_named(name).heading for name in names)),
        rows,
        f"{run_title(metrics)}, {ALL_PARTS}",
        seeds_caption(metrics),
    )


def disentanglement_table(metrics: Mapping[str, Any]) -> Table:
    """Distances between every two parts, as they are probed and behind their projection heads, over the seeds."""
    runs = list(metrics.get("disentanglement", {}).values())
    spaces = list(dict.fromkeys(space for run in runs for space in run))
    pairs = {
        (space, pair): [run.get(space, {}).get(pair, {}) for run in runs]
        for space in spaces
        for pair in dict.fromkeys(pair for run in runs for pair in run.get(space, {}))
    }
    measured = dict.fromkeys(name for records in pairs.values() for record in records for name in record)
    measures = sorted(measured, key=[*_MEASURES, *measured].index)
    rows = tuple(
        (pair, space, *(cell([record.get(m) for record in records], percent=False, decimals=3) for m in measures))
        for (space, pair), records in pairs.items()
    )
    columns = ("parts", "space", *(_MEASURES.get(name, name) for name in measures))
    caption = (
        seeds_caption(metrics) if rows else "The representation has one part; there is no other to compare it with."
    )
    return Table(columns, rows, f"{run_title(metrics)}, parts against each other", caption)


def missing_table(metrics: Mapping[str, Any]) -> Table:
    """The whole representation with modalities missing, a row for each subset of those present.

    Args:
        metrics: Content of ``metrics.json`` with ``missing``
            (:func:`coral_plugin.runs.summary.summarise_missing`).
    """
    tasks = metrics["tasks"]
    kinds = {"complete": "probe of all", "refitted": "refitted"}
    rows = [
        (
            " + ".join(entry["modalities"]) + (f" ({entry['without']} samples have none)" if entry["without"] else ""),
            *(_score(entry[kind].get(task), tasks[task]["metric"]) for task in tasks for kind in kinds),
        )
        for entry in metrics["missing"]
    ]
    rows.append(("chance", *(cell([summary.get("chance")]) for summary in tasks.values() for _ in kinds)))
    columns = tuple(
        f"{task}, {kind}: {metric_named(summary['metric']).heading}"
        for task, summary in tasks.items()
        for kind in kinds.values()
    )
    explanation = (
        "Test samples are embedded from these modalities alone; parts of a missing one alone are constant.\n"
        "Probe of all: fitted on features from all modalities. Refitted: on features from the same ones.\n"
        f"{seeds_caption(metrics)}"
    )
    return Table(("modalities", *columns), tuple(rows), f"{run_title(metrics)}, {ALL_PARTS}", explanation)


def over_training_table(metrics: Mapping[str, Any]) -> Table:
    """The whole representation on the way of the training, a row for each number of epochs.

    Args:
        metrics: Content of ``metrics.json`` with ``over_training``
            (:func:`coral_plugin.runs.summary.summarise_over_training`).
    """
    tasks = metrics["tasks"]
    rows = tuple(
        (str(entry["epochs"]), *(_score(entry["tasks"][task], tasks[task]["metric"]) for task in tasks))
        for entry in metrics["over_training"]
    )
    columns = ("epochs", *(f"{task}: {metric_named(summary['metric']).heading}" for task, summary in tasks.items()))
    return Table(columns, rows, f"{run_title(metrics)}, {ALL_PARTS}, over the training", seeds_caption(metrics))


def complexity_table(cost: Mapping[str, Any]) -> Table:
    """The cost of embedding one sample, from :func:`coral_plugin.evaluation.complexity.inference_cost`."""
    memory, test = cost.get("peak_memory_bytes"), cost.get("test")
    rows: tuple[tuple[str, str], ...] = (
        ("parameters", f"{cost['parameters']['total']:,}"),
        ("of them trained", f"{cost['parameters']['trainable']:,}"),
        ("MFLOPs per sample", f"{cost['flops_per_sample'] / 1e6:.2f}"),
        ("milliseconds per sample", f"{cost['seconds_per_sample'] * 1e3:.3f}"),
        ("peak memory, MiB", NO_VALUE if memory is None else f"{memory / 2**20:.1f}"),
    )
    if test:
        rows += ((f"seconds for the {test['samples']:,} samples of test", f"{test['seconds']:.3f}"),)
    conditions = f"Batches of {cost['batch_size']}; element-wise operations are not counted."
    if memory is not None and cost.get("memory_of") == "process":
        conditions += " Memory is that of the whole process."
    return Table(("cost", "value"), rows, "Embedding, evaluation mode", conditions)


def _score(summary: Mapping[str, Any] | None, metric: str) -> str:
    return cell(summary["values"] if summary else [], percent=metric_named(metric).is_share)


def run_title(metrics: Mapping[str, Any]) -> str:
    """Method, preset and data set of a result."""
    preset = f" ({metrics['preset']})" if metrics.get("preset") else ""
    # arrays of the user's own have the name of their file
    data = metrics.get("data") if metrics["dataset"] == "arrays" else None
    return f"{metrics['objective']}{preset} on {data or metrics['dataset']}{result_suffix(metrics)}"


def seeds_caption(metrics: Mapping[str, Any]) -> str:
    """The seeds that the figures of a result come from."""
    seeds = metrics["seeds"]
    listed = ", ".join(map(str, seeds))
    if len(seeds) < 2:
        return f"Seed {listed}."
    return f"Mean ± sample standard deviation of {len(seeds)} seeds ({listed})."
