"""Logistic regression with an L2 penalty, fitted for a row of candidate penalties until each has converged."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from coral_plugin.evaluation.probe.estimators import Predictor
from coral_plugin.evaluation.probe.newton import minimise
from coral_plugin.evaluation.probe.prepared import PreparedSamples, Space

# columns of a matrix product up to which one more of them costs little
_COLUMNS = 24
_PLAIN_TOLERANCE = 1e-8


def logistic_path(
    x: np.ndarray | PreparedSamples, y: np.ndarray, values: Iterable[float], *, classes: int, max_iterations: int
) -> Iterator[Predictor]:
    """Logistic regression, ``sum CE + |W|² / (2 C)``, the model of scikit-learn's ``LogisticRegression``.

    scikit-learn's solvers stop by a gradient that does not know C: from a warm start they end at once where C is
    great, and from zero they need thousands of steps. Here (:func:`~coral_plugin.evaluation.probe.newton.minimise`)
    each penalty is fitted until it has converged, a few of them side by side, the next ones from where those before
    them ended. :func:`plain_logistic_path` is scikit-learn's, one by one.

    Args:
        x: Features ``(N, d)``, or samples that several paths share; a fit starts where one of the same C ended on them.
        y: Classes ``(N,)``, integers below ``classes``.
        values: The C, best from small to great.
        classes: K, the width of the result; classes that ``y`` lacks have probability 0.
        max_iterations: Greatest number of conjugate-gradient steps in each fit; one that needs more is not
            ``converged``.
    """
    rows = x if isinstance(x, PreparedSamples) else PreparedSamples(x)
    present, index = np.unique(y, return_inverse=True)
    if len(present) == 1:
        yield from _constant(present[0], classes, values)
        return
    onehot = np.eye(len(present))[:, index]
    targets = onehot[None, -_outputs(len(present)) :]
    for theta, converged in _fits(rows, targets, values, max_iterations):
        yield Predictor(_Solution(rows, theta[0], present, classes), bool(converged[0]))


def labels_path(
    x: np.ndarray | PreparedSamples, y: np.ndarray, values: Iterable[float], *, max_iterations: int
) -> Iterator[Predictor]:
    """One logistic regression for each label, all with the same C; a label that never varies is predicted constant.

    Args:
        x: Features ``(N, d)``, or samples that several paths share.
        y: 0 or 1, ``(N, L)``.
        values: The C, best from small to great.
        max_iterations: Greatest number of steps in each fit, as in :func:`logistic_path`.
    """
    rows = x if isinstance(x, PreparedSamples) else PreparedSamples(x)
    values, varied, both = list(values), np.ptp(y, axis=0) > 0, np.arange(2)
    constant = [next(_constant(label, 2, [1.0])) for label in y[0]]
    nothing = (np.zeros((0, 1, 1)), np.zeros(0, bool))
    targets = y.T[varied, None].astype(np.float64)
    fits = _fits(rows, targets, values, max_iterations) if varied.any() else (nothing for _ in values)
    for theta, converged in fits:
        predictors = list(constant)
        for at, label in enumerate(np.flatnonzero(varied)):
            predictors[label] = Predictor(_Solution(rows, theta[at], both, 2), bool(converged[at]))
        yield stack_labels(tuple(predictors))


def plain_logistic_path(
    x: np.ndarray, y: np.ndarray, values: Iterable[float], *, classes: int, max_iterations: int
) -> Iterator[Predictor]:
    """The models of :func:`logistic_path` by scikit-learn's L-BFGS, one by one and each from zero.

    Args:
        x: Features ``(N, d)``.
        y: Classes ``(N,)``, integers below ``classes``.
        values: The C.
        classes: K, the width of the result.
        max_iterations: Greatest number of L-BFGS steps; a fit that needs more is not ``converged``.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    if len(present) == 1:
        yield from _constant(present[0], classes, values)
        return
    for value in values:
        model = LogisticRegression(C=value, max_iter=max_iterations, tol=_PLAIN_TOLERANCE)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(x.astype(np.float64), y)
        stopped = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        yield Predictor(partial(_spread, model.predict_proba, present, classes), not stopped)


def plain_labels_path(
    x: np.ndarray, y: np.ndarray, values: Iterable[float], *, max_iterations: int
) -> Iterator[Predictor]:
    """The models of :func:`labels_path` by scikit-learn, as in :func:`plain_logistic_path`."""
    for value in values:
        yield stack_labels(
            tuple(
                next(plain_logistic_path(x, label, [value], classes=2, max_iterations=max_iterations)) for label in y.T
            )
        )


def stack_labels(predictors: tuple[Predictor, ...]) -> Predictor:
    """Probability of each label ``(M, L)``, from predictors of "no" and "yes"."""
    return Predictor(partial(_side_by_side, predictors), all(predict.converged for predict in predictors))


class _Solution:
    """Probabilities from fitted parameters ``(K, r + 1)``, of features or of samples that share the coordinates."""

    def __init__(self, rows: PreparedSamples, theta: np.ndarray, present: np.ndarray, classes: int) -> None:
        self.theta, self.present, self.classes = theta, present, classes
        self._space: Space | None = rows.space
        self._weights, self._bias = np.zeros((0, 0)), np.zeros(0)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights ``(d, K)`` and biases, computed where features are first predicted: few candidates ever are."""
        if self._space is not None:
            self._weights, self._bias = self._space.weights(self.theta)
            self._space = None  # the samples need not stay in memory
        return self._weights, self._bias

    def __call__(self, new: np.ndarray | PreparedSamples) -> np.ndarray:
        from scipy.special import softmax

        if isinstance(new, PreparedSamples):
            logits = new.values @ self.theta.T
        else:
            weights, bias = self.weights()
            logits = new @ weights + bias
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        return _in_classes(softmax(logits, axis=1), self.present, self.classes)


def _fits(
    rows: PreparedSamples, targets: np.ndarray, values: Iterable[float], max_iterations: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parameters ``(L, K, r + 1)`` of L problems, and whether each has converged ``(L,)``, for each C."""
    values, theta = list(values), np.zeros((*targets.shape[:2], rows.values.shape[1]))
    problems = len(theta)
    together = max(1, _COLUMNS // (problems * targets.shape[1]))
    for first in range(0, len(values), together):
        taken = values[first : first + together]
        starts = [rows.starts.get(value, theta) for value in taken]
        start = np.concatenate([known if known.shape == theta.shape else theta for known in starts])
        costs = np.repeat(np.array(taken) * rows.space.unit**2, problems)
        fitted, converged = minimise(rows, np.tile(targets, (len(taken), 1, 1)), costs, start, max_iterations)
        for at, value in enumerate(taken):
            part = slice(at * problems, (at + 1) * problems)
            rows.starts[value] = theta = fitted[part]
            yield theta, converged[part]


def _outputs(classes: int) -> int:
    """Number of logits: two classes have one."""
    return classes if classes > 2 else 1


def _constant(label: int, classes: int, values: Iterable[float]) -> Iterator[Predictor]:
    """A predictor that is certain of one class, for each value."""
    outputs: Callable[..., np.ndarray] = partial(_certain, np.eye(classes)[label])
    yield from (Predictor(outputs) for _ in values)


def _certain(row: np.ndarray, new: np.ndarray | PreparedSamples) -> np.ndarray:
    return np.tile(row, (len(new), 1))


def _spread(
    probabilities: Callable[[np.ndarray], np.ndarray], present: np.ndarray, classes: int, new: np.ndarray
) -> np.ndarray:
    return _in_classes(probabilities(new), present, classes)


def _in_classes(probabilities: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities of the classes that were ``present``, ``(M, classes)``, and 0 of all others."""
    full = np.zeros((len(probabilities), classes))
    full[:, present] = probabilities
    return full


def _side_by_side(predictors: tuple[Predictor, ...], new: np.ndarray) -> np.ndarray:
    return np.stack([predict(new)[:, 1] for predict in predictors], axis=1)
