"""How much the parts of a representation have in common, measured pair by pair on the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe.estimators import one_thread, ridge_path

DIRECTIONS = 10
_SPLIT_SEED = 48
_RIDGE = 1.0
# directions with less than this share of the greatest singular value are rounding noise, not part of the space
_RANK_TOLERANCE = 1e-6


def disentanglement(parts: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Measures for each pair of parts, the first one named being the earlier of ``parts``.

    * ``cosine``: mean ``|cos|`` of the two vectors of a sample; only where both parts are equally wide.
    * ``cka``: :func:`linear_cka`, 0 (nothing linear in common) to 1 (equal up to rotation and scale).
    * ``canonical_angle``: :func:`canonical_angle` of the leading directions over the samples, 0 (the same) to 1.
    * ``grassmann_distance``: :func:`grassmann_distance` of the leading directions in feature space, 0 (the same) to 1
      (orthogonal); only where both parts are equally wide, and of a meaning where they share their axes, as the outputs
      of projection heads do.
    * ``r2_forward``, ``r2_backward``: :func:`cross_prediction` of the second part from the first, and back.

    A measure that is not defined (a part that does not vary, fewer than four samples for R²) is left out.

    Args:
        parts: ``{part: (N, d_i)}``, row i of all of them from sample i.

    Returns:
        ``{"a | b": {measure: value}}``; empty for fewer than two parts.

    Raises:
        InputError: parts of different length, not two-dimensional, or not finite.
    """
    _check(parts)
    with one_thread():
        known = {name: np.asarray(part, np.float64) for name, part in parts.items()}
        bases = {name: _leading(part) for name, part in known.items()} if len(known) > 1 else {}
        return {
            f"{first} | {second}": _measure((a, *bases[first]), (b, *bases[second]))
            for (first, a), (second, b) in combinations(known.items(), 2)
        }


def mean_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Mean of ``|cos|`` over row pairs; a zero row has cosine 0 with everything.

    Args:
        a: ``(N, d)``.
        b: ``(N, d)``.
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float((np.abs((a * b).sum(axis=1)) / np.where(lengths > 0, lengths, 1.0)).mean())


def linear_cka(a: np.ndarray, b: np.ndarray) -> float | None:
    """Centred kernel alignment with linear kernels, ``|AᵀB|²_F / (|AᵀA|_F |BᵀB|_F)`` of centred columns.

    Kornblith et al. 2019 (arXiv:1905.00414), section 3, in the form that needs no N x N matrix.

    Args:
        a: ``(N, d)``.
        b: ``(N, e)``.

    Returns:
        In [0, 1]; None where a part does not vary.

    >>> x = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, -1.0]])
    >>> round(linear_cka(x, 5 * x[:, ::-1] + 7), 12)
    1.0
    """
    a, b = _scaled(a), _scaled(b)
    if not (a.any() and b.any()):
        return None
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return min(1.0, float(np.linalg.norm(a.T @ b) ** 2 / norms))


def grassmann_distance(a: np.ndarray, b: np.ndarray, directions: int = DIRECTIONS) -> float | None:
    """Geodesic distance between the leading directions in feature space, as a share of the greatest possible one.

    The spaces are spanned in R^d by the first k right singular vectors (principal directions) of the centred parts, k
    the smaller of the two ranks and ``directions``. With the k principal angles t between them the distance is
    ``|t|₂ / (sqrt(k) pi / 2)``. It is the quantity of COrAL's diagnostics, which the authors compute on the outputs of
    the projection heads; how many directions they take is not printed.

    Two parts with the same axes of variance are at distance 0 whatever single samples are
    (:func:`canonical_angle` compares that).

    Args:
        a: ``(N, d)``.
        b: ``(M, d)``, in the same space.
        directions: Greatest number of directions that are compared.

    Returns:
        In [0, 1]; None where a part does not vary, and where k = d: all of R^d is one space.

    Raises:
        InputError: parts of different width.

    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])
    >>> grassmann_distance(x, x[::-1]), round(grassmann_distance(x, x[:, ::-1]), 12)
    (0.0, 1.0)
    """
    if a.shape[1] != b.shape[1]:
        raise InputError(f"Directions in feature space need parts of one width, got {a.shape[1]} and {b.shape[1]}.")
    return _distance(_leading(a)[1], _leading(b)[1], a.shape[1], directions)


def canonical_angle(a: np.ndarray, b: np.ndarray, directions: int = DIRECTIONS) -> float | None:
    """Angle between two parts over the samples, as a share of the right angle (root mean square of k angles).

    The spaces are spanned in R^N by the first k left singular vectors of the centred parts, k the smaller of the two
    ranks and ``directions``; the cosines of the angles between them are the canonical correlations of the leading
    principal components. The parts may differ in width.

    Two unrelated parts are not at 1 but near it, ever nearer the more samples there are.

    Args:
        a: ``(N, d)``.
        b: ``(N, e)``, row i of both from sample i.
        directions: Greatest number of directions that are compared.

    Returns:
        In [0, 1]; None where a part does not vary, and where k = N - 1: centred parts have no more directions.
    """
    return _distance(_leading(a)[0], _leading(b)[0], len(a) - 1, directions)


def cross_prediction(a: np.ndarray, b: np.ndarray) -> float | None:
    """R² of predicting ``b`` from ``a`` by ridge regression on the half of the samples that it was not fitted on.

    Columns of ``a`` are standardised on the fitted half (a fixed random one), alpha is 1. The outputs are weighted
    by their variance: ``1 - sum of squared errors / sum of squared deviations`` over all of them. A prediction that
    is worse than the mean counts as 0.

    Args:
        a: ``(N, d)``.
        b: ``(N, e)``.

    Returns:
        In [0, 1]; None for fewer than four samples or where ``b`` does not vary on the held-out half.
    """
    if len(a) < 4:
        return None
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(a))
    fit, held = order[: len(a) // 2], order[len(a) // 2 :]
    scale = a[fit].std(axis=0)
    # a column that is constant but for rounding says nothing
    scale[scale <= 1e-9 * np.abs(a[fit]).max(axis=0)] = np.inf
    inputs = (a - a[fit].mean(axis=0)) / scale
    predicted = next(iter(ridge_path(inputs[fit], b[fit], [_RIDGE])))(inputs[held])
    total = float((_centred(b[held]) ** 2).sum())
    if total == 0:
        return None
    error = ((b[held] - predicted) ** 2).sum()
    return float(max(0.0, 1 - error / total))


_Basis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _measure(first: _Basis, second: _Basis) -> dict[str, float]:
    """All measures of two parts, given with their bases over samples and features, which cost most."""
    (a, a_samples, a_features), (b, b_samples, b_features) = first, second
    alike = a.shape[1] == b.shape[1]
    measures = {
        "cosine": mean_cosine(a, b) if alike else None,
        "cka": linear_cka(a, b),
        "grassmann_distance": _distance(a_features, b_features, a.shape[1]) if alike else None,
        "canonical_angle": _distance(a_samples, b_samples, len(a) - 1),
        "r2_forward": cross_prediction(a, b),
        "r2_backward": cross_prediction(b, a),
    }
    return {name: value for name, value in measures.items() if value is not None}


def _distance(first: np.ndarray, second: np.ndarray, most: int, directions: int = DIRECTIONS) -> float | None:
    """Share of the greatest distance between the leading columns; None where they span all ``most`` dimensions."""
    k = min(first.shape[1], second.shape[1], directions)
    if k in (0, most):
        return None
    first, second = first[:, :k], second[:, :k]
    cosines = np.linalg.svd(first.T @ second, compute_uv=False).clip(0, 1)
    # the arc cosine loses half of the digits at small angles, where the sine keeps them
    sines = np.sort(np.linalg.svd(second - first @ (first.T @ second), compute_uv=False).clip(0, 1))
    angles = np.where(cosines**2 > 0.5, np.arcsin(sines), np.arccos(cosines))
    return float(np.linalg.norm(angles) / (np.sqrt(k) * np.pi / 2))


def _centred(part: np.ndarray) -> np.ndarray:
    """Columns around 0; those that vary by rounding only are 0."""
    centred = part - part.mean(axis=0)
    noise = np.abs(centred).max(axis=0) <= 1e-12 * np.abs(part).max(axis=0)
    return np.where(noise, 0.0, centred)


def _scaled(part: np.ndarray) -> np.ndarray:
    centred = _centred(part)
    # fourth powers of the values are summed: scaled, none of them leaves the range
    return centred / (np.abs(centred).max() or 1.0)


def _leading(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases ``(N, rank)`` and ``(d, rank)`` of the centred part, directions of most variance first."""
    over_samples, values, over_features = np.linalg.svd(_scaled(part), full_matrices=False)
    kept = values > _RANK_TOLERANCE * max(values[0], 1e-300)
    return over_samples[:, kept], over_features[kept].T


def _check(parts: Mapping[str, np.ndarray]) -> None:
    shapes = {name: np.shape(part) for name, part in parts.items()}
    if any(len(shape) != 2 or 0 in shape for shape in shapes.values()) or len({s[0] for s in shapes.values()}) > 1:
        raise InputError(f"Parts must be (samples, width) with the same samples in each, got {shapes}.")
    for name, part in parts.items():
        if not np.isfinite(part).all():
            raise InputError(f"Part {name!r} holds values that are not finite.")
