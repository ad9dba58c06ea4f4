"""Probes: how well simple models predict a task from fixed features.

The one setting of a model is chosen on the validation samples, the model is fitted again, and the test samples are
predicted once. The default differs from the published probe (``kind="reference"``) in its penalty and in that
features are standardised; :mod:`coral_plugin.evaluation.reference_probe` says how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation import reference_probe as reference
from coral_plugin.evaluation.estimators import (
    Family,
    Predictor,
    labels_path,
    logistic_path,
    neighbours_path,
    one_thread,
    ridge_path,
)
from coral_plugin.evaluation.metrics import Scores, classification_scores, multilabel_scores, regression_scores

ProbeKind = Literal["linear", "knn", "ridge", "reference"]
Pair = tuple[np.ndarray, np.ndarray]

COSTS = tuple(10.0**i for i in range(-4, 5))
ALPHAS = tuple(10.0**i for i in range(-6, 7))
NEIGHBOURS = (1, 5, 10, 20, 50, 100)
_KINDS = ("linear", "knn", "ridge", "reference")
_CARVED = 0.2
_SELECTION = {"classification": "balanced_accuracy", "multilabel": "macro_f1", "regression": "mse"}


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """Which probe.

    Attributes:
        kind: ``linear``: logistic regression, or ridge regression for numbers; ``ridge``: least squares for every
            task; ``knn``: nearest neighbours by cosine; ``reference``: the probe of the published tables.
        neighbours: Of ``knn``; 0 chooses among 1, 5, 10, 20, 50 and 100 on the validation samples.
        max_iterations: Of each fit of ``linear``.
    """

    kind: ProbeKind = "linear"
    neighbours: int = 20
    max_iterations: int = 1000

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"Unknown probe {self.kind!r}; known: {', '.join(_KINDS)}.")
        if self.neighbours < 0:
            raise InputError(f"The number of neighbours is 1 or more, or 0 to choose it; got {self.neighbours}.")
        if self.max_iterations < 1:
            raise InputError(f"A probe needs at least one iteration, got {self.max_iterations}.")


@dataclass(frozen=True, kw_only=True)
class ProbeScore:
    """What a probe found on the test samples.

    Attributes:
        metric: The task's own, for example ``balanced_accuracy``.
        value: Of that metric.
        also: The other metrics by name.
        setting: What was chosen, on what (``chosen_on``), and what the last fit saw (``fitted_on``).
        predictions: Classes ``(N,)``, labels ``(N, L)`` or numbers of the targets' shape.
    """

    metric: str
    value: float
    also: Scores
    setting: dict[str, Any]
    predictions: np.ndarray = field(repr=False, compare=False)


def probe(
    train: Pair, valid: Pair | None, test: Pair, task: Task, settings: ProbeSettings, refit_on_valid: bool = True
) -> ProbeScore:
    """Choose the setting on ``valid``, fit again, and score ``test`` once.

    Features are standardised with the statistics of ``train`` for logistic and ridge regression. Without ``valid``,
    a fifth of ``train`` (stratified, always the same one) chooses the setting. Of equals the smallest value wins.

    Args:
        train: Features ``(N, d)`` and targets.
        valid: The same of other samples; None where there are none.
        test: The same of the samples to score.
        task: Kind of the targets: (N,) classes, (N, L) labels of 0/1, (N,) or (N, L) numbers.
        settings: Which probe.
        refit_on_valid: Fit the chosen model on ``train`` and ``valid`` together, else on ``train``.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.
    """
    train, test = _checked(train, "train", task), _checked(test, "test", task)
    valid = _checked(valid, "valid", task) if valid is not None else None
    _check_widths(train, valid, test)
    family = _family(task, settings)
    with one_thread():
        if family.standardise:
            train, valid, test = _standardise(train, valid, test)
        chosen, chosen_on = _choose(family, train, valid, task, settings)
        both = valid is not None and refit_on_valid
        last = _join(train, valid) if valid is not None and both else train
        fitted = next(iter(family.path(last[0], _encode(last[1], task, family), [chosen])))
        predictions, scores = _score(fitted, test, task)
    return ProbeScore(
        metric=task.metric,
        value=scores.pop(task.metric),
        also=scores,
        setting={
            family.setting: chosen,
            "chosen_on": chosen_on,
            "fitted_on": "train and valid" if both else "train",
            "standardised": family.standardise,
        },
        predictions=predictions,
    )


def _family(task: Task, settings: ProbeSettings) -> Family:
    classes, published = len(task.classes), settings.kind == "reference"
    if settings.kind == "knn":
        values = (settings.neighbours,) if settings.neighbours else NEIGHBOURS
        default = settings.neighbours or ProbeSettings().neighbours
        return Family(setting="neighbours", values=values, default=default, path=neighbours_path, standardise=False)
    if settings.kind == "ridge" or task.kind == "regression":
        alphas = reference.COARSE if published else ALPHAS
        return Family(setting="alpha", values=alphas, default=1.0, path=ridge_path, standardise=not published)
    if published and task.kind == "classification":
        return Family(
            setting="C",
            values=reference.COARSE,
            default=1.0,
            path=partial(reference.reference_path, classes=classes),
            standardise=False,
            search=reference.sweep_costs,
        )
    iterations = reference.MAX_ITERATIONS if published else settings.max_iterations
    path = (
        partial(labels_path, max_iterations=iterations)
        if task.kind == "multilabel"
        else partial(logistic_path, classes=classes, max_iterations=iterations)
    )
    costs = reference.COARSE if published else COSTS
    return Family(setting="C", values=costs, default=1.0, path=path, standardise=not published)


def _choose(family: Family, train: Pair, valid: Pair | None, task: Task, settings: ProbeSettings) -> tuple[float, str]:
    if len(family.values) == 1:
        return family.values[0], "nothing: given"
    said = "valid"
    if valid is None:
        train, valid, said = _carve(train, task, published=settings.kind == "reference")
        if not len(valid[0]):
            return family.default, "nothing: too few samples, the default"
    metric, sign = _SELECTION[task.kind], 1 if task.higher_is_better else -1
    x, y = train[0], _encode(train[1], task, family)

    def quality(predictor: Predictor) -> float:
        return sign * _score(predictor, valid, task)[1][metric]

    if family.search is not None:
        return family.search(lambda value: quality(next(iter(family.path(x, y, [value]))))), said
    qualities = [quality(predictor) for predictor in family.path(x, y, family.values)]
    return family.values[int(np.argmax(qualities))], said


def _carve(train: Pair, task: Task, *, published: bool) -> tuple[Pair, Pair, str]:
    """Parts of ``train`` to fit and to choose on, and what to call the second one."""
    x, y = train
    if published:
        fit, held = reference.reference_split(y, classes=task.kind == "classification")
        share = round(100 * len(held) / len(y))
        return (x[fit], y[fit]), (x[held], y[held]), f"{share}% of train"
    rng = np.random.default_rng(reference.SPLIT_SEED)
    groups = y if task.kind == "classification" else np.zeros(len(y), np.int64)
    held = np.zeros(len(y), bool)
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        # a class with one sample stays where it can be learnt
        count = max(1, round(_CARVED * len(members))) if len(members) > 1 else 0
        held[members[:count]] = True
    return (x[~held], y[~held]), (x[held], y[held]), f"{_CARVED:.0%} of train"


def _score(predictor: Predictor, split: Pair, task: Task) -> tuple[np.ndarray, Scores]:
    features, truth = split
    outputs = predictor(features)
    if task.kind == "classification":
        predictions = outputs.argmax(axis=1)
        return predictions, classification_scores(truth, predictions, outputs, len(task.classes))
    if task.kind == "multilabel":
        labels = (outputs > 0.5).astype(np.int64)
        return labels, multilabel_scores(truth, labels)
    numbers = outputs.reshape(truth.shape)
    return numbers, regression_scores(truth, numbers)


def _encode(y: np.ndarray, task: Task, family: Family) -> np.ndarray:
    """Targets in the form that the models of a family take: classes as they are, or as numbers ``(N, L)``."""
    if family.path not in (ridge_path, neighbours_path):
        return y
    return np.eye(len(task.classes))[y] if task.kind == "classification" else y.reshape(len(y), -1).astype(np.float64)


def _standardise(train: Pair, valid: Pair | None, test: Pair) -> tuple[Pair, Pair | None, Pair]:
    mean = train[0].mean(axis=0, dtype=np.float64)
    scale = train[0].std(axis=0, dtype=np.float64)
    # the rounding noise of a constant must not become a feature
    constant = scale <= 10 * np.finfo(train[0].dtype).eps * np.abs(mean)
    scale[constant | (scale == 0)] = np.inf

    def applied(split: Pair) -> Pair:
        return ((split[0] - mean) / scale).astype(split[0].dtype), split[1]

    return applied(train), applied(valid) if valid is not None else None, applied(test)


def _join(first: Pair, second: Pair) -> Pair:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def _checked(split: Pair, name: str, task: Task) -> Pair:
    """Features of float32 or float64 and targets of the task's type, or a clear error."""
    x, y = np.asarray(split[0]), np.asarray(split[1])
    if x.ndim != 2 or not x.size or len(x) != len(y):
        raise InputError(f"The {name} split needs features (N, d) and N targets, got {x.shape} and {y.shape}.")
    x = x.astype(np.float32 if x.dtype in (np.float16, np.float32) else np.float64, copy=False)
    wrong = ~np.isfinite(x).all(axis=1)
    if wrong.any():
        raise InputError(
            f"The features of the {name} split are not finite in {wrong.sum()} of {len(x)} samples, "
            f"first in sample {int(wrong.argmax())}."
        )
    return x, _checked_targets(y, name, task)


def _checked_targets(y: np.ndarray, name: str, task: Task) -> np.ndarray:
    where = f"Task {task.name!r}, {name} split:"
    if not np.isfinite(y).all():
        raise InputError(f"{where} the targets are not all finite.")
    if task.kind == "regression":
        if y.ndim not in (1, 2):
            raise InputError(f"{where} numbers must be (N,) or (N, L), got {y.shape}.")
        return y.astype(np.float64)
    whole = y.astype(np.int64)
    if task.kind == "classification":
        if y.ndim != 1 or (whole != y).any() or whole.min() < 0 or whole.max() >= len(task.classes):
            raise InputError(f"{where} classes must be (N,) integers from 0 to {len(task.classes) - 1}.")
    elif y.ndim != 2 or y.shape[1] != len(task.classes) or ((y != 0) & (y != 1)).any():
        raise InputError(f"{where} labels must be 0 or 1 in (N, {len(task.classes)}), got {y.shape}.")
    return whole


def _check_widths(train: Pair, valid: Pair | None, test: Pair) -> None:
    splits = {"train": train, "valid": valid, "test": test}
    shapes = {name: [array.shape[1:] for array in split] for name, split in splits.items() if split is not None}
    if any(own != shapes["train"] for own in shapes.values()):
        listed = "; ".join(f"{name} {own[0]} and {own[1]}" for name, own in shapes.items())
        raise InputError(f"Features and targets of a sample must have one shape in every split, got {listed}.")
