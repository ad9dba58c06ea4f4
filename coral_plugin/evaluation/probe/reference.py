"""The probe of the published tables, with its sweep over penalties: CoMM's, which InfMasking and COrAL use too.

A linear layer on raw features, with a penalty on the Frobenius norm itself, not on its square, chosen by a coarse
and a fine sweep over its inverse strength. Kept to compare with published numbers; the probe of this package differs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from coral_plugin.errors import InputError, one_line
from coral_plugin.evaluation.probe.estimators import Predictor, affine
from coral_plugin.evaluation.probe.logistic import stack_labels

COARSE = (1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)
MAX_ITERATIONS = 100
SPLIT_SEED = 48
_FINE = 29


def reference_objective(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, cost: float) -> Tensor:
    """``mean CE(Wx + b, y) + |W|_F / (2 cost)``, with subgradient 0 of the norm at ``W = 0``.

    Args:
        weight: ``(K, d)``.
        bias: ``(K,)``, without penalty.
        x: Features ``(N, d)``.
        y: Classes ``(N,)``.
        cost: Inverse strength of the penalty.
    """
    return F.cross_entropy(F.linear(x, weight, bias), y) + 0.5 / cost * _norm(weight)


def fit_reference(x: Tensor, y: Tensor, cost: float, classes: int) -> tuple[Tensor, Tensor]:
    """Weight ``(K, d)`` and bias ``(K,)`` after L-BFGS from zero (strong Wolfe, full batch) on the objective above.

    After ``MAX_ITERATIONS`` it ends; where the penalty is weak that is far from the optimum, which is part of the
    protocol.

    Args:
        x: Features ``(N, d)``, as they are.
        y: Classes ``(N,)``, integers below ``classes``.
        cost: Inverse strength of the penalty.
        classes: K.
    """
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], lr=1, max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = reference_objective(weight, bias, x, y, cost)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return weight.detach(), bias.detach()


def reference_path(x: np.ndarray, y: np.ndarray, values: Iterable[float], *, classes: int) -> Iterator[Predictor]:
    """A fit for each cost, each from zero; see :func:`fit_reference`."""
    features, labels = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y.astype(np.int64))
    for value in values:
        weight, bias = (p.numpy() for p in fit_reference(features, labels, value, classes))
        yield Predictor(partial(_probabilities, weight, bias))


def reference_labels_path(x: np.ndarray, y: np.ndarray, values: Iterable[float]) -> Iterator[Predictor]:
    """scikit-learn's logistic regression for each label, stopped after 100 iterations, as CoMM does for MM-IMDb.

    A label that never varies is predicted constant.

    Args:
        x: Features ``(N, d)``, as they are.
        y: 0 or 1, ``(N, L)``.
        values: The C, one for all labels.
    """
    for value in values:
        yield stack_labels(tuple(_label(x, label, value) for label in y.T))


def _label(x: np.ndarray, y: np.ndarray, cost: float) -> Predictor:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if not np.ptp(y):
        return Predictor(partial(affine, np.zeros((x.shape[1], 2)), np.eye(2)[y[0]]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(C=cost, max_iter=MAX_ITERATIONS).fit(x, y)
    return Predictor(model.predict_proba, not any(issubclass(w.category, ConvergenceWarning) for w in caught))


def sweep_costs(score: Callable[[float], float]) -> float:
    """The cost that the coarse sweep and then the halving fine sweep find.

    The fine sweep spans two decades on both sides with 29 values inside ``[1e-6, 1e6]`` and looks at three of them,
    at a quarter, a half and three quarters; the half that the best lies in goes on. Of equals, the first seen wins.

    Args:
        score: Function from a cost to its score on the validation samples, called once for each cost; more is better.
    """
    coarse = [score(cost) for cost in COARSE]
    best = COARSE[coarse.index(max(coarse))]
    seen = {best: max(coarse)}
    fine = torch.logspace(math.log10(best) - 2, math.log10(best) + 2, _FINE, dtype=torch.float32)
    costs = fine[(fine >= COARSE[0]) & (fine <= COARSE[-1])].tolist()
    while (n := len(costs)) > 1:
        low, high = n // 4, n - math.ceil(n / 4)
        first, second, third = (costs[i] for i in (low, n // 2, high))
        for cost in (first, second, third):
            if cost not in seen:
                seen[cost] = score(cost)
        top = max(seen[first], seen[second], seen[third])
        if seen[first] == top:
            costs = costs[: n // 2]
        elif seen[third] == top:
            costs = costs[n // 2 :]
        else:
            costs = costs[low:high]
    return max(seen, key=lambda cost: seen[cost])


def reference_split(y: np.ndarray, *, classes: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training samples that stand in for train and valid: 60/40 by class, 80/20 for numbers.

    Args:
        y: Targets ``(N,)`` or ``(N, L)``.
        classes: Whether they are classes.

    Raises:
        InputError: too few samples, or a class with one sample only, which cannot lie on both sides.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    splitter = (
        StratifiedShuffleSplit(n_splits=1, train_size=0.6, random_state=SPLIT_SEED)
        if classes
        else ShuffleSplit(n_splits=1, train_size=0.8, random_state=SPLIT_SEED)
    )
    try:
        fit, valid = next(splitter.split(np.zeros(len(y)), y))
    except ValueError as error:
        reason = one_line(error)
        raise InputError(
            f"The reference probe cannot split these training samples: {reason}. Give a valid split."
        ) from error
    return fit, valid


def _norm(weight: Tensor) -> Tensor:
    total = weight.square().sum()
    # the root has an infinite slope at 0, where every fit starts
    return torch.where(total > 0, torch.where(total > 0, total, 1.0).sqrt(), 0.0)


def _probabilities(weight: np.ndarray, bias: np.ndarray, new: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax((new @ weight.T + bias).astype(np.float64), axis=1)
