"""Scores at a matched width, against principal components written out."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe import ProbeSettings, fit_probe, probe
from coral_plugin.evaluation.raw_baseline import score_raw_baseline
from coral_plugin.evaluation.scoring import check_scoring, score_at_width, score_parts


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 90), ("valid", 60), ("test", 60)):
        y = rng.permutation(
            np.arange(count) % 3
        )  # in order, labels of the next sample would be other names of the classes
        hidden = np.eye(3)[y] + rng.normal(size=(count, 3))
        arrays[f"{split}/a"] = (hidden @ np.random.default_rng(1).normal(size=(3, 12)) * 3 + 5).astype(np.float32)
        arrays[f"{split}/a"] += rng.normal(size=(count, 12)).astype(np.float32)
        arrays[f"{split}/labels"] = y
    return from_arrays(arrays)


def features_of(data):
    splits = {label: split.columns["a"].values.numpy() for label, split in data.splits().items()}
    return {label: {"first": values[:, :7], "second": values[:, 7:]} for label, values in splits.items()}


@pytest.mark.parametrize("kind", ["linear", "ridge", "knn", "reference"])
def test_settings_are_chosen_on_valid_and_test_changes_none(data, kind):
    """Holds for every way to a score: parts, all of them, the raw values, the matched width."""
    settings = ProbeSettings(kind=kind, neighbours=0)

    def chosen(data):
        features = features_of(data)
        scores = score_parts(features, data, settings)
        ways = [*scores.values(), *score_raw_baseline(data, settings).values()]
        ways.append(score_at_width(features, data, settings, 3, scores)["scores"])
        return [way["label"]["setting"] for way in ways]

    test = data.test
    noise = torch.from_numpy(np.random.default_rng(5).normal(size=(60, 12)).astype(np.float32))
    others = [
        dataclasses.replace(test, targets={"label": test.targets["label"].flip(0)}),
        dataclasses.replace(test, targets={"label": (test.targets["label"] + 1) % 3}),
        dataclasses.replace(test, columns={"a": dataclasses.replace(test.columns["a"], values=noise)}),
    ]
    expected = chosen(data)
    assert all(setting["chosen_on"] == "valid" for setting in expected)
    for other in others:
        assert chosen(dataclasses.replace(data, test=other)) == expected


@pytest.mark.parametrize("kind", ["linear", "ridge", "knn", "reference"])
def test_matched_width_is_the_probe_on_components_of_train(data, kind):
    features, settings = features_of(data), ProbeSettings(kind=kind)
    matched = score_at_width(features, data, settings, 3, score_parts(features, data, settings))
    assert matched["width"] == 3
    whole = {label: np.concatenate([*parts.values()], axis=1).astype(float) for label, parts in features.items()}
    if kind in ("linear", "ridge"):
        mean, std = whole["train"].mean(axis=0), whole["train"].std(axis=0)
        whole = {label: (features - mean) / std for label, features in whole.items()}
    directions = PCA(3, svd_solver="full").fit(whole["train"]).components_.T
    truth = {label: split.targets["label"].numpy() for label, split in data.splits().items()}
    pairs = {label: (features @ directions, truth[label]) for label, features in whole.items()}
    score = matched["scores"]["label"]
    if kind in ("knn", "reference"):  # these take features as they are
        expected = probe(pairs["train"], pairs["valid"], pairs["test"], data.tasks[0], settings).predictions
    else:
        x, y = (np.concatenate([pairs["train"][i], pairs["valid"][i]]) for i in range(2))
        if kind == "linear":
            expected = LogisticRegression(C=score["setting"]["C"], tol=1e-10, max_iter=10_000).fit(x, y)
            expected = expected.predict(pairs["test"][0])
        else:
            expected = Ridge(alpha=score["setting"]["alpha"]).fit(x, np.eye(3)[y]).predict(pairs["test"][0]).argmax(1)
    assert score["value"] == pytest.approx(balanced_accuracy_score(truth["test"], expected), abs=1e-9)
    assert 0.4 < score["value"] < 1


@pytest.mark.parametrize("kind", ["linear", "ridge", "knn"])
def test_all_components_are_the_features(data, kind):
    """The lengths of the components stay: a rotation changes no probe."""
    features, settings = features_of(data)["train"], ProbeSettings(kind=kind)
    x, y = np.concatenate([*features.values()], axis=1), data.train.targets["label"].numpy()
    plain, turned = (
        fit_probe((x[:60], y[:60]), (x[60:], y[60:]), data.tasks[0], settings, components=c) for c in (None, 12)
    )
    assert plain.setting == turned.setting
    np.testing.assert_allclose(turned.score((x, y)).outputs, plain.score((x, y)).outputs, atol=2e-3)


def test_directions_come_from_train_alone(data):
    """Nothing is chosen for a given number of neighbours, and nothing fitted on valid: only directions could tell."""
    features, settings = features_of(data), ProbeSettings(kind="knn")
    x = {label: np.concatenate([*parts.values()], axis=1) for label, parts in features.items()}
    y = {label: split.targets["label"].numpy() for label, split in data.splits().items()}
    test, outputs = (x["test"], y["test"]), []
    for valid in (x["valid"], x["valid"] * np.linspace(-50, 50, 12)):
        fitted = fit_probe((x["train"], y["train"]), (valid, y["valid"]), data.tasks[0], settings, False, 3)
        outputs.append(fitted.score(test).outputs)
    np.testing.assert_array_equal(*outputs)


def test_a_narrow_representation_stands_as_it_is(data):
    features, settings = features_of(data), ProbeSettings()
    scores = score_parts(features, data, settings)
    assert score_at_width(features, data, settings, 12, scores) == {"width": 12, "scores": scores["all"]}
    assert score_at_width(features, data, settings, 100, scores)["width"] == 12


def test_labels_that_no_probe_could_score_are_refused_before_anything_is_trained(data):
    check_scoring(data, ProbeSettings())
    task = data.tasks[0]
    beyond = {task.name: torch.full_like(data.test.targets[task.name], len(task.classes))}
    wrong = dataclasses.replace(data, test=dataclasses.replace(data.test, targets=beyond))
    with pytest.raises(InputError, match="test split: classes must be"):
        check_scoring(wrong, ProbeSettings())
    alone = data.train.targets[task.name].clone().fill_(0)
    alone[0] = 1
    single = dataclasses.replace(data, valid=None, train=dataclasses.replace(data.train, targets={task.name: alone}))
    check_scoring(single, ProbeSettings())
    with pytest.raises(InputError, match="reference probe cannot split"):
        check_scoring(single, ProbeSettings(kind="reference"))
