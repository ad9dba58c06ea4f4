"""The protocol of the probe: chosen on valid, fitted again, test seen once."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from coral_plugin.data.task import Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe.penalty import COSTS
from coral_plugin.evaluation.probe.probes import fit_probe, probe
from coral_plugin.evaluation.probe.settings import ProbeSettings

KINDS = ["linear", "knn", "ridge", "reference"]


def classes(count):
    return Task(name="label", kind="classification", classes=tuple(map(str, range(count))))


NUMBERS = Task(name="strength", kind="regression", classes=("a", "b"))
LABELS = Task(name="genres", kind="multilabel", classes=("a", "b", "c"))


def blobs(n, count=3, d=6, seed=0, noise=1.2):
    rng = np.random.default_rng(100 + seed)
    centres = np.random.default_rng(0).normal(size=(count, d))
    y = np.arange(n) % count
    return (rng.normal(size=(n, d)) * noise + centres[y]).astype(np.float32), y


@pytest.mark.parametrize("refit", [True, False])
def test_linear_is_the_protocol_written_out(refit):
    (x, y), (vx, vy), (tx, ty) = (blobs(n, seed=i) for i, n in enumerate((150, 90, 120)))
    score = probe((x, y), (vx, vy), (tx, ty), classes(3), ProbeSettings(), refit_on_valid=refit)
    mean, std = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)

    def fitted(c, a, b):
        return LogisticRegression(C=c, max_iter=5000, tol=1e-7).fit((a - mean) / std, b)

    scores = [balanced_accuracy_score(vy, fitted(c, x, y).predict((vx - mean) / std)) for c in COSTS]
    chosen = score.setting["C"]
    # a fit that stops at another tolerance may call one of the 30 samples of a class differently
    assert scores[COSTS.index(chosen)] >= max(scores) - 1 / 90 - 1e-9
    assert chosen in (1e-3, 1e-2)
    last = (np.concatenate([x, vx]), np.concatenate([y, vy])) if refit else (x, y)
    expected = fitted(chosen, *last).predict((tx - mean) / std)
    assert (score.predictions == expected).mean() >= 0.99
    assert score.value == pytest.approx(balanced_accuracy_score(ty, expected), abs=0.01)
    assert score.metric == "balanced_accuracy"
    assert set(score.also) == {"accuracy", "macro_f1", "auroc"}
    json.dumps([score.value, score.also, score.setting])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_valid", [True, False])
def test_the_setting_does_not_depend_on_test(kind, with_valid):
    (train, valid, test) = (blobs(n, seed=i) for i, n in enumerate((90, 60, 60)))
    settings = ProbeSettings(kind=kind, neighbours=0)
    results = [
        probe(train, valid if with_valid else None, poisoned, classes(3), settings)
        for poisoned in (test, (test[0], test[1][::-1].copy()), (-100 * test[0][:7], test[1][:7]))
    ]
    assert results[0].setting == results[1].setting == results[2].setting
    np.testing.assert_array_equal(results[0].predictions, results[1].predictions)
    assert results[0].value > 0.6 > results[1].value


@pytest.mark.parametrize("kind", ["linear", "ridge"])
@pytest.mark.parametrize("refit", [True, False])
def test_features_are_scaled_by_train_alone(kind, refit):
    """Neither valid, which the last fit sees, nor test says anything about the scale."""
    (x, y), (vx, vy), (tx, ty) = (blobs(n, seed=i) for i, n in enumerate((90, 60, 60)))
    fitted = fit_probe((x, y), (5 * vx + 3, vy), classes(3), ProbeSettings(kind=kind), refit)
    mean, std = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)
    for actual, expected in zip(fitted.scaling, (mean, std), strict=True):
        np.testing.assert_allclose(actual, expected)
    outputs = fitted.score((9 * tx - 7, ty)).outputs
    np.testing.assert_array_equal(outputs, fitted.predict(((9 * tx - 7 - mean) / std).astype(np.float32)))


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_and_near_perfect(kind):
    train, valid, test = (blobs(n, seed=i, noise=0.05) for i, n in enumerate((60, 30, 60)))
    first, second = (probe(train, valid, test, classes(3), ProbeSettings(kind=kind)) for _ in range(2))
    assert first == second
    assert first.value > 0.99


@pytest.mark.parametrize("kind", ["linear", "ridge", "reference"])
def test_labels_that_the_features_do_not_know_stay_at_chance(kind):
    """Trifeature's synergy task: with 9.9 % positives and nothing to see, all are called negative."""
    rng = np.random.default_rng(0)
    splits = [(rng.normal(size=(n, 4)), (np.arange(n) % 1000 < 99).astype(int)) for n in (2000, 1000, 1000)]
    score = probe(*splits, classes(2), ProbeSettings(kind=kind))
    assert score.value == 0.5
    assert score.also["accuracy"] == 0.901


def test_equal_scores_choose_the_smallest():
    x, y = blobs(60, noise=0.01)
    assert probe((x, y), (x, y), (x, y), classes(3), ProbeSettings()).setting["C"] == COSTS[0]
    assert probe((x, y), (x, y), (x, y), classes(3), ProbeSettings(kind="knn", neighbours=0)).setting["neighbours"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_classes_that_train_lacks_are_wrong_and_nothing_else(kind):
    x, y = blobs(80, count=4, noise=0.05)
    train, test = (x[y < 3], y[y < 3]), (x, y)
    score = probe(train, train, test, classes(5), ProbeSettings(kind=kind))
    assert score.value == pytest.approx(0.75, abs=0.01)
    assert set(score.predictions) <= {0, 1, 2}


@pytest.mark.parametrize("kind", ["linear", "knn", "ridge"])
def test_one_sample_of_each_class(kind):
    x = np.eye(4)
    score = probe((x, np.arange(4)), None, (x, np.arange(4)), classes(4), ProbeSettings(kind=kind, neighbours=0))
    assert score.setting["chosen_on"].startswith("nothing")
    assert score.value == 1


@pytest.mark.parametrize("kind", ["linear", "knn", "ridge"])
def test_one_class_in_train(kind):
    x, y = blobs(20, count=2)
    score = probe((x, np.ones(20, int)), None, (x, y), classes(2), ProbeSettings(kind=kind))
    assert (score.value, set(score.predictions)) == (0.5, {1})


@pytest.mark.parametrize("kind", KINDS)
def test_constant_features(kind):
    x, y = blobs(60)
    noisy = np.concatenate([x, np.full((60, 2), 0.1, np.float32)], axis=1)
    moved = noisy + np.float32([0] * 6 + [5] * 2)
    plain = probe((x, y), (x, y), (x, y), classes(3), ProbeSettings(kind=kind))
    if kind in ("linear", "ridge"):
        # not even where the constant is another one in the test split
        assert probe((noisy, y), (noisy, y), (moved, y), classes(3), ProbeSettings(kind=kind)).value == plain.value
    constant = np.ones((60, 3))
    assert probe((constant, y), (constant, y), (constant, y), classes(3), ProbeSettings(kind=kind)).value <= 0.34


def test_carved_selection_is_stratified_and_fitted_on_all_of_train():
    x, y = blobs(100, count=2)
    score = probe((x, y), None, (x, y), classes(2), ProbeSettings())
    assert score.setting["chosen_on"] == "20% of train"
    assert score.setting["fitted_on"] == "train"
    score = probe((x, y), (x, y), (x, y), classes(2), ProbeSettings(kind="knn"))
    assert score.setting == {
        "neighbours": 20,
        "chosen_on": "nothing: given",
        "fitted_on": "train and valid",
        "standardised": False,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("with_valid", [True, False])
def test_regression(kind, flat, with_valid):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 2))

    def split(n):
        x = rng.normal(size=(n, 5))
        y = x @ weights + 3
        return x, y[:, 0] if flat else y

    train, valid, test = split(200), split(50), split(80)
    score = probe(train, valid if with_valid else None, test, NUMBERS, ProbeSettings(kind=kind))
    assert score.metric == "mse"
    assert score.predictions.shape == test[1].shape
    assert score.value == pytest.approx(((score.predictions - test[1]) ** 2).mean())
    assert score.also["r2"] > (0.3 if kind == "knn" else 0.999999)


@pytest.mark.parametrize("kind", KINDS)
def test_multilabel(kind):
    x, y = blobs(240, count=4, noise=0.3)
    labels = np.stack([y < 2, y % 2 == 0, np.ones(240)], axis=1).astype(int)
    score = probe(
        (x[:120], labels[:120]),
        (x[120:180], labels[120:180]),
        (x[180:], labels[180:]),
        LABELS,
        ProbeSettings(kind=kind),
    )
    assert score.metric == "weighted_f1"
    assert score.value > 0.9
    assert (score.predictions[:, 2] == 1).all()


def test_not_finite_features_name_the_split():
    x, y = blobs(30)
    bad = x.copy()
    bad[4, 1] = np.nan
    good = (x, y)
    for name, splits in {
        "train": ((bad, y), good, good),
        "valid": (good, (bad, y), good),
        "test": (good, good, (bad, y)),
    }.items():
        with pytest.raises(InputError, match=rf"features of the {name} split are not finite in 1 of 30 .*sample 4"):
            probe(*splits, classes(3), ProbeSettings())


@pytest.mark.parametrize(
    ("x", "y", "task", "message"),
    [
        (np.ones(3), np.zeros(3), classes(2), "needs features"),
        (np.ones((3, 2)), np.zeros(4), classes(2), "needs features"),
        (np.ones((0, 2)), np.zeros(0), classes(2), "needs features"),
        (np.ones((3, 2)), np.array([0, 1, 2]), classes(2), "integers from 0 to 1"),
        (np.ones((3, 2)), np.array([0, 1, 0.5]), classes(2), "integers from 0 to 1"),
        (np.ones((3, 2)), np.array([0, 1, -1]), classes(2), "integers from 0 to 1"),
        (np.ones((3, 2)), np.zeros((3, 2)), LABELS, r"0 or 1 in \(N, 3\)"),
        (np.ones((3, 2)), np.full((3, 3), 2), LABELS, r"0 or 1 in \(N, 3\)"),
        (np.ones((3, 2)), np.array([0, np.nan, 1]), NUMBERS, "not all finite"),
        (np.ones((3, 2)), np.ones((3, 1, 1)), NUMBERS, r"\(N,\) or \(N, L\)"),
    ],
)
def test_wrong_input_is_said(x, y, task, message):
    with pytest.raises(InputError, match=message):
        probe((x, y), None, (x, y), task, ProbeSettings())


def test_widths_must_agree():
    x, y = blobs(30)
    with pytest.raises(InputError, match="one shape in every split"):
        probe((x, y), None, (x[:, :3], y), classes(3), ProbeSettings())


@pytest.mark.parametrize(
    ("values", "message"),
    [({"kind": "svm"}, "Unknown probe"), ({"neighbours": -1}, "neighbours"), ({"max_iterations": 0}, "iteration")],
)
def test_settings_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        ProbeSettings(**values)
