"""The figures that MultiBench reports of predictions (its ``eval_scripts/performance.py`` and affect metrics).

Reported next to :mod:`coral_plugin.evaluation.metrics`, so that a run can be compared with MultiBench's tables.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from coral_plugin.data.task import Task

Average = Literal["micro", "macro", "weighted"]
Figures = dict[str, float]


def accuracy(truth: np.ndarray, predictions: np.ndarray) -> float:
    """Share of samples that are right; of several labels (N, L) all must be.

    >>> accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0]))
    0.75
    """
    right = np.asarray(truth) == np.asarray(predictions)
    return float(right.reshape(len(right), -1).all(axis=1).mean())


def f1(truth: np.ndarray, predictions: np.ndarray, average: Average) -> float:
    """F1 over classes (N,) or labels (N, L); a class without positives anywhere counts as 0.

    ``micro`` counts over all of them together, ``macro`` is their mean, ``weighted`` their mean by frequency in
    ``truth``.

    >>> round(f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), "macro"), 4)
    0.7333
    """
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predictions, average=average, zero_division=0))


def auprc(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Average precision of scores (N,) for labels of 0 and 1 (N,); None without positives, where it is not defined.

    The sum over the samples, from the greatest score down, of the precision times the gain in recall. MultiBench has 0
    and a warning for None.

    >>> auprc(np.array([1, 0, 1]), np.array([0.9, 0.8, 0.1]))
    0.8333333333333333
    """
    from sklearn.metrics import average_precision_score

    truth = np.asarray(truth).astype(np.int64)
    return float(average_precision_score(truth, scores)) if (truth == 1).any() else None


def affect_accuracy(truth: np.ndarray, predictions: np.ndarray, *, exclude_zero: bool = True) -> float | None:
    """Accuracy of "positive or not" from scores of any size: both sides are cut at 0, where 0 is not positive.

    MultiBench's ``eval_affect``.

    Args:
        truth: ``(N,)`` or ``(N, 1)``.
        predictions: Predicted scores of the same shape.
        exclude_zero: Whether samples whose truth is 0 are left out.

    Returns:
        None where no sample is left; MultiBench fails there.

    >>> affect_accuracy(np.array([2.0, 0.0, -1.0]), np.array([0.5, 0.5, 0.5]))
    0.5
    """
    wanted, guess = np.asarray(truth).reshape(-1), np.asarray(predictions).reshape(-1)
    kept = wanted != 0 if exclude_zero else np.ones(len(wanted), bool)
    if not kept.any():
        return None
    return float(((wanted[kept] > 0) == (guess[kept] > 0)).mean())


def affect_figures(truth: np.ndarray, predictions: np.ndarray) -> Figures:
    """Figures of sentiment scores from -3 to 3: errors, and agreement once they are cut into classes.

    Args:
        truth: ``(N,)`` or ``(N, 1)``.
        predictions: Predicted scores of the same shape.

    Returns:
        ``mae``; ``correlation`` (where both sides vary); ``accuracy_7`` and ``accuracy_5`` (cut to ±3 and ±2 and
        rounded, half to even); ``affect_accuracy`` without the neutral samples and ``affect_accuracy_with_zeros``;
        ``affect_f1``, weighted by the truth, without the neutral ones. MultiBench weights the last by the predictions,
        because it exchanges the two.
    """
    wanted, guess = (np.asarray(v, np.float64).reshape(-1) for v in (truth, predictions))
    figures: dict[str, float | None] = {"mae": float(np.abs(wanted - guess).mean())}
    if np.ptp(wanted) > 0 and np.ptp(guess) > 0:
        figures["correlation"] = float(np.corrcoef(wanted, guess)[0, 1])
    for most, name in ((3, "accuracy_7"), (2, "accuracy_5")):
        figures[name] = float((np.round(wanted.clip(-most, most)) == np.round(guess.clip(-most, most))).mean())
    figures["affect_accuracy"] = affect_accuracy(wanted, guess)
    figures["affect_accuracy_with_zeros"] = affect_accuracy(wanted, guess, exclude_zero=False)
    signed = wanted != 0
    if signed.any():
        figures["affect_f1"] = f1(wanted[signed] > 0, guess[signed] > 0, "weighted")
    return {name: value for name, value in figures.items() if value is not None}


def multibench_figures(task: Task, truth: np.ndarray, predictions: np.ndarray, outputs: np.ndarray) -> Figures:
    """Every figure of MultiBench that the kind of the task has.

    Args:
        task: The predicted task.
        truth: ``(N,)`` classes, ``(N, L)`` labels, ``(N,)`` or ``(N, L)`` numbers.
        predictions: Predictions of the same shape.
        outputs: Outputs of the model behind the predictions, ``(N, classes)`` or ``(N, L)``.

    Returns:
        Classification: ``accuracy``, ``f1_micro``, ``f1_macro`` and, of two classes, ``auprc`` of the second one.
        Several labels: the same, the accuracy of all labels at once, ``auprc`` over all pairs of sample and label.
        Regression: ``mse``, and :func:`affect_figures` of a single number of either sign.
    """
    if task.kind == "regression":
        wanted, guess = (np.asarray(v, np.float64) for v in (truth, predictions))
        figures = {"mse": float(np.square(wanted - guess).mean())}
        single = wanted.ndim == 1 or wanted.shape[1] == 1
        return figures | (affect_figures(wanted, guess) if single and wanted.min() < 0 < wanted.max() else {})
    figures = {"accuracy": accuracy(truth, predictions)}
    figures |= {f"f1_{average}": f1(truth, predictions, average) for average in ("micro", "macro")}
    ranked = None
    if task.kind == "multilabel":
        ranked = auprc(np.reshape(truth, -1), np.reshape(outputs, -1))
    elif len(task.classes) == 2:
        ranked = auprc(truth, outputs[:, 1])
    return figures if ranked is None else {**figures, "auprc": ranked}
