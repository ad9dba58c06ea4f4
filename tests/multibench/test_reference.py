"""MultiBench's published curves, and our formulas on them against its own."""

import importlib

import numpy as np
import pytest

from coral_plugin.data import Task
from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.measures import LEVELS, against_published
from coral_plugin.multibench import multibench
from coral_plugin.multibench.reference import references

BINARY = Task(name="label", kind="classification", classes=("negative", "positive"))
TOPICS = Task(name="topic", kind="classification", classes=tuple("abcdefghij"))
ERROR = Task(name="ee_next", kind="regression", classes=("x", "y", "z", "yaw"))
MORTALITY = Task(name="mortality", kind="classification", classes=tuple("012345"))
GENRES = Task(name="genres", kind="multilabel", classes=tuple("abc"))
KNOWN = [
    ("mosi", BINARY, "vision", "mosi image"), ("mosi", BINARY, "audio", "mosi audio"),
    ("humor", BINARY, "text", "humor text"), ("mimic", MORTALITY, "all", "mimic mortality timeseries"),
    ("enrico", TOPICS, "wireframe", "enrico wireframe image"), ("imdb", GENRES, "text", "imdb text macro"),
    ("robotics", ERROR, "force", "robotics force"), ("push", ERROR, "gripper_pos", "gentle push proprio"),
]  # fmt: skip


@pytest.mark.multibench
@pytest.mark.parametrize(("dataset", "task", "condition", "key"), KNOWN, ids=[row[3] for row in KNOWN])
def test_figures_equal_theirs(real, dataset, task, condition, key):
    published = references(real)(dataset, task, condition)
    assert published.key == key
    assert published.metric == {"classification": "accuracy", "multilabel": "macro_f1", "regression": "mse"}[task.kind]
    rng = np.random.default_rng(0)
    with multibench(real, say=lambda _: None):
        theirs = importlib.import_module("eval_scripts.robustness")
    for _ in range(3):
        curve = np.array(published.late_fusion) * rng.uniform(0.8, 1.2, len(published.late_fusion))
        figures = against_published([*curve, *([0.0] * (11 - len(curve)))], LEVELS, published)
        assert figures["relative"] == pytest.approx(theirs.relative_robustness(curve, key))
        assert figures["effective"] == pytest.approx(theirs.effective_robustness(curve, key))


@pytest.mark.multibench
def test_errors_are_turned_which_theirs_are_not(real):
    published = references(real)("push", ERROR, "image")
    perfect = [1e-9] * 11
    assert against_published(perfect, LEVELS, published, higher_is_better=False)["relative"] == 1
    assert against_published(perfect, LEVELS, published)["relative"] == 0


@pytest.mark.multibench
@pytest.mark.parametrize(
    ("dataset", "task", "condition"),
    [
        ("mosi", BINARY, "all"),
        ("arrays", BINARY, "all"), ("mosi", ERROR, "text"), ("mosi", MORTALITY, "text"), ("mimic", MORTALITY, "static"),
        ("mimic", BINARY, "all"), ("robotics", BINARY, "image"), ("robotics", ERROR, "depth"), ("imdb", GENRES, "all"),
    ],
)  # fmt: skip
def test_no_curve_where_it_measured_something_else(real, dataset, task, condition):
    assert references(real)(dataset, task, condition) is None


def test_a_checkout_without_curves_is_refused(double):
    with pytest.raises(InputError, match=r"has no usable eval_scripts\.robustness"):
        references(double)
