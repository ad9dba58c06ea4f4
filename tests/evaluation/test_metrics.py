"""Scores against their definitions."""

import itertools

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from coral_plugin.data.task import Task
from coral_plugin.evaluation.metrics import (
    chance_levels,
    classification_scores,
    metric_named,
    multilabel_scores,
    regression_scores,
)


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("balanced_accuracy", "balanced accuracy, % ↑"),
        ("weighted_f1", "weighted F1, % ↑"),
        ("mse", "MSE ↓"),
        ("mae", "MAE ↓"),
        ("r2", "R² ↑"),
        ("f1_micro", "F1, micro, % ↑"),
        ("not_listed", "not listed, % ↑"),
    ],
)
def test_label_scale_and_direction(name, heading):
    metric = metric_named(name)
    assert metric.heading == heading
    assert (metric.higher_is_better, metric.is_share) == (heading.endswith("↑"), ", %" in heading)


def naive_balanced_accuracy(labels, predictions):
    recalls = []
    for c in set(labels.tolist()):
        mine = [p for t, p in zip(labels, predictions, strict=True) if t == c]
        recalls.append(sum(p == c for p in mine) / len(mine))
    return sum(recalls) / len(recalls)


def naive_auroc(positive, score):
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in score[positive] for b in score[~positive]]
    return sum(wins) / len(wins)


def naive_f1(truth, guess):
    tp = ((truth == 1) & (guess == 1)).sum()
    wrong = (truth != guess).sum()
    return 2 * tp / (2 * tp + wrong) if 2 * tp + wrong else 0.0


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classification_is_its_definition(classes):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 60)
    probabilities = rng.integers(1, 6, (60, classes)) / 10
    predictions = probabilities.argmax(axis=1)
    scores = classification_scores(labels, predictions, probabilities, classes)
    assert scores["balanced_accuracy"] == pytest.approx(naive_balanced_accuracy(labels, predictions))
    assert scores["accuracy"] == (labels == predictions).mean()
    f1_scores = [naive_f1((labels == c) * 1, (predictions == c) * 1) for c in range(classes)]
    assert scores["macro_f1"] == pytest.approx(np.mean(f1_scores))
    rest = [1] if classes == 2 else range(classes)
    assert scores["auroc"] == pytest.approx(np.mean([naive_auroc(labels == c, probabilities[:, c]) for c in rest]))
    assert all(type(value) is float for value in scores.values())


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_counts_give_scikit_learns_numbers(classes):
    """To the last digits; also where a class is never true, never predicted, or neither."""
    rng = np.random.default_rng(classes)
    for truth, guess in ((classes, classes), (classes - 1, classes), (classes, 1), (1, 1)):
        labels, predictions = rng.integers(0, truth, 50), rng.integers(0, guess, 50)
        assert classification_scores(labels, predictions, None, classes + 1) == pytest.approx(
            {
                "balanced_accuracy": recall_score(
                    labels, predictions, labels=np.unique(labels), average="macro", zero_division=0
                ),
                "accuracy": accuracy_score(labels, predictions),
                "macro_f1": f1_score(labels, predictions, average="macro", zero_division=0),
            },
            rel=1e-14,
        )
        many, guesses = np.eye(classes, dtype=int)[labels], np.eye(classes, dtype=int)[predictions]
        for average in ("macro", "weighted"):
            expected = f1_score(many, guesses, average=average, zero_division=0)
            assert multilabel_scores(many, guesses)[f"{average}_f1"] == pytest.approx(expected, rel=1e-14)


def test_a_constant_guess_has_half_of_two_classes_whatever_their_sizes():
    """Trifeature's synergy labels: 9.9 % positives."""
    labels = np.repeat([0, 1], [901, 99])
    scores = classification_scores(labels, np.zeros(1000, int), np.tile([0.9, 0.1], (1000, 1)), 2)
    assert (scores["balanced_accuracy"], scores["accuracy"], scores["auroc"]) == (0.5, 0.901, 0.5)


def test_classes_that_do_not_occur_do_not_count():
    """Class 2 is predicted and never true: a mistake of class 1, no class of its own; AUROC is over classes 0 and 1."""
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    probabilities = np.eye(4)[predictions]
    scores = classification_scores(labels, predictions, probabilities, 4)
    assert scores["balanced_accuracy"] == 0.75
    assert scores["auroc"] == pytest.approx((1.0 + 0.75) / 2)


@pytest.mark.parametrize(("classes", "shift"), [(2, 0), (2, 40), (2, 300), (2, -300), (3, 40), (3, 300)])
def test_auroc_does_not_end_where_a_probability_is_one(classes, shift):
    """A logit above 37 is a probability of 1.0: the order of the samples is in what is left to the other classes."""
    rng = np.random.default_rng(0)
    logits = np.zeros((200, classes))
    logits[:, 1] = shift + 3 * rng.standard_normal(200)
    labels = (logits[:, 1] + 3 * rng.standard_normal(200) > shift).astype(int)
    wanted = roc_auc_score(labels, logits[:, 1])
    for columns in ([0, 1, *range(2, classes)], [1, 0, *range(2, classes)]):  # the same classes with exchanged names
        named = np.argsort(columns)[labels]
        probabilities = softmax(logits[:, columns], axis=1)
        scores = classification_scores(named, probabilities.argmax(axis=1), probabilities, classes)
        assert scores["auroc"] == pytest.approx(wanted, abs=1e-12)


def test_auroc_is_absent_where_it_is_not_defined():
    one = np.zeros(3, int)
    assert "auroc" not in classification_scores(one, one, np.full((3, 2), 0.5), 2)
    assert "auroc" not in classification_scores(np.array([0, 1]), np.array([0, 1]), None, 2)


def test_multilabel_is_its_definition():
    rng = np.random.default_rng(0)
    labels, guesses = rng.integers(0, 2, (40, 5)), rng.integers(0, 2, (40, 5))
    labels[:, 3] = guesses[:, 3] = 0
    f1_scores = np.array([naive_f1(labels[:, i], guesses[:, i]) for i in range(5)])
    assert multilabel_scores(labels, guesses) == pytest.approx(
        {
            "weighted_f1": np.average(f1_scores, weights=labels.sum(axis=0)),
            "macro_f1": f1_scores.mean(),
            "subset_accuracy": np.mean([(a == b).all() for a, b in zip(labels, guesses, strict=True)]),
            "macro_accuracy": (labels == guesses).mean(),
        }
    )


def test_no_positive_label_at_all():
    zeros = np.zeros((3, 2), int)
    scores = multilabel_scores(zeros, zeros)
    assert (scores["weighted_f1"], scores["subset_accuracy"]) == (0.0, 1.0)


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_regression_is_its_definition(shape):
    rng = np.random.default_rng(1)
    targets = rng.normal(size=shape)
    predictions = targets + rng.normal(size=shape)
    t, p = targets.reshape(50, -1), predictions.reshape(50, -1)
    r2 = [1 - ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum() for a, b in zip(t.T, p.T, strict=True)]
    pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(t.T, p.T, strict=True)]
    assert regression_scores(targets, predictions) == pytest.approx(
        {"mse": ((t - p) ** 2).mean(), "mae": np.abs(t - p).mean(), "r2": np.mean(r2), "pearson": np.mean(pearson)}
    )


def test_regression_leaves_out_what_is_not_defined():
    assert set(regression_scores(np.array([1.0]), np.array([2.0]))) == {"mse", "mae"}
    constant = regression_scores(np.array([1.0, 2.0]), np.array([1.5, 1.5]))
    assert constant["r2"] == 0
    assert "pearson" not in constant


@pytest.mark.parametrize("scale", [1e-180, 1e150])
def test_correlation_of_extreme_numbers(scale):
    targets = np.array([[0.0], [1.0], [2.0]])
    assert regression_scores(targets, targets * scale if scale < 1 else targets * 1e100)["pearson"] == pytest.approx(1)


def test_chance_is_the_best_constant_guess_on_the_classes_that_occur():
    """Seven classes, of which three occur in test: case 23."""
    task = Task(name="mood", kind="classification", classes=tuple(map(str, range(7))))
    truth = np.random.default_rng(0).choice([2, 3, 4], 100, p=[0.1, 0.7, 0.2])
    constant = [classification_scores(truth, np.full(100, c), None, 7) for c in range(7)]
    levels = chance_levels(truth, task)
    assert levels["balanced_accuracy"] == pytest.approx(1 / 3)
    assert set(levels) == {"balanced_accuracy", "accuracy", "macro_f1", "auroc"}
    assert levels["auroc"] == 0.5
    for metric in ("balanced_accuracy", "accuracy", "macro_f1"):
        assert levels[metric] == pytest.approx(max(scores[metric] for scores in constant))
    assert chance_levels(np.full(5, 3), task) == {"balanced_accuracy": 1.0, "accuracy": 1.0, "macro_f1": 1.0}


def test_chance_of_labels_is_the_best_row_for_all():
    task = Task(name="genres", kind="multilabel", classes=("a", "b", "c"))
    truth = (np.random.default_rng(0).random((60, 3)) < [0.7, 0.3, 0.1]).astype(int)
    rows = [np.tile(row, (60, 1)) for row in itertools.product((0, 1), repeat=3)]
    levels = chance_levels(truth, task)
    for metric in ("weighted_f1", "macro_f1", "subset_accuracy", "macro_accuracy"):
        assert levels[metric] == pytest.approx(max(multilabel_scores(truth, row)[metric] for row in rows))
    assert chance_levels(np.zeros((4, 2)), Task(name="x", kind="regression", classes=("a", "b"))) == {}
