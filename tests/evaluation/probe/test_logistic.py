"""Logistic regression of the probe against scikit-learn's, fitted one by one from zero to a tight tolerance."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from coral_plugin.data.task import Task
from coral_plugin.evaluation.probe.logistic import labels_path, logistic_path
from coral_plugin.evaluation.probe.penalty import COSTS
from coral_plugin.evaluation.probe.prepared import PreparedSamples
from coral_plugin.evaluation.probe.probes import fit_probe
from coral_plugin.evaluation.probe.settings import ProbeSettings


def blobs(n, d, classes, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + 0.7 * rng.normal(size=(classes, d))[y], y


@pytest.mark.parametrize(("n", "d", "classes"), [(120, 6, 2), (120, 6, 4), (40, 90, 2), (40, 90, 3)])
def test_logistic_is_scikit_learns(n, d, classes):
    """Also with more features than samples, where the fit happens in the span of the samples."""
    x, y = blobs(n, d, classes)
    new, _ = blobs(30, d, classes, seed=1)
    costs = [10.0**i for i in range(-4, 5)]
    for cost, predict in zip(costs, logistic_path(x, y, costs, classes=classes, max_iterations=2000), strict=True):
        assert predict.converged
        oracle = LogisticRegression(C=cost, max_iter=50_000, tol=1e-10).fit(x, y)
        np.testing.assert_allclose(predict(new), oracle.predict_proba(new), atol=5e-3)
        np.testing.assert_array_equal(predict(new).argmax(1), oracle.predict(new))


@pytest.mark.parametrize(("rank", "d", "classes"), [(6, 40, 2), (6, 40, 3)])
def test_few_numbers_in_many_columns_are_fitted_in_few_dimensions(rank, d, classes):
    """As a wide linear layer behind a narrow encoder makes them; of new samples, what lies off the span counts too."""
    few, y = blobs(120, rank, classes)
    projection = np.random.default_rng(2).normal(size=(rank, d))
    x, new = (few @ projection).astype(np.float32), np.random.default_rng(3).normal(size=(30, d)).astype(np.float32)
    rows = PreparedSamples(x)
    assert rows.values.shape == (120, rank + 1)
    costs = [1e-3, 1.0, 1e3]
    for cost, predict in zip(costs, logistic_path(rows, y, costs, classes=classes, max_iterations=2000), strict=True):
        oracle = LogisticRegression(C=cost, max_iter=50_000, tol=1e-10).fit(x.astype(np.float64), y)
        np.testing.assert_allclose(predict(new), oracle.predict_proba(new), atol=5e-3)
        np.testing.assert_allclose(predict(rows), oracle.predict_proba(x), atol=5e-3)
        assert predict.converged


def test_directions_of_little_variance_are_kept():
    """The rounding of float32 hides them; only what is rounding in float64, too, is not a direction."""
    x, y = blobs(120, 4, 2)
    x = (x - x.mean(axis=0)) * [1e4, 1e4, 1.0, 1.0]
    assert PreparedSamples(x).space.directions.shape == (4, 4)
    (predict,) = logistic_path(x, y, [1.0], classes=2, max_iterations=2000)
    oracle = LogisticRegression(max_iter=50_000, tol=1e-10, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(predict(x), oracle.predict_proba(x), atol=5e-3)


def test_more_features_than_samples_without_any_information():
    x, y = np.zeros((4, 9), np.float32), np.array([0, 1, 0, 1])
    (predict,) = logistic_path(x, y, [1.0], classes=2, max_iterations=50)
    np.testing.assert_allclose(predict(np.ones((2, 9))), 0.5, atol=1e-6)


def test_predictors_of_a_path_do_not_change_afterwards():
    x, y = blobs(60, 4, 2)
    path = logistic_path(x, y, [1e-3, 1e3], classes=2, max_iterations=200)
    first = next(path)
    before = first(x)
    next(path)
    np.testing.assert_array_equal(first(x), before)


def test_classes_without_samples_have_no_probability():
    x, y = blobs(60, 4, 2)
    predicted = next(logistic_path(x, np.where(y == 0, 1, 3), [1.0], classes=5, max_iterations=100))(x)
    assert predicted.shape == (60, 5)
    assert (predicted[:, [0, 2, 4]] == 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    alone = next(logistic_path(x, np.full(60, 3), [1.0], classes=5, max_iterations=100))(x)
    np.testing.assert_array_equal(alone, np.eye(5)[np.full(60, 3)])


def test_labels_are_fitted_one_by_one():
    x, y = blobs(80, 5, 4)
    labels = np.stack([y == 0, y < 2, np.ones(80), np.zeros(80)], axis=1).astype(int)
    for cost, predict in zip([0.01, 1.0], labels_path(x, labels, [0.01, 1.0], max_iterations=500), strict=True):
        predicted = predict(x)
        for i in range(2):
            oracle = LogisticRegression(C=cost, max_iter=5000, tol=1e-10).fit(x, labels[:, i])
            np.testing.assert_allclose(predicted[:, i], oracle.predict_proba(x)[:, 1], atol=2e-3)
        np.testing.assert_array_equal(predicted[:, 2:], labels[:, 2:])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_c_of_a_sweep_on_real_features_is_the_converged_one(dtype):
    """A warm start at scikit-learn's tolerance takes no step at the large C, and calls other digits right."""
    x, y = load_digits(return_X_y=True)
    x = ((x - x[:400].mean(axis=0)) / (x[:400].std(axis=0) + 1e-3)).astype(dtype)
    for cost, predict in zip(
        COSTS, logistic_path(x[:400], y[:400], COSTS, classes=10, max_iterations=1000), strict=True
    ):
        oracle = LogisticRegression(C=cost, max_iter=50_000, tol=1e-10).fit(x[:400].astype(np.float64), y[:400])
        ours, theirs = predict(x[400:]).argmax(axis=1), oracle.predict(x[400:])
        assert abs(balanced_accuracy_score(y[400:], ours) - balanced_accuracy_score(y[400:], theirs)) < 0.002
        assert predict.converged


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_neither_the_unit_nor_the_level_of_the_features_keeps_a_fit_from_converging(unit):
    """C times the square of the unit is the same model; products of float32 would vanish or overflow."""
    x, y = blobs(90, 5, 3)
    (plain,) = logistic_path(x, y, [1.0], classes=3, max_iterations=500)
    (scaled,) = logistic_path(unit * (x + 1e3), y, [1.0 / unit**2], classes=3, max_iterations=500)
    np.testing.assert_allclose(scaled(unit * (x + 1e3)), plain(x), atol=1e-3)


def test_a_fit_that_stops_early_is_told():
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)
    assert [predictor.converged for predictor in logistic_path(x, y, COSTS[::8], classes=10, max_iterations=8)] == [
        True,
        False,
    ]
    labels = np.stack([y > 4, np.ones(len(y))], axis=1).astype(int)
    assert not next(labels_path(x, labels, [1e4], max_iterations=8)).converged
    task = Task(name="digit", kind="classification", classes=tuple("0123456789"))
    setting = fit_probe((x[::2], y[::2]), (x[1::2], y[1::2]), task, ProbeSettings(max_iterations=8)).setting
    first = next(c for c, predictor in zip(COSTS, logistic_path(x[::2], y[::2], COSTS, classes=10, max_iterations=8),
                                       strict=True) if not predictor.converged)  # fmt: skip
    assert setting["note"].startswith(f"stopped before convergence: {first:g}")
    assert setting["note"].endswith("; no greater C was tried")
    assert setting["C"] < first
    assert "note" not in fit_probe((x[::2], y[::2]), (x[1::2], y[1::2]), task, ProbeSettings()).setting
