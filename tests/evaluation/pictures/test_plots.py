"""Every picture is drawn, holds something, and leaves its numbers beside it."""

import csv
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from coral_plugin.errors import InputError, PluginError
from coral_plugin.evaluation.pictures import density, plots
from coral_plugin.evaluation.pictures.density import embedding_density
from coral_plugin.evaluation.pictures.plots import bars, grouped_bars, part_heatmap, training_curves, write_run_plots

CHANCES = {"redundancy": 0.1, "synergy": 0.5}
VALUES = {"redundancy": [0.97, 0.96, 0.98], "uniqueness": [0.8, 0.82, 0.81], "synergy": [0.7, 0.75, 0.77]}


def history(epochs, shift=0.0):
    return [
        {
            "epoch": epoch,
            "loss/shared": 2.0 / (epoch + 1) + shift,
            "loss/unique": 1.0,
            "loss/total": 3.0 + shift,
            "mask_ratio": 0.05 if epoch < 2 else 0.75,
            "learning_rate": 1e-4,
            "samples_per_second": 900.0,
        }
        for epoch in range(epochs)
    ]


def result(tasks):
    return {
        "objective": "coral",
        "dataset": "a $100 set",
        "seeds": [41, 42],
        "tasks": tasks,
        "parts": {"shared": tasks, "unique/a": {}},
        "raw_features": {"all": tasks},
    }


def scores(values, metric="balanced_accuracy", **chance):
    return {"metric": metric, "values": values, "also": {}, **chance}


def parts(rows, width=16, names=("shared", "unique/a", "unique/b")):
    rng = np.random.default_rng(rows)
    return {n: rng.normal(i, 1.0, (rows, width)).astype(np.float32) for i, n in enumerate(names)}


def check_picture(path):
    """The three files are there, the PNG is of a readable size and has colours; the rows of the CSV come back."""
    with Image.open(f"{path}.png") as image:
        assert min(image.size) >= 300
        assert max(image.size) <= 2400
        assert len(image.convert("RGB").getcolors(maxcolors=image.size[0] * image.size[1])) > 20
    text = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "</svg>" in text
    assert sorted(file.suffix for file in path.parent.glob(f"{path.name}.*")) == [".csv", ".png", ".svg"]
    with path.with_name(f"{path.name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_training_curves(tmp_path):
    histories = {41: history(4), 42: history(4, 0.5)}
    training_curves(tmp_path / "curves", histories)
    rows = check_picture(tmp_path / "curves")
    expected = [{"seed": seed, **row} for seed, own in histories.items() for row in own]
    assert [{key: float(value) for key, value in row.items()} for row in rows] == expected


@pytest.mark.parametrize(
    "histories",
    [
        {41: history(1)},
        {41: history(3), 42: history(1), 43: []},
        {41: [{"epoch": 0, "loss/total": 1.0}]},
        {41: [{"epoch": e, "loss/total": float("nan"), "loss/$a_$": 1.0, "loss/b": 2.0} for e in range(3)]},
    ],
    ids=["one epoch", "seeds of unlike length", "no mask", "not finite, odd names"],
)
def test_training_curves_of_little(tmp_path, histories):
    training_curves(tmp_path / "curves", histories)
    assert check_picture(tmp_path / "curves")


@pytest.mark.parametrize("histories", [{}, {41: []}])
def test_no_epoch_is_refused(tmp_path, histories):
    with pytest.raises(InputError, match="no epoch"):
        training_curves(tmp_path / "curves", histories)


def test_bars(tmp_path):
    bars(tmp_path / "deep" / "bars", VALUES, CHANCES, "COrAL on trifeature")
    rows = check_picture(tmp_path / "deep" / "bars")
    assert [float(row["value"]) for row in rows if row["name"] == "synergy"] == VALUES["synergy"]
    assert {row["name"]: row["chance"] for row in rows} == {"redundancy": "0.1", "uniqueness": "", "synergy": "0.5"}


@pytest.mark.parametrize(
    ("values", "percent"),
    [
        ({"a": [0.5]}, True),
        ({"a": [], "b": [0.0, 0.0]}, True),
        ({f"a rather long name, number {i}": [i / 12, 0.5] for i in range(12)}, True),
        ({"mse": [12.5, 13.5]}, False),
    ],
    ids=["one seed", "nothing and zero", "many", "not a share"],
)
def test_bars_of_little_and_much(tmp_path, values, percent):
    bars(tmp_path / "bars", values, {}, "A title with $ in it", "MSE", percent=percent)
    assert len(check_picture(tmp_path / "bars")) == sum(map(len, values.values()))


def test_no_bar_is_refused(tmp_path):
    with pytest.raises(InputError, match="no scores"):
        bars(tmp_path / "bars", {}, {}, "")


@pytest.mark.parametrize("variants", [2, 10])
def test_grouped_bars(tmp_path, variants):
    groups = {
        f"variant {i}": {name: [v * 0.9**i for v in own] for name, own in VALUES.items()} for i in range(variants)
    }
    del groups["variant 1"]["synergy"]
    grouped_bars(tmp_path / "groups", groups, CHANCES, "Ablations")
    rows = check_picture(tmp_path / "groups")
    found = [float(row["value"]) for row in rows if (row["variant"], row["name"]) == ("variant 1", "redundancy")]
    assert found == groups["variant 1"]["redundancy"]
    assert len(rows) == 9 * variants - 3


@pytest.mark.parametrize(("variants", "seeds"), [(2, 1), (9, 5), (14, 1), (14, 5)])
def test_means_do_not_lie_on_each_other(tmp_path, monkeypatch, variants, seeds):
    drawn = []
    monkeypatch.setattr(plots, "save", lambda figure, *_: drawn.append(figure))
    grouped_bars(
        tmp_path / "x", {f"v{i}": {name: [0.5] * seeds for name in VALUES} for i in range(variants)}, {}, "title"
    )
    drawn[0].canvas.draw()
    boxes = [text.get_window_extent() for text in drawn[0].axes[0].texts]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) == 3 * variants
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    assert max(box.y1 for box in boxes) <= drawn[0].axes[0].get_window_extent().y1


def test_part_heatmap(tmp_path):
    tasks = {"label": scores([0.6, 0.8], chance=0.5), "genres": scores([0.3], "weighted_f1"), "x": scores([9.0], "mse")}
    part_heatmap(tmp_path / "parts", result(tasks))
    rows = check_picture(tmp_path / "parts")
    assert [row["part"] for row in rows[::3]] == ["all parts", "shared", "unique/a", "raw: all"]
    assert [(row["metric"], row["mean"]) for row in rows[:3]] == [
        ("balanced_accuracy", "0.7"),
        ("weighted_f1", "0.3"),
        ("mse", "9.0"),
    ]
    assert rows[6]["mean"] == ""


def test_heatmap_without_tasks_is_refused(tmp_path):
    with pytest.raises(InputError, match="no task"):
        part_heatmap(tmp_path / "parts", result({}))


def test_density_draws_at_most_so_many_points_and_always_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(density, "MOST", 60)
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


def test_density_is_the_plane_of_greatest_variance(tmp_path):
    train = parts(50)
    embedding_density(tmp_path / "plane", train, parts(20))
    rows = check_picture(tmp_path / "plane")
    unit = np.concatenate([p / np.linalg.norm(p, axis=1, keepdims=True) for p in train.values()]).astype(np.float64)
    spread = np.linalg.eigvalsh(np.cov(unit.T, bias=True))[::-1][:2]
    drawn = np.array([[float(row["x"]), float(row["y"])] for row in rows if row["split"] == "train"])
    assert drawn.var(axis=0) == pytest.approx(spread, rel=1e-5)
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
def test_degenerate_embeddings_are_drawn_as_points(tmp_path, make):
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


def test_umap_present(tmp_path):
    pytest.importorskip("umap", reason="the extra umap is not installed")
    rows = parts(30), parts(20)
    embedding_density(tmp_path / "density", *rows, method="umap", seed=3)
    assert len(check_picture(tmp_path / "density")) == 150
    first = (tmp_path / "density.csv").read_text()
    embedding_density(tmp_path / "again", *rows, method="umap", seed=3)
    assert (tmp_path / "again.csv").read_text() == first


def test_run_plots(tmp_path):
    tasks = {"label": scores([0.6, 0.8], chance=0.5), "x": scores([9.0, 8.0], "mse")}
    written = write_run_plots(tmp_path / "plots", result(tasks), {41: history(3)}, (parts(40), parts(30)))
    assert sorted(written) == sorted((tmp_path / "plots").iterdir())
    assert {path.stem for path in written} == {"training", "scores", "parts", "embeddings"}


@pytest.mark.parametrize(
    ("tasks", "embeddings", "expected"),
    [
        ({}, None, set()),
        ({"x": scores([9.0], "mse")}, None, {"parts"}),
        ({}, ({"a": np.eye(9), "b": np.ones((9, 3))},) * 2, set()),
    ],
    ids=["nothing", "numbers only", "no common width"],
)
def test_run_plots_of_what_there_is(tmp_path, tasks, embeddings, expected):
    assert {path.stem for path in write_run_plots(tmp_path, result(tasks), {41: []}, embeddings)} == expected


def test_no_global_state_of_matplotlib(tmp_path):
    code = (
        "import sys, coral_plugin\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "before = repr(list(dict.items(matplotlib.rcParams)))\n"
        "from pathlib import Path\n"
        "from coral_plugin.evaluation.pictures.plots import bars\n"
        "bars(Path('bars'), {'a': [0.5]}, {}, '')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert repr(list(dict.items(matplotlib.rcParams))) == before\n"
    )
    # what matplotlib's older releases use of newer ones of others is deprecated there
    warnings = ["-W", "error::UserWarning", "-W", "ignore::DeprecationWarning"]
    subprocess.run([sys.executable, *warnings, "-c", code], check=True, cwd=tmp_path)
