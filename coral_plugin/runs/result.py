"""Checks of ``result.json``, which holds the scores and the training of a seed."""

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
    if wrong := scores_misfit(result["scores"]):
        return wrong
    matched = result.get("matched_width", {"width": 0, "scores": {}})
    if (
        not isinstance(matched, dict)
        or not _number(matched.get("width"))
        or not isinstance(matched.get("scores"), dict)
        or not all(map(_is_score, matched["scores"].values()))
    ):
        return "matched_width lacks its width or a score"
    return None


def scores_misfit(scores: Any) -> str | None:
    """What is wrong with ``{part: {task: score}}`` from a file; None if nothing is."""
    if not isinstance(scores, dict):
        return "its scores are no object"
    for part, of_part in scores.items():
        if not isinstance(of_part, dict) or not all(map(_is_score, of_part.values())):
            return f"the scores of part {short(part)} lack a score"
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
