"""Probes: how well simple models predict a task from fixed features.

The one setting of a model is chosen on the validation samples, the model is fitted again, and the test samples are
predicted once. The default differs from the published probe (``kind="reference"``) in its penalty and in that
features are standardised; :mod:`coral_plugin.evaluation.probe.reference` says how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import (
    Scores,
    classification_scores,
    metric_named,
    multilabel_scores,
    regression_scores,
)
from coral_plugin.evaluation.probe import reference
from coral_plugin.evaluation.probe.estimators import (
    Family,
    Path,
    Predictor,
    neighbours_path,
    one_thread,
    ridge_path,
)
from coral_plugin.evaluation.probe.inputs import Pair, check_widths, checked, scaled, scaling_of, stack_samples
from coral_plugin.evaluation.probe.logistic import labels_path, logistic_path

ProbeKind = Literal["linear", "knn", "ridge", "reference"]

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
        max_iterations: Most steps of conjugate gradients in each fit of ``linear``. A fit that needs more is named in
            the setting of the score.
        matched_width: Also probe the principal components of the representation at the width of the network, where
            representations of different width can be compared; one more probe for each task.
    """

    kind: ProbeKind = "linear"
    neighbours: int = 20
    max_iterations: int = 1000
    matched_width: bool = True

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"Unknown probe {self.kind!r}; known: {', '.join(_KINDS)}.")
        if not 0 <= self.neighbours <= 1_000_000:
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
        outputs: What they were decided on: ``(N, classes)`` or ``(N, L)``, of which only the order matters; numbers
            again for a regression.
    """

    metric: str
    value: float
    also: Scores
    setting: dict[str, Any]
    predictions: np.ndarray = field(repr=False, compare=False)
    outputs: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class FittedProbe:
    """A probe whose setting is chosen and whose model is fitted; it may score several sets of test samples.

    Attributes:
        task: What it predicts.
        setting: What was chosen, on what (``chosen_on``), and what the last fit saw (``fitted_on``).
        predict: Of standardised features, where they are standardised.
        scaling: Mean and deviation of the features of train; None where they are taken as they are.
    """

    task: Task
    setting: dict[str, Any]
    predict: Predictor = field(repr=False)
    scaling: Pair | None = field(repr=False)

    def score(self, test: Pair) -> ProbeScore:
        """Predict the features ``(N, d)`` of ``test`` and compare with its targets.

        Raises:
            InputError: values that are not finite, or targets that the task does not have.
        """
        features, truth = checked(test, "test", self.task)
        with one_thread():
            outputs, predictions, scores = _score(self.predict, (scaled(features, self.scaling), truth), self.task)
        value = scores.pop(self.task.metric)
        return ProbeScore(
            metric=self.task.metric,
            value=value,
            also=scores,
            setting=self.setting,
            predictions=predictions,
            outputs=outputs,
        )


def probe(
    train: Pair,
    valid: Pair | None,
    test: Pair,
    task: Task,
    settings: ProbeSettings,
    refit_on_valid: bool = True,
    components: int | None = None,
) -> ProbeScore:
    """:func:`fit_probe` on ``train`` and ``valid``, and the score on ``test``, once.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.
    """
    train, test = checked(train, "train", task), checked(test, "test", task)
    valid = checked(valid, "valid", task) if valid is not None else None
    check_widths(train, valid, test)
    return fit_probe(train, valid, task, settings, refit_on_valid, components).score(test)


def fit_probe(
    train: Pair,
    valid: Pair | None,
    task: Task,
    settings: ProbeSettings,
    refit_on_valid: bool = True,
    components: int | None = None,
) -> FittedProbe:
    """Choose the setting on ``valid`` and fit again.

    Features are standardised with the statistics of ``train`` for logistic and ridge regression. Without ``valid``,
    a fifth of ``train`` (stratified, always the same one) chooses the setting. Of equals the smallest value wins.

    Args:
        train: Features ``(N, d)`` and targets.
        valid: The same of other samples; None where there are none.
        task: Kind of the targets: (N,) classes, (N, L) labels of 0/1, (N,) or (N, L) numbers.
        settings: Which probe.
        refit_on_valid: Fit the chosen model on ``train`` and ``valid`` together, else on ``train``.
        components: Fit on so many principal components of ``train`` in place of the features; their lengths stay as
            they are, so that with all of them the model is that of the features.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.
    """
    train = checked(train, "train", task)
    valid = checked(valid, "valid", task) if valid is not None else None
    family = _family(task, settings)
    with one_thread():
        scaling = scaling_of(train[0]) if family.standardise else None
        train = scaled(train[0], scaling), train[1]
        valid = (scaled(valid[0], scaling), valid[1]) if valid is not None else None
        directions = _directions(train[0], components) if components is not None else None
        train = _along(directions, train)
        valid = _along(directions, valid) if valid is not None else None
        chosen, chosen_on, unconverged = _choose(family, train, valid, task, settings)
        both = valid is not None and refit_on_valid
        last = stack_samples(train, valid) if valid is not None and both else train
        fitted = next(iter(family.path(last[0], _encode(last[1], task, family), [chosen])))
    setting = {
        family.setting: chosen,
        "chosen_on": chosen_on,
        "fitted_on": "train and valid" if both else "train",
        "standardised": family.standardise,
    }
    stopped = [*(f"{value:g}" for value in unconverged), *([] if fitted.converged else ["the last fit"])]
    if stopped:
        beyond = f"; no greater {family.setting} was tried" if unconverged and settings.kind != "reference" else ""
        setting["note"] = f"stopped before convergence: {', '.join(stopped)}{beyond}"
    return FittedProbe(
        task=task,
        setting=setting,
        predict=fitted if directions is None else Predictor(lambda new: fitted(new @ directions)),
        scaling=scaling,
    )


def _directions(train: np.ndarray, components: int) -> np.ndarray:
    """The first principal directions ``(d, components)``, of fewer where the samples do not span so many."""
    from sklearn.decomposition import PCA

    count = min(components, *train.shape)
    # where there are very many features scikit-learn draws to find the directions
    found: np.ndarray = PCA(count, random_state=0).fit(train.astype(np.float64)).components_.T.astype(train.dtype)
    return found


def _along(directions: np.ndarray | None, split: Pair) -> Pair:
    return split if directions is None else (split[0] @ directions, split[1])


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
        path: Path = partial(reference.reference_path, classes=classes)
    elif published:
        path = reference.reference_labels_path
    elif task.kind == "multilabel":
        path = partial(labels_path, max_iterations=settings.max_iterations)
    else:
        path = partial(logistic_path, classes=classes, max_iterations=settings.max_iterations)
    search = reference.sweep_costs if published and task.kind == "classification" else None
    costs = reference.COARSE if published else COSTS
    return Family(setting="C", values=costs, default=1.0, path=path, standardise=not published, search=search)


def _choose(
    family: Family, train: Pair, valid: Pair | None, task: Task, settings: ProbeSettings
) -> tuple[float, str, list[float]]:
    """The value, what it was chosen on, and the values whose fits stopped before they had converged."""
    if len(family.values) == 1:
        return family.values[0], "nothing: given", []
    said = "valid"
    if valid is None:
        train, valid, said = _carve(train, task, published=settings.kind == "reference")
        if not len(valid[0]):
            return family.default, "nothing: too few samples, the default", []
    metric = _SELECTION[task.kind]
    sign = 1 if metric_named(metric).higher_is_better else -1
    x, y = train[0], _encode(train[1], task, family)

    def quality(predictor: Predictor) -> float:
        return sign * _score(predictor, valid, task, auroc=False)[2][metric]

    if family.search is not None:
        return family.search(lambda value: quality(next(iter(family.path(x, y, [value]))))), said, []
    qualities, unconverged = [], []
    for value, predictor in zip(family.values, family.path(x, y, family.values), strict=True):
        qualities.append(quality(predictor))
        if not predictor.converged:
            unconverged.append(value)
            # nor would fits with less penalty, which take longest; the published probe tries them all
            if settings.kind != "reference":
                qualities = qualities[:-1] or qualities
                break
    return family.values[int(np.argmax(qualities))], said, unconverged


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


def _score(
    predictor: Predictor, split: Pair, task: Task, *, auroc: bool = True
) -> tuple[np.ndarray, np.ndarray, Scores]:
    """Outputs, predictions and their scores; the area under the curve takes longer than all others together."""
    features, truth = split
    outputs = predictor(features)
    if task.kind == "classification":
        predictions = outputs.argmax(axis=1)
        scores = classification_scores(truth, predictions, outputs if auroc else None, len(task.classes))
        return outputs, predictions, scores
    if task.kind == "multilabel":
        labels = (outputs > 0.5).astype(np.int64)
        return outputs, labels, multilabel_scores(truth, labels)
    numbers = outputs.reshape(truth.shape)
    return numbers, numbers, regression_scores(truth, numbers)


def _encode(y: np.ndarray, task: Task, family: Family) -> np.ndarray:
    """Targets in the form that the models of a family take: classes as they are, or as numbers ``(N, L)``."""
    if family.path not in (ridge_path, neighbours_path):
        return y
    return np.eye(len(task.classes))[y] if task.kind == "classification" else y.reshape(len(y), -1).astype(np.float64)
