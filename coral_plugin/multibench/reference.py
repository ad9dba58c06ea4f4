"""The robustness curves that MultiBench published, as its checkout holds them, for the data sets that we share."""

from __future__ import annotations

import contextlib
import importlib
import io
from functools import partial
from typing import Any

from coral_plugin.data import Task
from coral_plugin.data.task import TaskKind
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.robustness.measures import PublishedCurves, References
from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.compatibility import multibench

_METRICS: dict[TaskKind, str] = {"classification": "accuracy", "multilabel": "macro_f1", "regression": "mse"}
# without "multimodal": its noise on all modalities is a third of the level that the curve's place says
_AFFECT: tuple[str, TaskKind, dict[str, str]] = (
    "",
    "classification",
    {"text": "text", "audio": "audio", "vision": "image"},
)
# by data set: the task where there are several, its kind, and MultiBench's name of each condition
_TABLE: dict[str, tuple[str, TaskKind, dict[str, str]]] = {
    **dict.fromkeys(("mosi", "mosei", "humor", "sarcasm"), _AFFECT),
    "enrico": ("", "classification", {"screenshot": "image", "wireframe": "wireframe image"}),
    "imdb": ("", "multilabel", {"image": "image macro", "text": "text macro"}),
    "robotics": ("ee_next", "regression", {name: name for name in ("image", "force", "proprio")}),
    "push": (
        "",
        "regression",
        {
            "image": "image",
            "gripper_pos": "proprio",
            "gripper_sensors": "haptics",
            "control": "controls",
            ALL: "multimodal",
        },
    ),
}
_MIMIC = {"mortality": "mimic mortality", "icd9_1": "mimic 1", "icd9_7": "mimic 7"}
_AVERAGED = ("EF", "LF")  # with their transformer, where there is one


def references(checkout: Checkout) -> References:
    """Maps a data set, a task and a condition to MultiBench's published curves; None where it has none.

    Raises:
        InputError: the checkout has no table of curves, or a package that it needs is not installed.
    """
    with multibench(checkout, say=lambda _: None), contextlib.redirect_stdout(io.StringIO()):
        try:
            table = importlib.import_module("eval_scripts.robustness").robustness
        except (ImportError, AttributeError) as error:
            raise InputError(f"{checkout.root} has no usable eval_scripts.robustness ({error}).") from error
    return partial(_published, table)


def _published(table: dict[str, Any], dataset: str, task: Task, condition: str) -> PublishedCurves | None:
    key = _key(dataset, task, condition)
    if key is None or key not in table.get("LF", {}):
        return None
    methods = {
        name: curves[key] for name, curves in table.items() if key in curves and not name.endswith("Transformer")
    }
    for name in _AVERAGED:
        other = table.get(f"{name}-Transformer", {})
        if name in methods and key in other:
            methods[name] = [(a + b) / 2 for a, b in zip(methods[name], other[key], strict=True)]
    return PublishedCurves(
        key=key,
        metric=_METRICS[task.kind],
        late_fusion=tuple(map(float, table["LF"][key])),
        methods={name: tuple(map(float, curve)) for name, curve in methods.items()},
    )


def _key(dataset: str, task: Task, condition: str) -> str | None:
    if dataset == "mimic":
        # both of its modalities get their noise together
        return f"{_MIMIC[task.name]} timeseries" if condition == ALL and task.name in _MIMIC else None
    if dataset not in _TABLE:
        return None
    name, kind, conditions = _TABLE[dataset]
    binary = dataset not in ("mosi", "mosei", "humor", "sarcasm") or len(task.classes) == 2
    if condition not in conditions or task.kind != kind or name not in ("", task.name) or not binary:
        return None
    return f"{'gentle push' if dataset == 'push' else dataset} {conditions[condition]}"
