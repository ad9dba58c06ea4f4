"""The models of the probes: each one fitted for every value of its one setting, on fixed features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

# of (M, d) features: (M, K) numbers, of which the class with the greatest is predicted, or each label above 0.5
Predictor = Callable[[np.ndarray], np.ndarray]
Path = Callable[[np.ndarray, np.ndarray, Iterable[float]], Iterator[Predictor]]

# weight of a neighbour: exp(cosine / SOFTNESS), as in the kNN of instance discrimination (arXiv:1805.01978)
SOFTNESS = 0.07
_CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that differ in one number.

    Attributes:
        setting: Its name.
        values: What it is chosen from, in the order in which the first of equals wins.
        default: What it is where nothing can choose.
        path: Fits a model for each value.
        standardise: Whether the features are standardised first.
        search: Finds the value itself, given the score of one; in place of trying all ``values``.
    """

    setting: str
    values: tuple[float, ...]
    default: float
    path: Path
    standardise: bool = True
    search: Callable[[Callable[[float], float]], float] | None = None


def logistic_path(
    x: np.ndarray, y: np.ndarray, values: Iterable[float], *, classes: int, max_iterations: int
) -> Iterator[Predictor]:
    """Logistic regression with an L2 penalty, ``sum CE + |W|² / (2 C)``, by scikit-learn's L-BFGS.

    Each fit starts where the one before it ended; classes that ``y`` lacks have probability 0.

    Args:
        x: Features ``(N, d)``.
        y: Classes ``(N,)``, integers below ``classes``.
        values: The C, best from small to great.
        classes: K, the width of the result.
        max_iterations: Of each fit.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    if len(present) == 1:
        certain = np.eye(classes)[present[0]]
        yield from (partial(_affine, np.zeros((x.shape[1], classes)), certain) for _ in values)
        return
    wide = x.shape[1] > len(x)
    inner, mix = _span(x) if wide else (x, np.empty(0))
    model = LogisticRegression(max_iter=max_iterations, warm_start=True)
    for value in values:
        model.set_params(C=value)
        with warnings.catch_warnings():
            # almost without a penalty, separable classes have no optimum to converge to
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(inner, y)
        weights = (x.T @ (mix @ model.coef_.T).astype(x.dtype)) if wide else model.coef_.T.copy()
        yield partial(_probabilities, weights, model.intercept_.copy(), present, classes)


def labels_path(x: np.ndarray, y: np.ndarray, values: Iterable[float], *, max_iterations: int) -> Iterator[Predictor]:
    """One logistic regression for each label, all with the same C; a label that never varies is predicted constant.

    Args:
        x: Features ``(N, d)``.
        y: 0 or 1, ``(N, L)``.
        values: The C, best from small to great.
        max_iterations: Of each fit.
    """
    values = list(values)
    paths = [logistic_path(x, label, values, classes=2, max_iterations=max_iterations) for label in y.T]
    for predictors in zip(*paths, strict=True):
        yield partial(_each_label, predictors)


def ridge_path(x: np.ndarray, y: np.ndarray, values: Iterable[float]) -> Iterator[Predictor]:
    """Ridge regression with an intercept, ``|xW + b - y|² + alpha |W|²``, from one eigendecomposition.

    Args:
        x: Features ``(N, d)``.
        y: Targets ``(N, L)``.
        values: The alphas.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    wide = x.shape[1] > len(x)
    spectrum, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    spectrum = spectrum.clip(0)[:, None]
    projected = vectors.T @ (y if wide else x.T @ y)
    for value in values:
        weights = vectors @ (projected / (spectrum + value))
        weights = x.T @ weights if wide else weights  # (d, L)
        yield partial(_affine, weights, y_mean - x_mean @ weights)


def neighbours_path(x: np.ndarray, y: np.ndarray, values: Iterable[float]) -> Iterator[Predictor]:
    """Mean of the targets of the k nearest samples by cosine, weighted by ``exp(cosine / 0.07)``.

    Args:
        x: Features ``(N, d)``.
        y: Targets ``(N, L)``: one-hot classes, labels or numbers.
        values: The k; at most N are taken.
    """
    memory = _unit_rows(x)
    for value in values:
        count = min(int(value), len(memory))
        yield partial(_neighbours, memory, y, count)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of linear algebra inside, for NumPy, SciPy and PyTorch.

    Each brings a pool of threads; on few or busy cores the pools wait for each other and their threads are
    descheduled between the many small products, which made a sweep on 6,000 samples up to thirty times slower.
    """
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def _span(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(N, r)`` of the samples in their own span, and what maps weights there to combinations of samples.

    A penalty on the length of the weights is blind to rotations, and the best weights lie in the span of the samples:
    a fit on the coordinates is the fit on the features, in at most N dimensions.
    """
    wide = x.astype(np.float64, copy=False)
    squares, vectors = np.linalg.eigh(wide @ wide.T)
    kept = squares > 1e-12 * max(squares[-1], 1e-300)
    if not kept.any():  # all features are 0
        return np.zeros((len(x), 1), x.dtype), np.zeros((len(x), 1))
    lengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return (vectors * lengths).astype(x.dtype), vectors / lengths


def _probabilities(
    weights: np.ndarray, bias: np.ndarray, present: np.ndarray, classes: int, new: np.ndarray
) -> np.ndarray:
    logits = (new @ weights + bias).astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    probabilities = np.zeros((len(new), classes))
    probabilities[:, present] = softmax(logits)
    return probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares ``(M, K)`` that sum to one along the last axis."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _affine(weights: np.ndarray, bias: np.ndarray, new: np.ndarray) -> np.ndarray:
    return new @ weights + bias


def _each_label(predictors: tuple[Predictor, ...], new: np.ndarray) -> np.ndarray:
    return np.stack([predict(new)[:, 1] for predict in predictors], axis=1)


def _neighbours(memory: np.ndarray, y: np.ndarray, k: int, new: np.ndarray) -> np.ndarray:
    starts = range(0, len(new), _CHUNK)
    return np.concatenate([_vote(_unit_rows(new[i : i + _CHUNK]) @ memory.T, y, k) for i in starts])


def _vote(cosines: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    close = np.take_along_axis(cosines, nearest, axis=1).astype(np.float64)
    weights = np.exp((close - close.max(axis=1, keepdims=True)) / SOFTNESS)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkl->ml", weights, y[nearest])


def _unit_rows(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(x.dtype).tiny)
