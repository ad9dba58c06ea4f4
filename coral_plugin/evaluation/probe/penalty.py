"""Where a probe's penalty (or its number of neighbours) is chosen: candidates, samples to choose on, criterion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from coral_plugin.data.task import Task
from coral_plugin.evaluation.metrics import metric_named, score_outputs
from coral_plugin.evaluation.probe import reference
from coral_plugin.evaluation.probe.estimators import FitPath, Predictor, neighbours_path, ridge_path
from coral_plugin.evaluation.probe.inputs import LabelledFeatures
from coral_plugin.evaluation.probe.logistic import labels_path, logistic_path, plain_labels_path, plain_logistic_path
from coral_plugin.evaluation.probe.prepared import PreparedSamples
from coral_plugin.evaluation.probe.settings import ProbeSettings

COSTS = tuple(10.0**i for i in range(-4, 5))
ALPHAS = tuple(10.0**i for i in range(-6, 7))
NEIGHBOURS = (1, 5, 10, 20, 50, 100)
_HELD_OUT_SHARE = 0.2
_CRITERION = {"classification": "balanced_accuracy", "multilabel": "macro_f1", "regression": "mse"}


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """Models that differ in one number.

    Attributes:
        setting: Name of the number.
        values: Candidate values, in the order in which the first of equals wins.
        default: Value where no sample is left to choose on.
        path: Function that fits a model for each value.
        numeric_targets: Whether ``path`` needs numbers ``(N, L)``, one-hot for classes.
        standardise: Whether the features are standardised first.
        search: Search over values, called with the function that scores one value; None tries all ``values``.
        prepare: Function that turns the features of all samples of a probe into what ``path`` takes, of which the first
            N rows are a part that shares the work.
    """

    setting: str
    values: tuple[float, ...]
    default: float
    path: FitPath
    numeric_targets: bool = False
    standardise: bool = True
    search: Callable[[Callable[[float], float]], float] | None = None
    prepare: Callable[[np.ndarray], Any] = np.asarray

    def encode(self, targets: np.ndarray, task: Task) -> np.ndarray:
        """Targets in the form that :attr:`path` takes."""
        if not self.numeric_targets:
            return targets
        if task.kind == "classification":
            return np.eye(len(task.classes))[targets]
        return targets.reshape(len(targets), -1).astype(np.float64)


def model_family(task: Task, settings: ProbeSettings) -> ModelFamily:
    """The models among which a probe chooses, with their candidate values."""
    classes, published = len(task.classes), settings.kind == "reference"
    plain = settings.solver == "scikit-learn"
    if settings.kind == "knn":
        return ModelFamily(
            setting="neighbours",
            values=(settings.neighbours,) if settings.neighbours else NEIGHBOURS,
            default=settings.neighbours or ProbeSettings().neighbours,
            path=neighbours_path,
            numeric_targets=True,
            standardise=False,
        )
    if settings.kind == "ridge" or task.kind == "regression":
        alphas = reference.COARSE if published else ALPHAS
        return ModelFamily(
            setting="alpha",
            values=alphas,
            default=1.0,
            path=ridge_path,
            numeric_targets=True,
            standardise=not published,
        )
    if published and task.kind == "classification":
        path: FitPath = partial(reference.reference_path, classes=classes)
    elif published:
        path = reference.reference_labels_path
    elif task.kind == "multilabel":
        path = partial(plain_labels_path if plain else labels_path, max_iterations=settings.max_iterations)
    else:
        fits = plain_logistic_path if plain else logistic_path
        path = partial(fits, classes=classes, max_iterations=settings.max_iterations)
    search = reference.sweep_costs if published and task.kind == "classification" else None
    costs = reference.COARSE if published else COSTS
    return ModelFamily(
        setting="C",
        values=costs,
        default=1.0,
        path=path,
        standardise=not published,
        search=search,
        prepare=np.asarray if published or plain else PreparedSamples,
    )


def choose_value(
    family: ModelFamily,
    train: tuple[Any, np.ndarray],
    valid: tuple[Any, np.ndarray] | None,
    task: Task,
    settings: ProbeSettings,
) -> tuple[float, str, list[float]]:
    """Choose the value of a family's setting: the best score on ``valid``, or on a part of ``train`` without it.

    The criterion is balanced accuracy for classes, macro F1 for labels and the squared error for numbers.

    Returns:
        The value, what it was chosen on, and the values whose fits stopped before they had converged.
    """
    if len(family.values) == 1:
        return family.values[0], "nothing: given", []
    chosen_on = "valid"
    if valid is None:
        train, valid, chosen_on = _hold_out(train, task, published=settings.kind == "reference")
        if not len(valid[0]):
            return family.default, "nothing: too few samples, the default", []
    metric = _CRITERION[task.kind]
    sign = 1 if metric_named(metric).higher_is_better else -1
    features, targets = train[0], family.encode(train[1], task)

    def quality(predictor: Predictor) -> float:
        return sign * score_outputs(task, valid[1], predictor(valid[0]), auroc=False)[1][metric]

    if family.search is not None:
        return family.search(lambda value: quality(next(iter(family.path(features, targets, [value]))))), chosen_on, []
    qualities, unconverged = [], []
    for value, predictor in zip(family.values, family.path(features, targets, family.values), strict=True):
        qualities.append(quality(predictor))
        if not predictor.converged:
            unconverged.append(value)
            # nor would fits with less penalty, which take longest; the published probe tries them all
            if settings.kind != "reference":
                qualities = qualities[:-1] or qualities
                break
    return family.values[int(np.argmax(qualities))], chosen_on, unconverged


def _hold_out(
    train: LabelledFeatures, task: Task, *, published: bool
) -> tuple[LabelledFeatures, LabelledFeatures, str]:
    """Parts of ``train`` to fit and to choose on, and the name of the second one."""
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
        count = max(1, round(_HELD_OUT_SHARE * len(members))) if len(members) > 1 else 0
        held[members[:count]] = True
    return (x[~held], y[~held]), (x[held], y[held]), f"{_HELD_OUT_SHARE:.0%} of train"
