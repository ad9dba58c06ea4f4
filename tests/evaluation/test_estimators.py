"""The models of the probes against scikit-learn and against loops."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from coral_plugin.evaluation.estimators import labels_path, logistic_path, neighbours_path, one_thread, ridge_path


def blobs(n, d, classes, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + 0.7 * rng.normal(size=(classes, d))[y], y


@pytest.mark.parametrize(("n", "d", "classes"), [(120, 6, 2), (120, 6, 4), (40, 90, 2), (40, 90, 3)])
def test_logistic_is_scikit_learns(n, d, classes):
    """Also with more features than samples, where the fit happens in the span of the samples."""
    x, y = blobs(n, d, classes)
    new, _ = blobs(30, d, classes, seed=1)
    costs = [1e-3, 1e-1, 1.0]
    for cost, predict in zip(costs, logistic_path(x, y, costs, classes=classes, max_iterations=2000), strict=True):
        oracle = LogisticRegression(C=cost, max_iter=5000, tol=1e-8).fit(x, y)
        np.testing.assert_allclose(predict(new), oracle.predict_proba(new), atol=1e-2)


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
            oracle = LogisticRegression(C=cost, max_iter=5000, tol=1e-8).fit(x, labels[:, i])
            np.testing.assert_allclose(predicted[:, i], oracle.predict_proba(x)[:, 1], atol=2e-3)
        np.testing.assert_array_equal(predicted[:, 2:], labels[:, 2:])


@pytest.mark.parametrize("d", [4, 60])
def test_ridge_is_scikit_learns(d):
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(40, d)) + 3, rng.normal(size=(40, 2)), rng.normal(size=(10, d))
    for alpha, predict in zip([1e-4, 1.0, 1e4], ridge_path(x, y, [1e-4, 1.0, 1e4]), strict=True):
        np.testing.assert_allclose(predict(new), Ridge(alpha=alpha, solver="svd").fit(x, y).predict(new), atol=1e-6)


def test_neighbours_are_the_loop():
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(30, 4)), rng.normal(size=(30, 2)), rng.normal(size=(700, 4))
    (predict,) = neighbours_path(x, y, [5])
    predicted = predict(new)
    for i in (0, 511, 512, 699):
        cosines = [new[i] @ v / np.linalg.norm(new[i]) / np.linalg.norm(v) for v in x]
        nearest = sorted(range(30), key=lambda j: -cosines[j])[:5]
        weights = np.exp([cosines[j] / 0.07 for j in nearest])
        np.testing.assert_allclose(predicted[i], weights @ y[nearest] / weights.sum())


def test_more_neighbours_than_samples_and_rows_of_zeros():
    x, y = np.array([[1.0, 0.0], [0.0, 0.0]]), np.eye(2)
    (predict,) = neighbours_path(x, y, [100])
    assert np.isfinite(predict(np.zeros((1, 2)))).all()
    assert predict(np.array([[2.0, 0.0]]))[0, 0] > 0.99


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
