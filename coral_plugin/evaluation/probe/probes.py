"""A probe from fit to score: scale the features, choose the penalty, fit the model again, predict test once.

:mod:`coral_plugin.evaluation.probe.penalty` chooses the penalty on the validation samples. The default differs from the
published probe (``kind="reference"``) in its penalty and in that features are standardised;
:mod:`coral_plugin.evaluation.probe.reference` says how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coral_plugin.data.task import Task
from coral_plugin.evaluation.metrics import Scores, score_outputs
from coral_plugin.evaluation.probe.estimators import Predictor, one_thread
from coral_plugin.evaluation.probe.inputs import (
    LabelledFeatures,
    Scaling,
    check_features,
    check_widths,
    scaled,
    scaling_of,
    stack_samples,
)
from coral_plugin.evaluation.probe.penalty import choose_value, model_family
from coral_plugin.evaluation.probe.settings import ProbeSettings


@dataclass(frozen=True, kw_only=True)
class ProbeScore:
    """Scores of a probe on the test samples.

    Attributes:
        metric: Name of the task's metric, for example ``balanced_accuracy``.
        value: Value of that metric.
        also: The other metrics by name.
        setting: The chosen value, the samples that it was chosen on (``chosen_on``) and those of the last fit
            (``fitted_on``).
        predictions: Classes ``(N,)``, labels ``(N, L)`` or numbers of the targets' shape.
        outputs: Numbers behind the predictions, ``(N, classes)`` or ``(N, L)``, of which only the order matters; the
            predictions again for a regression.
    """

    metric: str
    value: float
    also: Scores
    setting: dict[str, Any]
    predictions: np.ndarray = field(repr=False, compare=False)
    outputs: np.ndarray = field(repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Metric, value, other metrics and setting, in the form of ``result.json``."""
        return {"metric": self.metric, "value": self.value, "also": self.also, "setting": self.setting}


@dataclass(frozen=True, kw_only=True)
class FittedProbe:
    """A probe whose setting is chosen and whose model is fitted; it may score several sets of test samples.

    Attributes:
        task: The predicted task.
        setting: The chosen value, the samples that it was chosen on (``chosen_on``) and those of the last fit
            (``fitted_on``).
        predict: The model, a function of features that are standardised where ``scaling`` is not None.
        scaling: Mean and standard deviation of the features of train; None where they are taken as they are.
    """

    task: Task
    setting: dict[str, Any]
    predict: Predictor = field(repr=False)
    scaling: Scaling | None = field(repr=False)

    def score(self, test: LabelledFeatures) -> ProbeScore:
        """Predict the features ``(N, d)`` of ``test`` and compare with its targets.

        Raises:
            InputError: values that are not finite, or targets that the task does not have.
        """
        features, truth = check_features(test, "test", self.task)
        with one_thread():
            outputs = self.predict(scaled(features, self.scaling))
            predictions, scores = score_outputs(self.task, truth, outputs)
        value = scores.pop(self.task.metric)
        return ProbeScore(
            metric=self.task.metric,
            value=value,
            also=scores,
            setting=self.setting,
            predictions=predictions,
            outputs=predictions if self.task.kind == "regression" else outputs,
        )


def probe(
    train: LabelledFeatures,
    valid: LabelledFeatures | None,
    test: LabelledFeatures,
    task: Task,
    settings: ProbeSettings,
    refit_on_valid: bool = True,
    components: int | None = None,
) -> ProbeScore:
    """:func:`fit_probe` on ``train`` and ``valid``, and the score on ``test``, once.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.
    """
    train, test = check_features(train, "train", task), check_features(test, "test", task)
    valid = check_features(valid, "valid", task) if valid is not None else None
    check_widths(train, valid, test)
    return fit_probe(train, valid, task, settings, refit_on_valid, components).score(test)


def fit_probe(
    train: LabelledFeatures,
    valid: LabelledFeatures | None,
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
        settings: Settings of the probe.
        refit_on_valid: Fit the chosen model on ``train`` and ``valid`` together, else on ``train``.
        components: Number of principal components of ``train`` that take the place of the features; their lengths
            stay as they are, so that with all of them the model is that of the features.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or targets that the task does not have.

    Example:
        >>> ground = Task(name="ground", kind="classification", classes=("grass", "sand", "stone"))
        >>> labels = np.arange(120) % 3
        >>> features = np.eye(3)[labels] + np.random.default_rng(0).normal(scale=0.1, size=(120, 3))
        >>> train, valid, test = ((features[rows], labels[rows]) for rows in map(slice, (0, 60, 90), (60, 90, 120)))
        >>> fitted = fit_probe(train, valid, ground, ProbeSettings())
        >>> fitted.setting["chosen_on"], fitted.setting["fitted_on"]
        ('valid', 'train and valid')
        >>> fitted.score(test).metric, fitted.score(test).value
        ('balanced_accuracy', 1.0)
        >>> blurred = test[0] + np.random.default_rng(1).normal(size=(30, 3)), test[1]
        >>> fitted.score(blurred).value < 0.9
        True
    """
    train = check_features(train, "train", task)
    valid = check_features(valid, "valid", task) if valid is not None else None
    family = model_family(task, settings)
    with one_thread():
        scaling = scaling_of(train[0]) if family.standardise else None
        train = scaled(train[0], scaling), train[1]
        valid = (scaled(valid[0], scaling), valid[1]) if valid is not None else None
        directions = _directions(train[0], components) if components is not None else None
        train = _along(directions, train)
        valid = _along(directions, valid) if valid is not None else None
        both = valid is not None and refit_on_valid
        features, targets = stack_samples(train, valid) if valid is not None and both else train
        # what the last fit needs is prepared once, for the fits before it too
        rows, count = family.prepare(features), len(train[0])
        chosen, chosen_on, unconverged = choose_value(
            family,
            (rows[:count], train[1]) if valid is not None else train,
            (rows[count:], valid[1]) if valid is not None and both else valid,
            task,
            settings,
        )
        fitted = next(iter(family.path(rows, family.encode(targets, task), [chosen])))
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
    axes: np.ndarray = PCA(count, random_state=0).fit(train.astype(np.float64)).components_
    return axes.T.astype(train.dtype)


def _along(directions: np.ndarray | None, split: LabelledFeatures) -> LabelledFeatures:
    return split if directions is None else (split[0] @ directions, split[1])
