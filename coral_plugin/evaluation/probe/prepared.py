"""Samples of a logistic regression, in coordinates of few dimensions, prepared once for all of its fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# columns and rows that are held in float64 at a time: 16 MB of 2,000 samples, 10 MB of the 20,450 features of MOSI
_BLOCK = 1024
_BLOCK_ROWS = 64
# samples of which the principal directions are taken, for each of them; measured as in newton.py: with 1 conjugate
# gradients take 2.0 to 4.4 times as many steps, with 16 up to a quarter fewer
_SAMPLES_PER_DIRECTION = 4
# share of the largest squared length that is taken for rounding, whose own share is about N times 2e-16
_RANK_TOLERANCE = 1e-12
# share of the largest variance, in float32, below which a direction may be one that no sample has, and the share of
# such directions from which on the span is looked for
_FLAT = 1e-6
_FLAT_SHARE = 0.25


@dataclass(frozen=True)
class Space:
    """Coordinates that the samples of every fit share.

    A penalty on the length of the weights is blind to rotations, and the best weights lie in the span of the samples:
    a fit on the coordinates of the samples in their span is the fit on the features, in at most N dimensions.

    Attributes:
        features: ``(N, d)``, as they were given.
        mean: ``(d,)``.
        unit: Number that the coordinates were divided by; products of float32 neither overflow nor vanish.
        combinations: Map ``(N, r)`` of parameters to weights of the samples, whose sum the weights of the features are;
            None where the coordinates are of another kind.
        directions: The span ``(d, r)`` as directions in the features, in which the coordinates are; None where they are
            of another kind. The coordinates are the centred features where both are None.
    """

    features: np.ndarray
    mean: np.ndarray
    unit: float
    combinations: np.ndarray | None = None
    directions: np.ndarray | None = None

    def weights(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the features ``(d, K)`` and biases ``(K,)`` of parameters ``(K, r + 1)``."""
        weights = theta[:, :-1].T / self.unit
        if self.directions is not None:
            weights = self.directions @ weights
        if self.combinations is not None:
            weights = self.combinations @ weights
            weights = np.concatenate([block.T @ weights for block in _centred_blocks(self.features, self.mean)])
        return weights, theta[:, -1] - self.mean @ weights


class PreparedSamples:
    """Samples as ``(N, r + 1)``: their coordinates and a column of ones.

    The coordinates are those in the span of the samples where it has far fewer dimensions than there are features: of
    samples fewer than features, and of features that are few numbers in many columns, as an encoder's wide linear last
    layer makes them. Elsewhere they are the centred features.

    Attributes:
        space: Coordinates of the samples.
        values: The samples in float32, divided by a power of two; centred features are exact but for the last digit.
        basis: Directions in which the samples are not correlated.
        starts: Parameters of the fits so far by penalty, from which another fit on these or on more of the samples
            may start.
    """

    def __init__(self, x: np.ndarray) -> None:
        mean = x.mean(axis=0, dtype=np.float64)
        self.starts: dict[float, np.ndarray] = {}
        if x.shape[1] > len(x):
            coordinates, combinations = _span_by_samples(x, mean)
            self._place(Space(x, mean, _unit(coordinates), combinations=combinations), coordinates)
            return
        self._place(Space(x, mean, _unit(x, mean)), x, mean)
        if (self.basis.variances < _FLAT * self.basis.variances[:-1].max()).mean() > _FLAT_SHARE:
            coordinates, directions = _span_by_features(x, mean)
            self._place(Space(x, mean, _unit(coordinates), directions=directions), coordinates)

    def _place(self, space: Space, coordinates: np.ndarray, origin: np.ndarray | float = 0.0) -> None:
        self.space = space
        self.values = np.empty((len(coordinates), coordinates.shape[1] + 1), np.float32)
        self.values[:, -1] = 1
        for start in range(0, len(coordinates), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            self.values[rows, :-1] = (coordinates[rows] - origin) / space.unit
        in_span = space.combinations is not None or space.directions is not None
        self.basis = Basis.of(self.values, diagonal=in_span)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> PreparedSamples:
        """Some of the samples, in the same coordinates; parameters of fits are shared."""
        part = object.__new__(PreparedSamples)
        part.__dict__.update(self.__dict__, values=self.values[rows])
        return part


@dataclass(frozen=True)
class Basis:
    """Principal directions of the coordinates, the ones apart.

    Attributes:
        variances: Mean square of the samples along each direction and of the ones, ``(r + 1,)``.
        directions: ``(r, r)``, one in each column; None where the coordinates are along them already.
    """

    variances: np.ndarray
    directions: np.ndarray | None

    @classmethod
    def of(cls, values: np.ndarray, *, diagonal: bool) -> Basis:
        """The basis of samples ``(N, r + 1)``, of some where there are very many: it only has to be near."""
        step = max(1, len(values) // (_SAMPLES_PER_DIRECTION * values.shape[1]))
        some = values[::step, :-1]
        if diagonal:
            variances, directions = np.square(some).mean(axis=0), None
        else:
            variances, directions = np.linalg.eigh(some.T @ some / np.float32(len(some)))
        return cls(np.append(variances.clip(0), np.float32(1)), directions)

    def along(self, parameters: np.ndarray) -> np.ndarray:
        """``(P, r + 1)`` in the directions of the basis."""
        return self._turned(parameters, self.directions)

    def back(self, parameters: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`along`."""
        return self._turned(parameters, self.directions.T if self.directions is not None else None)

    @staticmethod
    def _turned(parameters: np.ndarray, directions: np.ndarray | None) -> np.ndarray:
        if directions is None:
            return parameters
        return np.concatenate([parameters[:, :-1] @ directions, parameters[:, -1:]], axis=1)


def _unit(coordinates: np.ndarray, origin: np.ndarray | float = 0.0) -> float:
    """The power of two at or above the farthest coordinate from the origin."""
    farthest = float(max((coordinates.max(axis=0) - origin).max(), (origin - coordinates.min(axis=0)).max()))
    return 2.0 ** math.ceil(math.log2(farthest)) if farthest > 0 else 1.0


def _span_by_samples(x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(N, r)`` of the centred samples in their span, and the samples' weights of each, ``(N, r)``."""
    squares = np.zeros((len(x), len(x)))
    for block in _centred_blocks(x, mean):
        squares += block @ block.T
    squares, vectors = np.linalg.eigh(squares)
    kept = squares > _RANK_TOLERANCE * squares[-1]
    if not kept.any():  # all features are constant
        return np.zeros((len(x), 1)), np.zeros((len(x), 1))
    lengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return vectors * lengths, vectors / lengths


def _span_by_features(x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(N, r)`` of the centred samples in their span, and its directions ``(d, r)``."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(x), _BLOCK)]
    squares = np.zeros((x.shape[1], x.shape[1]))
    for rows in blocks:
        centred = x[rows] - mean
        squares += centred.T @ centred
    squares, vectors = np.linalg.eigh(squares)
    directions = vectors[:, squares > _RANK_TOLERANCE * squares[-1]]
    coordinates = np.empty((len(x), directions.shape[1]), np.float32)
    for rows in blocks:
        coordinates[rows] = (x[rows] - mean) @ directions
    return coordinates, directions


def _centred_blocks(x: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """The centred columns ``(N, b)`` in float64, few at a time: the whole may be too wide for memory."""
    for start in range(0, x.shape[1], _BLOCK):
        yield x[:, start : start + _BLOCK] - mean[start : start + _BLOCK]
