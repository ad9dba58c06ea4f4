"""Tasks know their metric."""

import pytest

from coral_plugin.data import Task
from coral_plugin.errors import InputError


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("classification", "balanced_accuracy"), ("multilabel", "weighted_f1"), ("regression", "mse")],
)
def test_kinds(kind, metric):
    assert Task(name="label", kind=kind, classes=("a", "b", "c", "d")).metric == metric


def test_unknown_kind():
    with pytest.raises(InputError, match="unknown kind 'ranking'; known: classification, multilabel, regression"):
        Task(name="label", kind="ranking", classes=("a", "b"))


def test_one_class_is_no_classification():
    with pytest.raises(InputError, match="one class only"):
        Task(name="label", kind="classification", classes=("a",))
    assert Task(name="label", kind="multilabel", classes=("a",)).classes == ("a",)
