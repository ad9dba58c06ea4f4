"""MultiBench's figures, against counting by hand."""

import numpy as np
import pytest

from coral_plugin.data import Task
from coral_plugin.evaluation.multibench_figures import (
    accuracy,
    affect_accuracy,
    affect_figures,
    auprc,
    f1,
    multibench_figures,
)


def test_accuracy_and_f1_by_counting():
    truth, guess = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert accuracy(truth, guess) == pytest.approx(3 / 5)
    # precision and recall: class 0 1/2 and 1/2, class 1 2/3 and 1, class 2 never
    f1_scores = [0.5, 0.8, 0.0]
    assert f1(truth, guess, "micro") == pytest.approx(3 / 5)
    assert f1(truth, guess, "macro") == pytest.approx(np.mean(f1_scores))
    assert f1(truth, guess, "weighted") == pytest.approx(np.dot(f1_scores, [2, 2, 1]) / 5)


def test_several_labels():
    truth, guess = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 0], [0, 1], [0, 0]])
    assert accuracy(truth, guess) == pytest.approx(1 / 3)
    # label 0: 1 hit of 1 guessed and 2 true; label 1: the same
    assert f1(truth, guess, "macro") == pytest.approx(2 / 3)
    assert f1(truth, guess, "micro") == pytest.approx(2 * 2 / (2 + 4))


def test_area_under_precision_and_recall():
    truth, scores = np.array([0, 1, 1, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert auprc(truth, scores) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    assert auprc(np.zeros(3), np.arange(3)) is None


def test_affect_accuracy_with_and_without_zeros():
    truth, guess = np.array([[2.0], [0.0], [-1.5], [0.4]]), np.array([[0.1], [0.2], [-3.0], [-0.1]])
    assert affect_accuracy(truth, guess) == pytest.approx(2 / 3)
    assert affect_accuracy(truth, guess, exclude_zero=False) == pytest.approx(2 / 4)
    assert affect_accuracy(np.zeros(3), np.ones(3)) is None
    assert affect_accuracy(np.zeros(3), np.zeros(3), exclude_zero=False) == 1


def test_affect_figures_by_hand():
    truth, guess = np.array([-3.0, 2.6, 0.0, 1.0]), np.array([-4.4, 1.9, 0.6, 1.2])
    figures = affect_figures(truth, guess)
    assert figures["mae"] == pytest.approx((1.4 + 0.7 + 0.6 + 0.2) / 4)
    assert figures["correlation"] == pytest.approx(np.corrcoef(truth, guess)[0, 1])
    assert figures["accuracy_7"] == pytest.approx(2 / 4)  # -3 and 1
    assert figures["accuracy_5"] == pytest.approx(3 / 4)  # 2.6 and 1.9 are 2 as well
    assert figures["affect_accuracy"] == 1
    assert figures["affect_accuracy_with_zeros"] == pytest.approx(3 / 4)
    assert figures["affect_f1"] == 1
    constant = affect_figures(np.zeros(4), np.ones(4))
    assert set(constant) == {"mae", "accuracy_7", "accuracy_5", "affect_accuracy_with_zeros"}


@pytest.mark.parametrize(
    ("kind", "shape", "names"),
    [
        ("two", (6,), ["accuracy", "f1_micro", "f1_macro", "auprc"]),
        ("three", (6,), ["accuracy", "f1_micro", "f1_macro"]),
        ("labels", (6, 3), ["accuracy", "f1_micro", "f1_macro", "auprc"]),
        ("positive", (6,), ["mse"]),
        ("several", (6, 2), ["mse"]),
        ("affect", (6, 1), ["mse", "mae", "correlation", "accuracy_7", "accuracy_5", "affect_accuracy",
                            "affect_accuracy_with_zeros", "affect_f1"]),
    ],
)  # fmt: skip
def test_which_figures_a_task_has(kind, shape, names):
    rng = np.random.default_rng(0)
    classes = {"two": ("a", "b"), "three": ("a", "b", "c"), "labels": ("a", "b", "c")}.get(kind, ("x",))
    task_kind = {"two": "classification", "three": "classification", "labels": "multilabel"}.get(kind, "regression")
    task = Task(name="t", kind=task_kind, classes=classes)
    if task_kind == "regression":
        truth = rng.normal(size=shape) if kind != "positive" else rng.random(shape)
        guess = outputs = truth + 0.1
    else:
        truth = (
            np.resize(np.arange(len(classes)), shape) if task_kind == "classification" else rng.integers(0, 2, shape)
        )
        guess, outputs = truth, np.eye(len(classes))[truth] if task_kind == "classification" else truth.astype(float)
    figures = multibench_figures(task, truth, guess, outputs)
    assert list(figures) == names
    if task_kind == "regression":
        assert figures["mse"] == pytest.approx(0.01)
    else:
        assert set(figures.values()) == {1.0}
