"""Logistic regressions solved side by side: the optimum itself, and the switch to scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe import logistic, newton, prepared
from coral_plugin.evaluation.probe.logistic import (
    labels_path,
    logistic_path,
    plain_labels_path,
    plain_logistic_path,
)
from coral_plugin.evaluation.probe.newton import minimise
from coral_plugin.evaluation.probe.penalty import COSTS
from coral_plugin.evaluation.probe.prepared import PreparedSamples
from coral_plugin.evaluation.probe.probes import probe
from coral_plugin.evaluation.probe.settings import ProbeSettings


def samples(n, d, classes, seed=0):
    """Correlated features, and classes that they say something about."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 12))
    y = (latent[:, :classes] + rng.normal(size=(n, classes))).argmax(axis=1)
    mix = np.random.default_rng(7).normal(size=(12, d)) / np.arange(1, 13)[:, None]
    return (latent @ mix + 0.1 * rng.normal(size=(n, d))).astype(np.float32), y


def gradients(rows, targets, costs, theta):
    """Gradient of each problem, written out."""
    logits = np.einsum("skr,nr->skn", theta, rows.values)
    p = 1 / (1 + np.exp(-logits)) if theta.shape[1] == 1 else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    penalty = theta / np.asarray(costs)[:, None, None]
    penalty[..., -1] = 0
    return np.einsum("skn,nr->skr", p - targets, rows.values) + penalty


@pytest.mark.parametrize(("n", "d", "classes"), [(300, 20, 2), (300, 20, 5), (60, 90, 2), (60, 90, 3)])
def test_the_gradient_vanishes_at_every_solution(n, d, classes):
    """Below a thousandth of the gradient at zero, for every penalty; also with more features than samples."""
    x, y = samples(n, d, classes)
    rows = PreparedSamples((x - x.mean(axis=0)) / x.std(axis=0))
    targets = np.eye(classes)[:, y][None, -(classes if classes > 2 else 1) :].repeat(len(COSTS), axis=0)
    costs = np.array(COSTS) * rows.space.unit**2
    zero = np.zeros((*targets.shape[:2], rows.values.shape[1]))
    theta, converged = minimise(rows, targets, costs, zero, 2000)
    assert converged.all()
    lengths, first = (np.linalg.norm(gradients(rows, targets, costs, at), axis=(1, 2)) for at in (theta, zero))
    assert (lengths < 1e-3 * first).all(), lengths / first


def test_problems_do_not_disturb_each_other():
    """One that converges at once, one that takes long and one that may take a single step, together and alone."""
    x, y = samples(200, 10, 3)
    rows = PreparedSamples(x)
    targets, costs = np.eye(3)[:, y][None].repeat(3, axis=0), np.array([1e-4, 1e4, 1.0])
    start = np.zeros((3, 3, 11))
    together, converged = minimise(rows, targets, costs, start, 500)
    assert converged.all()
    for s in range(3):
        alone, _ = minimise(rows, targets[s : s + 1], costs[s : s + 1], start[s : s + 1], 500)
        np.testing.assert_allclose(alone[0], together[s], atol=2e-2 * np.abs(alone).max())
    assert list(minimise(rows, targets, costs, start, 4)[1]) == [True, False, False]


@pytest.mark.parametrize("wide", [False, True])
def test_samples_that_are_shared_are_the_samples_themselves(wide, monkeypatch):
    """A fit on the first rows of prepared samples is the fit on these samples alone; so are its predictions."""
    monkeypatch.setattr(prepared, "_BLOCK", 50)  # several blocks of columns and of rows
    monkeypatch.setattr(newton, "_MANY_ROWS", 32)
    x, y = samples(90, 120 if wide else 15, 3)
    x = x + np.arange(x.shape[1])  # a mean of its own in each column
    rows = PreparedSamples(x)
    both = (logistic_path(part, y[:60], [0.01, 1.0], classes=3, max_iterations=500) for part in (rows[:60], x[:60]))
    for shared, alone in zip(*both, strict=True):
        np.testing.assert_allclose(shared(x[60:]), alone(x[60:]), atol=2e-3)
        np.testing.assert_allclose(shared(rows[60:]), shared(x[60:]), atol=1e-6)
    # the last fit of a probe starts from the fit on fewer samples, and ends where it would from zero
    starts = []
    solve = logistic.minimise
    monkeypatch.setattr(logistic, "minimise", lambda *a, **k: starts.append(np.abs(a[3]).max()) or solve(*a, **k))
    (warm,) = logistic_path(rows, y, [1.0], classes=3, max_iterations=500)
    (cold,) = logistic_path(x, y, [1.0], classes=3, max_iterations=500)
    np.testing.assert_allclose(warm(x), cold(x), atol=2e-3)
    assert starts[0] > 0 == starts[1]


def test_both_solvers_find_the_same_models():
    x, y = samples(200, 8, 3)
    ours = logistic_path(x, y, COSTS, classes=4, max_iterations=500)
    for mine, theirs in zip(ours, plain_logistic_path(x, y, COSTS, classes=4, max_iterations=5000), strict=True):
        assert mine.converged
        np.testing.assert_allclose(mine(x), theirs(x), atol=5e-3)
    labels = np.stack([y == 0, y > 0, np.ones(200)], axis=1).astype(int)
    ours = labels_path(x, labels, [0.1, 1.0], max_iterations=500)
    for mine, theirs in zip(ours, plain_labels_path(x, labels, [0.1, 1.0], max_iterations=5000), strict=True):
        np.testing.assert_allclose(mine(x), theirs(x), atol=5e-3)
    assert not next(plain_logistic_path(x, y, [1e4], classes=3, max_iterations=2)).converged
    (certain,) = plain_logistic_path(x, np.full(200, 2), [1.0], classes=3, max_iterations=2)
    np.testing.assert_array_equal(certain(x[:2]), [[0, 0, 1]] * 2)


def test_the_switch_changes_the_solver_and_not_the_score():
    x, y = load_digits(return_X_y=True)
    x = x[:, ::2]
    splits = [(x[rows], y[rows]) for rows in (slice(0, 500), slice(500, 800), slice(800, None))]
    task = Task(name="digit", kind="classification", classes=tuple("0123456789"))
    fast, plain = (
        probe(*splits, task, ProbeSettings(solver=solver, max_iterations=5000)) for solver in ("newton", "scikit-learn")
    )
    assert fast.setting == plain.setting
    assert fast.value == pytest.approx(plain.value, abs=0.002)
    assert not np.array_equal(fast.outputs, plain.outputs)
    np.testing.assert_allclose(fast.outputs, plain.outputs, atol=5e-3)
    with pytest.raises(InputError, match=r"Unknown solver 'adam'\. Known: newton, scikit-learn"):
        ProbeSettings(solver="adam")
