"""Label, scale and better direction of every metric, and scores of predictions by the names of ``metrics.json``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coral_plugin.data.task import Task

Scores = dict[str, float]


@dataclass(frozen=True)
class Metric:
    """How a metric is shown and compared.

    Attributes:
        label: Name in prose.
        is_share: Whether its values lie in [0, 1]; they are shown in percent.
        higher_is_better: Whether a greater value is a better one.
    """

    label: str
    is_share: bool = True
    higher_is_better: bool = True

    @property
    def axis_label(self) -> str:
        """Name and unit, ``balanced accuracy, %``."""
        return f"{self.label}, %" if self.is_share else self.label

    @property
    def arrow(self) -> str:
        """Better direction, ``↑`` or ``↓``."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """Name, unit and better direction, ``balanced accuracy, % ↑``."""
        return f"{self.axis_label} {self.arrow}"


_METRICS = {
    "macro_f1": Metric("macro F1"),
    "weighted_f1": Metric("weighted F1"),
    "auroc": Metric("AUROC"),
    "mse": Metric("MSE", is_share=False, higher_is_better=False),
    "mae": Metric("MAE", is_share=False, higher_is_better=False),
    "rmse": Metric("rmse", is_share=False, higher_is_better=False),
    "r2": Metric("R²", is_share=False),
    "pearson": Metric("pearson", is_share=False),
    # MultiBench's figures
    "correlation": Metric("correlation", is_share=False),
    "f1_micro": Metric("F1, micro"),
    "f1_macro": Metric("F1, macro"),
    "auprc": Metric("AUPRC"),
    "affect_accuracy": Metric("positive or not, without zeros"),
    "affect_accuracy_with_zeros": Metric("positive or not, with zeros"),
    "affect_f1": Metric("F1 of positive, weighted, without zeros"),
    "accuracy_7": Metric("accuracy of 7 classes"),
    "accuracy_5": Metric("accuracy of 5 classes"),
}


def metric_named(name: str) -> Metric:
    """The metric ``name`` of ``metrics.json``; one that is not listed is a share of which more is better.

    >>> metric_named("balanced_accuracy").heading, metric_named("mse").heading
    ('balanced accuracy, % ↑', 'MSE ↓')
    """
    return _METRICS.get(name) or Metric(name.replace("_", " "))


def score_outputs(
    task: Task, targets: np.ndarray, outputs: np.ndarray, *, auroc: bool = True
) -> tuple[np.ndarray, Scores]:
    """Predictions that the outputs of a model stand for, and their scores.

    Args:
        task: The predicted task.
        targets: Classes ``(N,)``, labels ``(N, L)``, or numbers ``(N,)`` or ``(N, L)``.
        outputs: Numbers ``(N, K)``: the class with the greatest is predicted, each label above 0.5, or the numbers.
        auroc: Whether the area under the curve is computed, which takes longer than all other scores together.

    Returns:
        Predictions of the shape of ``targets``, and the scores of :func:`classification_scores`,
        :func:`multilabel_scores` or :func:`regression_scores`.
    """
    if task.kind == "classification":
        predictions = outputs.argmax(axis=1)
        return predictions, classification_scores(targets, predictions, outputs if auroc else None, len(task.classes))
    if task.kind == "multilabel":
        labels = (outputs > 0.5).astype(np.int64)
        return labels, multilabel_scores(targets, labels)
    numbers = outputs.reshape(targets.shape)
    return numbers, regression_scores(targets, numbers)


def classification_scores(
    labels: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: int
) -> Scores:
    """Scores of one class for each sample.

    ``balanced_accuracy`` is the mean recall over the classes that occur in ``labels``; ``auroc`` is the ordinary one
    of two classes, else the mean over the occurring classes of each one against the rest. It is absent where it is
    not defined: no probabilities, or a single class in ``labels``.

    Args:
        labels: True classes ``(N,)``, integers from 0.
        predictions: Predicted classes ``(N,)``.
        probabilities: Scores ``(N, classes)``, of which only the order matters; None leaves ``auroc`` out.
        classes: Number of classes of the task.

    Returns:
        ``balanced_accuracy``, ``accuracy``, ``macro_f1`` and, where defined, ``auroc``.

    >>> classification_scores(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), None, 2)["balanced_accuracy"]
    0.5
    """
    # scikit-learn's numbers without its checks, which took most of a small probe's time
    true, guessed, right = (
        np.bincount(which, minlength=classes) for which in (labels, predictions, labels[labels == predictions])
    )
    present = np.flatnonzero(true)
    scores = {
        "balanced_accuracy": (right[present] / true[present]).mean(),
        "accuracy": (labels == predictions).mean(),
        "macro_f1": _f1(right, true, guessed)[(true > 0) | (guessed > 0)].mean(),
    }
    if probabilities is not None and len(present) > 1:
        scores["auroc"] = _auroc(labels, probabilities, present, classes)
    return _plain(scores)


def multilabel_scores(labels: np.ndarray, predictions: np.ndarray) -> Scores:
    """Scores of any number of labels for each sample; the F1 of a label without positives anywhere is 0.

    Args:
        labels: 0 or 1, ``(N, L)``.
        predictions: 0 or 1, ``(N, L)``.

    Returns:
        ``weighted_f1`` (by the frequency of the labels), ``macro_f1``, ``subset_accuracy`` (all labels of a sample
        right) and ``macro_accuracy`` (mean over the labels).
    """
    truth, guess = labels.astype(np.int64), predictions.astype(np.int64)
    support = truth.sum(axis=0)
    by_label = _f1((truth & guess).sum(axis=0), support, guess.sum(axis=0))
    return _plain(
        {
            "weighted_f1": (by_label * support).sum() / max(support.sum(), 1),
            "macro_f1": by_label.mean(),
            "subset_accuracy": (truth == guess).all(axis=1).mean(),
            "macro_accuracy": (truth == guess).mean(),
        }
    )


def chance_levels(targets: np.ndarray, task: Task) -> Scores:
    """The level of chance of each metric on these samples: the score of the best guess that is equal for all.

    Only what occurs in ``targets`` counts: balanced accuracy is a mean over the classes that do, so its level is one
    over their number, however many classes the task has. For the F1 of labels the best guess is "yes" to all.

    Args:
        targets: Targets of the test samples: classes ``(N,)`` or labels of 0 and 1 ``(N, L)``.
        task: The task of the targets.

    Returns:
        ``{metric: level}`` with the metrics of :func:`classification_scores` or :func:`multilabel_scores`; empty for
        a regression, where no such level is defined.

    >>> task = Task(name="mood", kind="classification", classes=("low", "middle", "high"))
    >>> chance_levels(np.array([0, 2, 2, 2]), task)["balanced_accuracy"]
    0.5
    """
    if task.kind == "regression":
        return {}
    if task.kind == "multilabel":
        yes = multilabel_scores(targets, np.ones_like(targets))
        _, counts = np.unique(targets, axis=0, return_counts=True)
        often = targets.mean(axis=0)
        return yes | _plain(
            {
                "subset_accuracy": counts.max() / len(targets),
                "macro_accuracy": np.maximum(often, 1 - often).mean(),
            }
        )
    present, counts = np.unique(targets, return_counts=True)
    guess = np.full_like(targets, present[counts.argmax()])
    scores = classification_scores(targets, guess, None, len(task.classes))
    return scores | ({"auroc": 0.5} if len(present) > 1 else {})


def regression_scores(targets: np.ndarray, predictions: np.ndarray) -> Scores:
    """Scores of one or more numbers for each sample, averaged over the outputs.

    Args:
        targets: ``(N,)`` or ``(N, L)``.
        predictions: Predicted numbers, of the same shape.

    Returns:
        ``mse``, ``mae``; ``r2`` where every output varies; ``pearson`` over the outputs that vary on both sides.
    """
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    truth, guess = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (targets, predictions))
    scores = {"mse": mean_squared_error(truth, guess), "mae": mean_absolute_error(truth, guess)}
    if len(truth) > 1:
        if np.ptp(truth, axis=0).all():  # of a constant output it would be a quotient of rounding
            scores["r2"] = r2_score(truth, guess)
        correlated = [_pearson(t, g) for t, g in zip(truth.T, guess.T, strict=True) if np.ptp(t) > 0 and np.ptp(g) > 0]
        if correlated:
            scores["pearson"] = np.mean(correlated)
    return _plain(scores)


def _f1(right: np.ndarray, true: np.ndarray, guessed: np.ndarray) -> np.ndarray:
    """F1 from the numbers of samples that are both, true, and predicted; 0 where there are none."""
    return 2 * right / np.maximum(true + guessed, 1)


def _auroc(labels: np.ndarray, probabilities: np.ndarray, present: np.ndarray, classes: int) -> float:
    from sklearn.metrics import roc_auc_score

    positive = [1] if classes == 2 else present
    return float(np.mean([roc_auc_score(labels == c, _in_order(probabilities, c)) for c in positive]))


def _in_order(probabilities: np.ndarray, column: int) -> np.ndarray:
    """Numbers in the order of a column; where it is almost 1 and has no digits left, the other columns have them."""
    scores = probabilities[:, column]
    if probabilities.min() < 0:  # ridge regression
        return scores
    others = np.delete(probabilities, column, axis=1).sum(axis=1)
    return np.where(scores > 0.999, -np.log(np.maximum(others, np.finfo(np.float64).tiny)), scores)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    # scaled first: the square of a tiny standard deviation would underflow
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _plain(scores: dict[str, float]) -> Scores:
    return {name: float(value) for name, value in scores.items()}
