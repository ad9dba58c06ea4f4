"""Densities of embeddings: the plane, the points that are drawn, and what is refused."""

import sys

import numpy as np
import pytest

from coral_plugin.errors import InputError, PluginError
from coral_plugin.evaluation.pictures import density
from coral_plugin.evaluation.pictures.density import embedding_density


def parts(rows, width=16, names=("shared", "unique/a", "unique/b")):
    rng = np.random.default_rng(rows)
    return {n: rng.normal(i, 1.0, (rows, width)).astype(np.float32) for i, n in enumerate(names)}


def test_density_draws_at_most_so_many_points_and_always_the_same(tmp_path, monkeypatch, check_picture):
    monkeypatch.setattr(density, "MAX_POINTS", 60)
    train, test = parts(100), parts(40)
    embedding_density(tmp_path / "one", train, test)
    embedding_density(tmp_path / "two", train, test)
    rows = check_picture(tmp_path / "one")
    assert rows == check_picture(tmp_path / "two")
    assert len(rows) == 3 * (60 + 40)
    assert np.isfinite([float(row["x"]) + float(row["y"]) for row in rows]).all()


def test_density_does_not_depend_on_the_length_of_embeddings():
    part = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(density._unit(1e-20 * part), density._unit(part))
    assert not density._unit(np.zeros((1, 3))).any()


def test_density_is_the_plane_of_greatest_variance(tmp_path, check_picture):
    train = parts(50)
    embedding_density(tmp_path / "plane", train, parts(20))
    rows = check_picture(tmp_path / "plane")
    unit = np.concatenate([p / np.linalg.norm(p, axis=1, keepdims=True) for p in train.values()]).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(unit.T, bias=True))[::-1][:2]
    drawn = np.array([[float(row["x"]), float(row["y"])] for row in rows if row["split"] == "train"])
    assert drawn.var(axis=0) == pytest.approx(variances, rel=1e-5)
    assert drawn.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"a": np.ones((n, 4)), "b": np.zeros((n, 4))},
        lambda n: {"a": np.linspace(-1, 1, n)[:, None], "b": np.ones((n, 1))},
        lambda n: {"a": np.linspace(0, 1, n)[:, None] * [1.0, 0] + [0, 1.0], "b": np.eye(2)[np.arange(n) % 2]},
        lambda n: {"a": np.random.default_rng(0).normal(size=(n, 8)) * 1e-9 + 1, "b": -np.ones((n, 8))},
        lambda n: {"a": np.random.default_rng(0).normal(size=(3, 8))},
    ],
    ids=["points", "one dimension", "two values", "collapsed", "few"],
)
def test_degenerate_embeddings_are_drawn_as_points(tmp_path, make, check_picture):
    embedding_density(tmp_path / "density", make(30), make(12))
    assert check_picture(tmp_path / "density")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({}, {}, "at least one"),
        (parts(10), parts(10, names=("shared",)), "same ones"),
        ({"a": np.ones((9, 2)), "b": np.ones((9, 3))}, {"a": np.ones((9, 2)), "b": np.ones((9, 3))}, "common width"),
        ({"a": np.ones((0, 2))}, {"a": np.ones((9, 2))}, "samples"),
        ({"a": np.full((9, 2), np.nan)}, {"a": np.ones((9, 2))}, "finite"),
    ],
)
def test_parts_that_share_no_plane_are_refused(tmp_path, train, test, message):
    with pytest.raises(InputError, match=message):
        embedding_density(tmp_path / "density", train, test)


def test_unknown_method_is_refused(tmp_path):
    with pytest.raises(InputError, match="pca, umap"):
        embedding_density(tmp_path / "density", parts(10), parts(10), method="tsne")


def test_umap_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(PluginError) as caught:
        embedding_density(tmp_path / "density", parts(10), parts(10), method="umap")
    assert str(caught.value) == "umap-learn is not installed: pip install 'coral-multibench[umap]'."
    assert not list(tmp_path.iterdir())


def test_umap_present(tmp_path, check_picture):
    pytest.importorskip("umap", reason="the extra umap is not installed")
    rows = parts(30), parts(20)
    embedding_density(tmp_path / "density", *rows, method="umap", seed=3)
    assert len(check_picture(tmp_path / "density")) == 150
    first = (tmp_path / "density.csv").read_text()
    embedding_density(tmp_path / "again", *rows, method="umap", seed=3)
    assert (tmp_path / "again.csv").read_text() == first
