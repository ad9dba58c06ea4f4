"""What ``result.json`` of a seed must hold, so that tables and summaries can be made of it."""

from __future__ import annotations

from typing import Any

from coral_plugin.errors import short

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
    for part, tasks in result["scores"].items():
        for task, score in tasks.items() if isinstance(tasks, dict) else [("", None)]:
            if not _is_score(score):
                return f"scores.{part}.{task} is no score".replace("..", ".")
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
