"""Newton's method for many logistic regressions on the same samples at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coral_plugin.evaluation.probe.prepared import PreparedSamples

# a fit has converged when the next Newton step would lower the loss by less than this share of it
NEWTON_TOLERANCE = 1e-6
# "measured": CPU time of seven penalties on digits (1,797 x 64, ten classes) and normal numbers (1,500 x 640, two
# classes; 12,000 x 256, six classes), one thread of two busy cores
# share of its first length at which the residual of conjugate gradients is small enough, in the preconditioner's norm;
# measured: 0.1 takes a quarter more, 0.6 up to a tenth less with more Newton steps
_REDUCTION = 0.3
# about the square root of the rounding of float64: with a smaller one the loss would not be seen to fall
_SMALLEST_STEP = 1e-8
# share of the expected decrease that a step has to reach (Nocedal and Wright, section 3.1)
_SUFFICIENT = 1e-4
# share of the largest eigenvalue that the others count as at least; measured: 1e-6 to 1e-1 take as long
_FLOOR = 1e-3
# multiplications of a small block, the columns up to which blocks are small, and the rows of the others (_blocks)
_SMALL = 1_000_000
_MANY_COLUMNS = 24
_MANY_ROWS = 1024


def minimise(
    rows: PreparedSamples, targets: np.ndarray, costs: np.ndarray, start: np.ndarray, max_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of least ``sum CE + |W|² / (2 C)`` of each of S problems.

    Newton's method with conjugate gradients (Nocedal and Wright, Numerical Optimization, section 7.1), all problems in
    the same matrix products. Loss and gradient are of float64; the direction need not be exact, and its products of
    float32 take half the time. The preconditioner is the curvature that all samples would have with the mean of the
    probabilities' covariances: a Kronecker product, inverted by two small eigendecompositions.

    Args:
        rows: N samples in r coordinates.
        targets: 0 or 1, ``(S, K, N)``, one-hot along K; K is 1 for two classes, which have one logit.
        costs: C of each problem, ``(S,)``, for the coordinates of ``rows``.
        start: Parameters to start from, ``(S, K, r + 1)``, the bias in the last column.
        max_iterations: Greatest number of conjugate-gradient steps for each problem.

    Returns:
        Parameters ``(S, K, r + 1)``, and whether each problem has converged, ``(S,)``.
    """
    theta, z = start.copy(), rows.values
    penalty = np.repeat(1 / costs[:, None, None], theta.shape[2], axis=2)
    penalty[..., -1] = 0
    logits = _logits(theta, z)
    loss, p = _loss(logits, targets, penalty, theta)
    converged, spent = np.zeros(len(costs), bool), np.zeros(len(costs), int)
    active = np.arange(len(costs))
    while len(active):
        parameters, weight = theta[active], penalty[active]
        gradient = _sums(p - targets[active], z) + weight * parameters
        direction, taken = _ConjugateGradients(rows, p, weight).solve(gradient, max_iterations - spent[active])
        spent[active] += taken
        decrease = -(gradient * direction).sum(axis=(1, 2))
        converged[active] = decrease <= NEWTON_TOLERANCE * loss
        change = _logits(direction, z)
        # probabilities are replaced where they stand
        moved = _search(logits, change, parameters, direction, targets[active], weight, loss, decrease, p)
        theta[active] = parameters
        going = ~converged[active] & moved & (spent[active] < max_iterations)
        if not going.all():
            active, logits, loss, p = active[going], logits[going], loss[going], p[going]
    return theta, converged


def _search(
    logits: np.ndarray,
    change: np.ndarray,
    theta: np.ndarray,
    direction: np.ndarray,
    targets: np.ndarray,
    penalty: np.ndarray,
    loss: np.ndarray,
    decrease: np.ndarray,
    p: np.ndarray,
) -> np.ndarray:
    """Go along ``direction`` by the first of 1, 1/2, 1/4 ... that lowers each loss enough; whether there is one.

    ``logits``, ``theta``, ``loss`` and ``p`` are those of the new place afterwards.
    """
    todo, size = np.arange(len(loss)), 1.0
    while len(todo) and size >= _SMALLEST_STEP:
        place = slice(None) if len(todo) == len(loss) else todo
        tried_logits = logits[place] + size * change[place]
        tried = theta[place] + size * direction[place]
        tried_loss, q = _loss(tried_logits, targets[place], penalty[place], tried)
        fine = tried_loss <= loss[place] - _SUFFICIENT * size * decrease[place]
        at = todo[fine]
        chosen = slice(None) if fine.all() else fine
        logits[at], theta[at], loss[at], p[at] = tried_logits[chosen], tried[chosen], tried_loss[chosen], q[chosen]
        todo, size = todo[~fine], size / 2
    moved = np.ones(len(loss), bool)
    moved[todo] = False  # no step of float64 makes their loss any less
    return moved


def _blocks(columns: int, z: np.ndarray) -> Iterator[slice]:
    """Rows of ``z`` ``(N, r)`` that are multiplied at once with so many columns.

    A product with few columns is held back by the memory, and by OpenBLAS, which first copies ``z`` into another order,
    unless the product is small: small blocks stay in the cache and are two to three times as fast.
    """
    size = _MANY_ROWS if columns > _MANY_COLUMNS else min(max(_SMALL // (columns * z.shape[1]), 16), _MANY_ROWS)
    for start in range(0, len(z), size):
        yield slice(start, start + size)


def _logits(theta: np.ndarray, z: np.ndarray) -> np.ndarray:
    """``(S, K, r)`` times the samples ``(N, r)``, in float64: ``(S, K, N)``."""
    flat = theta.reshape(-1, theta.shape[2])
    logits = np.empty((len(flat), len(z)))
    for rows in _blocks(len(flat), z):
        np.matmul(flat, z[rows].astype(np.float64).T, out=logits[:, rows])
    return logits.reshape(*theta.shape[:2], -1)


def _sums(values: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Sum over the samples ``(N, r)`` with weights ``(S, K, N)``, in float64: ``(S, K, r)``."""
    flat = values.reshape(-1, values.shape[2])
    total = np.zeros((len(flat), z.shape[1]))
    for rows in _blocks(len(flat), z):
        total += flat[:, rows] @ z[rows].astype(np.float64)
    return total.reshape(*values.shape[:2], -1)


def _loss(
    logits: np.ndarray, targets: np.ndarray, penalty: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The losses ``(S,)``, and the probabilities of the classes that have a logit, ``(S, K, N)``."""
    greatest = logits.max(axis=1, keepdims=True)
    if logits.shape[1] == 1:
        greatest = greatest.clip(0)
    p = np.exp(logits - greatest)
    total = p.sum(axis=1, keepdims=True)
    if logits.shape[1] == 1:
        total += np.exp(-greatest)
    p /= total
    logs = (np.log(total) + greatest).sum(axis=(1, 2))
    fit = logs - np.einsum("skn,skn->s", logits, targets)
    return fit + 0.5 * np.einsum("skr,skr,skr->s", penalty, theta, theta), p


class _ConjugateGradients:
    """The Newton direction ``-H⁻¹ gradient`` of each problem, as near as ``_REDUCTION`` says."""

    def __init__(self, rows: PreparedSamples, p: np.ndarray, penalty: np.ndarray) -> None:
        self.z, self.basis = rows.values, rows.basis
        self.p, self.penalty = p.astype(np.float32), penalty.astype(np.float32)
        mean = self.p.mean(axis=2)
        second = np.matmul(self.p, self.p.transpose(0, 2, 1)) / self.p.shape[2]
        covariance = -second
        covariance[:, range(p.shape[1]), range(p.shape[1])] += mean
        eigenvalues, self.turn = np.linalg.eigh(covariance)  # (S, K), (S, K, K)
        # of rounding: a number added to every logit of a sample changes nothing
        eigenvalues = eigenvalues.clip(_FLOOR * eigenvalues[:, -1:])
        scale = len(self.z) * eigenvalues[:, :, None] * self.basis.variances
        self.inverse = 1 / (scale + self.penalty + np.finfo(np.float32).tiny)

    def solve(self, gradient: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Directions ``(S, K, r + 1)`` and the numbers of steps; problem s takes at most ``most[s]``."""
        # a gradient of any size is one of size 1 to float32
        unit = np.abs(gradient).max(axis=(1, 2), keepdims=True)
        unit[unit == 0] = 1
        residual = (-gradient / unit).astype(np.float32)
        solution, steps = np.zeros_like(residual), np.zeros(len(residual), int)
        live = np.arange(len(residual))
        solved = self._precondition(residual)
        towards, length = solved, _dot(residual, solved)
        enough = _REDUCTION**2 * length
        while True:
            going = (length > enough[live]) & (steps[live] < most[live])
            if not going.all():
                live, residual, towards, length = live[going], residual[going], towards[going], length[going]
                self._keep(going)
            if not len(live):
                return unit * solution, steps
            curved = self._curved(towards)
            curvature = _dot(towards, curved)
            # of rounding: the loss does not change with a number added to every bias
            flat = curvature <= 0
            size = np.where(flat, 0, length / np.where(flat, 1, curvature))[:, None, None]
            solution[live] += size * towards
            residual = residual - size * curved
            steps[live] += 1
            solved = self._precondition(residual)
            length, before = np.where(flat, 0, _dot(residual, solved)), length
            towards = solved + (length / before)[:, None, None] * towards

    def _curved(self, direction: np.ndarray) -> np.ndarray:
        """``H`` times a direction."""
        problems, outputs, width = direction.shape
        flat = direction.reshape(-1, width)
        total = np.zeros_like(flat)
        for rows in _blocks(len(flat), self.z):
            z, p = self.z[rows], self.p[:, :, rows]
            change = (flat @ z.T).reshape(problems, outputs, -1)
            if outputs == 1:
                change *= p * (1 - p)
            else:
                change -= np.einsum("skn,skn->sn", p, change)[:, None]
                change *= p
            total += change.reshape(len(flat), -1) @ z
        return total.reshape(direction.shape) + self.penalty * direction

    def _precondition(self, residual: np.ndarray) -> np.ndarray:
        shape, basis = residual.shape, self.basis
        turned = np.matmul(self.turn.transpose(0, 2, 1), basis.along(residual.reshape(-1, shape[2])).reshape(shape))
        turned *= self.inverse
        return basis.back(np.matmul(self.turn, turned).reshape(-1, shape[2])).reshape(shape)

    def _keep(self, going: np.ndarray) -> None:
        self.p, self.penalty = self.p[going], self.penalty[going]
        self.turn, self.inverse = self.turn[going], self.inverse[going]


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("skr,skr->s", a, b)
