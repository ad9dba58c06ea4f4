"""Ridge regression and nearest neighbours, fitted for a row of candidate values; the form of a fitted model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

# weight of a neighbour: exp(cosine / SOFTNESS), as in the kNN of instance discrimination (arXiv:1805.01978)
SOFTNESS = 0.07
_CHUNK = 512


@dataclass(frozen=True)
class Predictor:
    """A fitted model.

    Attributes:
        outputs: Function from features ``(M, d)`` to numbers ``(M, K)``; the class with the greatest is predicted, or
            each label above 0.5.
        converged: Whether the fit reached the optimum; always True for a closed form.
    """

    outputs: Callable[[np.ndarray], np.ndarray]
    converged: bool = True

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """``outputs`` of ``features``."""
        return self.outputs(features)


FitPath = Callable[[np.ndarray, np.ndarray, Iterable[float]], Iterator[Predictor]]
"""From features ``(N, d)``, targets and candidate values to one fitted model per value."""


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
        yield Predictor(partial(affine, weights, y_mean - x_mean @ weights))


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
        yield Predictor(partial(_neighbours, memory, y, count))


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of linear algebra inside, for NumPy, SciPy and PyTorch.

    Each brings a pool of threads; on few or busy cores the pools wait for each other and their threads are
    descheduled between the many small products, which made a sweep on 6,000 samples up to thirty times slower.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@cache
def _thread_pools() -> ThreadpoolController:
    """The pools of the libraries that a probe computes with; looking for them takes longer than a small probe."""
    import scipy.linalg  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def affine(weights: np.ndarray, bias: np.ndarray, new: np.ndarray) -> np.ndarray:
    """``new`` ``(M, d)`` times ``weights`` ``(d, K)``, plus ``bias`` ``(K,)``."""
    return new @ weights + bias


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
