"""The published probe against SciPy and against its own description."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe.reference import (
    COARSE,
    fit_reference,
    reference_objective,
    reference_path,
    reference_split,
    sweep_costs,
)


def blobs(n=80, d=5, classes=3):
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    return torch.from_numpy(rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y]), torch.from_numpy(y)


def naive_objective(flat, x, y, cost, classes):
    weight, bias = flat[:-classes].reshape(classes, -1), flat[-classes:]
    total = 0.0
    for row, label in zip(x, y, strict=True):
        logits = weight @ row + bias
        total += np.log(np.exp(logits).sum()) - logits[label]
    return total / len(x) + 0.5 / cost * np.sqrt((weight**2).sum())


def test_objective_is_its_definition():
    x, y = blobs()
    weight, bias = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    flat = torch.cat([weight.flatten(), bias]).numpy()
    value = reference_objective(weight, bias, x, y, 0.7).item()
    assert value == pytest.approx(naive_objective(flat, x.numpy(), y.numpy(), 0.7, 3))


def test_the_norm_has_gradient_zero_at_zero():
    x, y = blobs()
    weight, bias = torch.zeros(3, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    slopes = []
    for cost in (1e-6, 1e6):
        w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        reference_objective(w, b, x, y, cost).backward()
        slopes.append(w.grad)
    assert torch.equal(*slopes)
    assert slopes[0].isfinite().all()


@pytest.mark.parametrize("cost", [2.0, 20.0])
def test_fit_is_the_optimum(cost):
    """SciPy, from another start and with numerical gradients, finds the same value, and the gradient is zero."""
    x, y = blobs()
    weight, bias = fit_reference(x, y, cost, 3)
    objective = reference_objective(weight, bias, x, y, cost).item()
    start = np.random.default_rng(1).normal(size=18)
    oracle = minimize(naive_objective, start, args=(x.numpy(), y.numpy(), cost, 3), method="BFGS")
    assert objective == pytest.approx(oracle.fun, abs=1e-5)
    weight.requires_grad_()
    bias.requires_grad_()
    reference_objective(weight, bias, x, y, cost).backward()
    assert max(weight.grad.abs().max(), bias.grad.abs().max()) < 1e-3


def test_the_penalty_is_not_squared():
    """A norm as such sets all weights to zero once it is strong enough, which its square never does.

    At W = 0 the best bias leaves the gradient ``xᵀ(p - y) / N``; zero is optimal where that is shorter than 1 / (2C).
    """
    x, y = blobs(n=90)
    slope = (
        (x.T @ (torch.full((90, 3), 1 / 3, dtype=torch.float64) - torch.nn.functional.one_hot(y, 3)) / 90).norm().item()
    )
    weak, strong = (fit_reference(x, y, cost, 3)[0].norm().item() for cost in (0.6 / slope, 0.4 / slope))
    assert weak > 0.05
    assert strong < 0.02


def test_it_works_inside_no_grad():
    x, y = blobs()
    with torch.no_grad():
        weight, _ = fit_reference(x, y, 10.0, 3)
    assert weight.norm() > 0
    assert not weight.requires_grad


def test_path_gives_probabilities():
    x, y = blobs()
    for predict in reference_path(x.numpy().astype(np.float32), y.numpy(), [0.1, 100.0], classes=4):
        probabilities = predict(x.numpy())
        assert probabilities.shape == (80, 4)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == y.numpy()).mean() > 0.6


@pytest.mark.parametrize("peak", [-6.0, -5.0, -2.9, 0.0, 0.7, 1.0, 3.3, 5.5, 6.0])
def test_sweep_finds_a_single_peak_to_a_seventh_of_a_decade(peak):
    calls = []

    def score(cost):
        calls.append(cost)
        return -abs(np.log10(cost) - peak)

    assert abs(np.log10(sweep_costs(score)) - peak) <= 1 / 14 + 1e-5
    assert len(calls) == len(set(calls)) <= 7 + 3 * 6
    assert tuple(calls[:7]) == COARSE
    assert min(calls) >= 1e-6 * (1 - 1e-6)
    assert max(calls) <= 1e6 * (1 + 1e-6)


def test_sweep_visits_what_the_protocol_says():
    """Equal everywhere: the coarse sweep stays at its first value, the fine one always keeps the lower half."""
    calls = []
    assert sweep_costs(lambda cost: calls.append(cost) or 0.5) == COARSE[0]
    # the 15 values of the upper half of the window, of which indices 3, 7 and 11 come first
    exponents = np.round((np.log10(calls[7:10]) + 6) * 7).astype(int)
    assert exponents.tolist() == [3, 7, 11]


def test_first_of_equals_wins():
    assert sweep_costs(lambda cost: float(cost >= 1)) == 1.0


def test_split_is_stratified_and_fixed():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    fit, valid = reference_split(y)
    assert np.bincount(y[fit]).tolist() == [30, 18, 12]
    assert sorted([*fit, *valid]) == list(range(100))
    np.testing.assert_array_equal(fit, reference_split(y)[0])
    assert len(reference_split(np.zeros((10, 2)), classes=False)[0]) == 8


def test_a_class_with_one_sample_is_said():
    with pytest.raises(InputError, match="cannot split"):
        reference_split(np.array([0, 0, 0, 1]))
