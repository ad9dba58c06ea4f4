"""Ridge regression and nearest neighbours against scikit-learn and against loops."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from coral_plugin.evaluation.probe.estimators import neighbours_path, one_thread, ridge_path


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
