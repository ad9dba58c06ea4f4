"""Logistic regression with an L2 penalty, fitted for a row of candidate penalties until each has converged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_softmax, softmax

from coral_plugin.evaluation.probe.estimators import Predictor, affine

# a fit has converged when the next Newton step would lower the loss by less than this share of it
NEWTON_TOLERANCE = 1e-6
_REDUCTION = 0.1
_SMALLEST_STEP = 1e-8
_JITTER = 1e-6


def logistic_path(
    x: np.ndarray, y: np.ndarray, values: Iterable[float], *, classes: int, max_iterations: int
) -> Iterator[Predictor]:
    """Logistic regression, ``sum CE + |W|² / (2 C)``, the model of scikit-learn's ``LogisticRegression``.

    Solved by Newton's method with conjugate gradients (Nocedal and Wright, Numerical Optimization, section 7.1).
    scikit-learn's solvers stop by a gradient that does not know C: from a warm start they end at once where C is
    great, and from zero they need thousands of steps. Each fit starts where the one before it ended; classes that
    ``y`` lacks have probability 0.

    Args:
        x: Features ``(N, d)``.
        y: Classes ``(N,)``, integers below ``classes``.
        values: The C, best from small to great.
        classes: K, the width of the result.
        max_iterations: Greatest number of conjugate-gradient steps in each fit; one that needs more is not
            ``converged``.
    """
    present, index = np.unique(y, return_inverse=True)
    if len(present) == 1:
        certain = np.eye(classes)[present[0]]
        yield from (Predictor(partial(affine, np.zeros((x.shape[1], classes)), certain)) for _ in values)
        return
    yield from _fitted(_Rows(x), np.eye(len(present))[index], present, values, classes, max_iterations)


def labels_path(x: np.ndarray, y: np.ndarray, values: Iterable[float], *, max_iterations: int) -> Iterator[Predictor]:
    """One logistic regression for each label, all with the same C; a label that never varies is predicted constant.

    Args:
        x: Features ``(N, d)``.
        y: 0 or 1, ``(N, L)``.
        values: The C, best from small to great.
        max_iterations: Greatest number of steps in each fit, as in :func:`logistic_path`.
    """
    values, rows, both = list(values), _Rows(x), np.arange(2)
    paths = [
        _fitted(rows, np.eye(2)[label], both, values, 2, max_iterations)
        if np.ptp(label)
        else logistic_path(x, label, values, classes=2, max_iterations=max_iterations)
        for label in y.T
    ]
    for predictors in zip(*paths, strict=True):
        yield stack_labels(predictors)


def stack_labels(predictors: tuple[Predictor, ...]) -> Predictor:
    """Probability of each label ``(M, L)``, from predictors of "no" and "yes"."""
    return Predictor(partial(_side_by_side, predictors), all(predict.converged for predict in predictors))


class _Rows:
    """Centred samples with a column of ones, in coordinates of few dimensions.

    A penalty on the length of the weights is blind to rotations, and the best weights lie in the span of the samples:
    a fit on the coordinates of the samples in their span is the fit on the features, in at most N dimensions.
    """

    def __init__(self, x: np.ndarray) -> None:
        x = x.astype(np.float64)
        self.mean = x.mean(axis=0)
        x -= self.mean
        self.back: np.ndarray | None = None
        if x.shape[1] > len(x):
            x, self.back = _span(x)
        # products of float32 neither overflow nor vanish, whatever the unit of the features
        self.unit = float(np.abs(x).max()) or 1.0
        self.full = np.concatenate([x / self.unit, np.ones((len(x), 1))], axis=1)
        self.half = self.full.astype(np.float32)

    def predictor(self, theta: np.ndarray, present: np.ndarray, classes: int, *, converged: bool) -> Predictor:
        weights = theta[:-1] / self.unit
        weights = weights if self.back is None else self.back @ weights
        bias = theta[-1] - self.mean @ weights
        return Predictor(partial(_probabilities, weights, bias, present, classes), converged)


def _fitted(
    rows: _Rows, onehot: np.ndarray, present: np.ndarray, values: Iterable[float], classes: int, max_iterations: int
) -> Iterator[Predictor]:
    outputs = onehot.shape[1] if onehot.shape[1] > 2 else 1
    theta = np.zeros((rows.full.shape[1], outputs))
    for value in values:
        theta, converged = _newton(rows, onehot, value * rows.unit**2, theta, max_iterations)
        yield rows.predictor(theta, present, classes, converged=converged)


def _newton(
    rows: _Rows, onehot: np.ndarray, cost: float, theta: np.ndarray, max_iterations: int
) -> tuple[np.ndarray, bool]:
    """Parameters ``(r + 1, K)`` of the least loss, the bias in the last row, and whether they were reached.

    Two classes have one logit: ``theta`` is ``(r + 1, 1)``. Loss and gradient are of float64; the direction need not be
    exact, and its products of float32 take half the time.
    """
    penalty = np.full((len(theta), 1), 1 / cost)
    penalty[-1] = 0
    target = onehot[:, -theta.shape[1] :]
    logits = rows.full @ theta
    loss, p = _loss(logits, onehot, penalty, theta)
    solve, spent, steps = None, 0, 0
    while steps < max_iterations:
        gradient = rows.full.T @ (p - target) + penalty * theta
        # a new preconditioner costs as much as r / 2K steps: it is made anew when so many were taken with the old one
        if solve is None or spent >= rows.full.shape[1] / (2 * theta.shape[1]):
            solve, spent = _preconditioner(rows.half, p, penalty), 0
        direction, taken = _conjugate_gradients(rows.half, p, penalty, gradient, solve, max_iterations - steps)
        steps, spent = steps + taken, spent + taken
        decrease = -float((gradient * direction).sum())
        converged, size, change = decrease <= NEWTON_TOLERANCE * loss, 1.0, rows.full @ direction
        while size >= _SMALLEST_STEP:
            tried, q = _loss(logits + size * change, onehot, penalty, theta + size * direction)
            if tried <= loss - 1e-4 * size * decrease:
                break
            size /= 2
        else:  # no step of float64 makes the loss any less
            return theta, converged
        theta, logits, loss, p = theta + size * direction, logits + size * change, tried, q
        if converged:
            return theta, True
    return theta, False


def _loss(logits: np.ndarray, onehot: np.ndarray, penalty: np.ndarray, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss, and the probabilities of the classes that have a logit."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    logs = log_softmax(logits, axis=1)
    loss = -(onehot * logs).sum() + 0.5 * (penalty * theta * theta).sum()
    return float(loss), np.exp(logs[:, -theta.shape[1] :])


def _preconditioner(z: np.ndarray, p: np.ndarray, penalty: np.ndarray) -> Any:
    """Cholesky factor ``(r + 1, r + 1)`` of one curvature for all classes; the least sure class weighs a sample."""
    weights = (p * (1 - p)).max(axis=1).astype(z.dtype)
    curvature = ((z.T * weights) @ z).astype(np.float64)
    diagonal = np.diagonal(curvature)
    curvature[np.diag_indices_from(curvature)] += penalty[:, 0] + _JITTER * (diagonal + diagonal.max())
    return cho_factor(curvature, lower=True)


def _conjugate_gradients(
    z: np.ndarray, p: np.ndarray, penalty: np.ndarray, gradient: np.ndarray, factor: Any, most: int
) -> tuple[np.ndarray, int]:
    """``-H⁻¹ gradient`` to a tenth, and the number of steps; at most ``most`` are taken."""
    p, penalty = p.astype(z.dtype), penalty.astype(z.dtype)
    solution = np.zeros_like(gradient)
    # a gradient of any size is one of size 1 to float32
    unit = float(np.abs(gradient).max()) or 1.0
    residual = (-gradient / unit).astype(z.dtype)
    solved = cho_solve(factor, residual)
    towards, length = solved, float((residual * solved).sum())
    enough = _REDUCTION**2 * length
    for step in range(most):
        if length <= enough:
            return unit * solution, step
        logits = z @ towards.astype(z.dtype)
        curved = z.T @ (p * (logits - (p * logits).sum(axis=1, keepdims=True))) + penalty * towards
        curvature = float((towards * curved).sum())
        if curvature <= 0:  # of rounding: the loss does not change with a number added to every bias
            return unit * solution, step
        size = length / curvature
        solution, residual = solution + size * towards, residual - size * curved
        solved = cho_solve(factor, residual)
        length, before = float((residual * solved).sum()), length
        towards = solved + length / before * towards
    return unit * solution, most


def _span(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(N, r)`` of the samples in their span, and the map of weights back to features ``(d, r)``."""
    squares, vectors = np.linalg.eigh(x @ x.T)
    kept = squares > 1e-12 * squares[-1]
    if not kept.any():  # all features are 0
        return np.zeros((len(x), 1)), np.zeros((x.shape[1], 1))
    lengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return vectors * lengths, x.T @ (vectors / lengths)


def _probabilities(
    weights: np.ndarray, bias: np.ndarray, present: np.ndarray, classes: int, new: np.ndarray
) -> np.ndarray:
    logits = new @ weights + bias
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    probabilities = np.zeros((len(new), classes))
    probabilities[:, present] = softmax(logits, axis=1)
    return probabilities


def _side_by_side(predictors: tuple[Predictor, ...], new: np.ndarray) -> np.ndarray:
    return np.stack([predict(new)[:, 1] for predict in predictors], axis=1)
