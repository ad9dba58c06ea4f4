"""The test samples are drawn by class beside the parts."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from coral_plugin.data.task import Task
from coral_plugin.evaluation.pictures.classes import MOST_CLASSES, ClassPoints, class_points, draw_classes
from coral_plugin.evaluation.pictures.density import embedding_density

NAMES = tuple(f"class {i}" for i in range(20))


@pytest.fixture
def axes():
    return Figure().add_subplot()


def drawn(axes):
    """``{label: number of points}``."""
    return {points.get_label(): len(points.get_offsets()) for points in axes.collections}


def test_every_class_has_a_colour_and_shape_of_its_own(axes):
    labels = np.repeat(np.arange(12), 3)
    plane = np.random.default_rng(0).normal(size=(36, 2))
    draw_classes(axes, plane, labels, NAMES)
    assert drawn(axes) == {f"class {i}": 3 for i in range(12)}
    for points in axes.collections:
        members = labels == NAMES.index(points.get_label())
        np.testing.assert_allclose(np.sort(points.get_offsets(), axis=0), np.sort(plane[members], axis=0))
    styles = {(tuple(p.get_facecolor()[0]), p.get_paths()[0].vertices.shape) for p in axes.collections}
    assert len(styles) == 12


def test_rare_classes_of_many_are_drawn_together(axes):
    labels = np.concatenate([np.repeat(np.arange(MOST_CLASSES), 5), np.arange(MOST_CLASSES, 20)])
    draw_classes(axes, np.zeros((len(labels), 2)), labels, NAMES)
    assert drawn(axes)["other classes"] == 20 - MOST_CLASSES
    assert len(drawn(axes)) == MOST_CLASSES + 1


def test_planes_by_part_and_by_class(tmp_path, check_picture):
    rng = np.random.default_rng(0)
    train, test = ({"shared": rng.normal(size=(n, 8)), "unique/a": rng.normal(size=(n, 8))} for n in (40, 20))
    task = Task(name="label", kind="classification", classes=("no", "yes"))
    classes = ClassPoints(rng.normal(size=(20, 12)), np.arange(20) % 2, task)
    embedding_density(tmp_path / "planes", train, test, classes=classes)
    rows = check_picture(tmp_path / "planes")
    assert len(rows) == 2 * (40 + 20) + 20
    assert [row["class"] for row in rows[-20:]] == ["no", "yes"] * 10
    # the plane of the classes is centred on the points that it shows
    assert np.mean([float(row["x"]) for row in rows[-20:]]) == pytest.approx(0, abs=1e-6)


class _Split:
    def __init__(self):
        self.targets = {"score": torch.zeros(4), "label": torch.tensor([0, 1, 1, 0])}


def test_the_first_task_with_classes_is_shown(monkeypatch):
    parts = {"a": np.ones((4, 2)), "b": np.ones((4, 3))}
    monkeypatch.setattr("coral_plugin.evaluation.pictures.classes.embed_split", lambda objective, split: parts)
    score = Task(name="score", kind="regression", classes=("score",))
    label = Task(name="label", kind="classification", classes=("no", "yes"))
    points = class_points(None, _Split(), (score, label))
    assert points.task is label
    assert points.points.shape == (4, 5)
    assert points.labels.tolist() == [0, 1, 1, 0]
    assert class_points(None, _Split(), (score,)) is None
