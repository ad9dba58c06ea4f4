"""What ``result.json`` of a seed must hold, so that tables and summaries can be made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coral_plugin.errors import short
from coral_plugin.evaluation.features import ALL

_KEYS = {"scores": dict, "disentanglement": dict, "train": dict, "history": list}
_TRAIN = ("seconds", "samples_per_second", "peak_memory_bytes", "parameters")


def misfit(result: Any) -> str | None:
    """What is wrong with the content of ``result.json``; None if nothing is."""
    if not isinstance(result, dict):
        return "it is no object"
    for key, kind in _KEYS.items():
        if not isinstance(result.get(key), kind):
            return f"it lacks {key!r}"
    if bad := [key for key in _TRAIN if not _number(result["train"].get(key))]:
        return f"train.{bad[0]} is no number, but {short(result['train'].get(bad[0]))}"
    for number, row in enumerate(result["history"]):
        if not isinstance(row, dict) or not all(_number(value) for value in row.values()):
            return f"history[{number}] is no record of numbers"
        if row.keys() != result["history"][0].keys():
            return f"history[{number}] has other entries than history[0]"
    for part, scores in result["scores"].items():
        if not isinstance(scores, dict) or not all(map(_is_score, scores.values())):
            return f"the scores of part {short(part)} lack a score"
    matched = result.get("matched_width", {"width": 0, "scores": {}})
    if (
        not isinstance(matched, dict)
        or not _number(matched.get("width"))
        or not isinstance(matched.get("scores"), dict)
        or not all(map(_is_score, matched["scores"].values()))
    ):
        return "matched_width lacks its width or a score"
    return None


def incomplete(result: Mapping[str, Any], tasks: Iterable[str]) -> str | None:
    """Which scores a checked result lacks of those that the data ask for; None if it has them all."""
    for task in tasks:
        if ALL not in result["scores"] or any(task not in scores for scores in result["scores"].values()):
            return f"the parts lack a score of task {short(task)}"
        if "matched_width" in result and task not in result["matched_width"]["scores"]:
            return f"matched_width lacks a score of task {short(task)}"
    return None


def _is_score(score: Any) -> bool:
    return (
        isinstance(score, dict)
        and isinstance(score.get("metric"), str)
        and _number(score.get("value"))
        and isinstance(score.get("also"), dict)
        and all(_number(value) for value in score["also"].values())
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
