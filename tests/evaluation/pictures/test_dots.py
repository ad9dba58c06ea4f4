"""Dots show every seed, mean and interval; labels lie beside each other inside the picture; axes show differences."""

import subprocess
import sys
from itertools import combinations
from statistics import fmean, stdev

import pytest
from matplotlib.colors import to_hex

from coral_plugin.errors import InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.pictures import dots
from coral_plugin.evaluation.pictures.dots import ReferenceLine, ScorePanel, score_dots

ACCURACY, MSE = metric_named("balanced_accuracy"), metric_named("mse")
ROWS = {"CLIP": [0.91, 0.93], "COrAL": [0.95, 0.97], "CMC": [0.90, 0.92]}
CHANCE = ReferenceLine(label="chance", values=[0.2], kind="chance")
RAW = ReferenceLine(label="raw features", values=[0.88], kind="raw features")
LABELS = ReferenceLine(label="with labels", values=[0.96, 0.98], kind="with labels")


def panel(rows=ROWS, metric=ACCURACY, **more):
    return ScorePanel(metric=metric, rows=rows, **more)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Function from panels to the figure, with its layout."""
    figures = []
    monkeypatch.setattr(dots, "save_figure", lambda figure, *_: figures.append(figure))

    def draw(panels, title="Balanced accuracy on wearables", **options):
        score_dots(tmp_path / "x", panels, title, **options)
        figures[-1].draw_without_rendering()
        return figures[-1]

    return draw


def row_names(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_files_hold_every_value(tmp_path, check_picture):
    score_dots(tmp_path / "deep" / "dots", {"label": panel(lines=[RAW, LABELS, CHANCE])}, "A title with $ in it")
    rows = check_picture(tmp_path / "deep" / "dots")
    assert [float(row["value"]) for row in rows if row["row"] == "COrAL"] == ROWS["COrAL"]
    assert {(row["kind"], row["row"]) for row in rows if row["kind"] != "row"} == {
        ("raw features", "raw features"), ("with labels", "with labels"), ("chance", "chance")
    }  # fmt: skip
    assert len(rows) == 6 + 1 + 2 + 1


def test_the_same_picture_is_the_same_file(tmp_path):
    for name in ("one", "two"):
        score_dots(tmp_path / name, {"label": panel()}, "A title")
    for kind in ("png", "svg", "csv"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


def test_the_best_is_on_top_and_the_title_counts_seeds(drawn):
    figure = drawn({"label": panel()})
    assert row_names(figure.axes[0]) == ["COrAL", "CLIP", "CMC"]
    assert figure.get_suptitle() == "Balanced accuracy on wearables, 2 seeds"
    assert texts(figure.axes[0]) == ["96.0 ± 1.4", "92.0 ± 1.4", "91.0 ± 1.4"]
    assert "one sample standard deviation" in figure.get_supxlabel()
    assert row_names(drawn({"label": panel()}, best_first=False).axes[0]) == list(ROWS)


def test_seeds_mean_and_interval_stand_at_their_values_in_the_row_of_their_name(drawn):
    axes = drawn({"label": panel()}).axes[0]
    places = dict(zip(row_names(axes), axes.get_yticks(), strict=True))
    for name, values in ROWS.items():
        percent = [100 * value for value in values]
        seeds, mean = sorted(
            (c.get_offsets() for c in axes.collections if abs(c.get_offsets()[0, 1] - places[name]) < 0.5),
            key=lambda offsets: -len(offsets),
        )
        assert list(seeds[:, 0]) == pytest.approx(percent)
        assert list(mean[0]) == pytest.approx([fmean(percent), places[name]])
        (interval,) = (
            list(line.get_xdata()) for line in axes.lines if list(line.get_ydata()) == [places[name], places[name]]
        )
        assert interval == pytest.approx([fmean(percent) - stdev(percent), fmean(percent) + stdev(percent)])


def test_an_error_is_sorted_the_other_way_and_its_axis_says_so(drawn):
    axes = drawn({"ee": panel({"a": [3e-4], "b": [1e-4], "c": [2e-4]}, MSE, unit=1e-4)}).axes[0]
    assert row_names(axes) == ["b", "c", "a"]
    assert axes.get_xlabel() == "MSE x 1e-4 (lower is better)"
    assert axes.get_xlim()[0] < 1 < 3 < axes.get_xlim()[1]


def test_rows_of_several_panels_are_in_the_order_of_their_mean_rank(drawn):
    first, second = panel({"a": [0.9], "b": [0.8], "c": [0.7]}), panel({"c": [0.5], "b": [0.6], "a": [0.2]})
    figure = drawn({"one": first, "two": second})
    assert row_names(figure.axes[0]) == ["b", "a", "c"]
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert "mean rank" in figure.get_supxlabel()


def test_one_seed_has_no_interval(drawn):
    figure = drawn({"label": panel({"a": [0.5], "b": [0.6]})})
    assert figure.get_suptitle().endswith(", 1 seed")
    assert figure.get_supxlabel().startswith("One training for each dot: no interval.")
    assert not figure.axes[0].lines
    assert len(drawn({"label": panel({"a": [0.5, 0.6], "b": [0.6, 0.7]})}).axes[0].lines) == 2


def test_the_axis_covers_near_lines_and_points_at_far_ones(drawn):
    axes = drawn({"label": panel(lines=[RAW, LABELS, CHANCE])}).axes[0]
    low, high = axes.get_xlim()
    assert 80 < low < 88 < 97 < high < 100
    assert "← chance 20.0" in texts(axes)
    assert {"raw features 88.0", "with labels 97.0"} <= set(texts(axes))
    near = drawn({"label": panel({"a": [0.25], "b": [0.5]}, lines=[CHANCE])}).axes[0]
    assert near.get_xlim()[0] < 20
    assert "chance 20.0" in texts(near)
    above = drawn({"label": panel({"a": [0.1], "b": [0.12]}, lines=[LABELS])}).axes[0]
    assert "with labels 97.0 →" in texts(above)


def test_equal_values_are_not_blown_up(drawn):
    low, high = drawn({"label": panel({"a": [0.5], "b": [0.5001]})}).axes[0].get_xlim()
    assert high - low >= 4


def test_levels_of_chance_by_row_stand_from_0_to_100(drawn):
    chances = {"redundancy": 0.1, "synergy": 0.5}
    axes = drawn({"": panel({"redundancy": [0.9], "synergy": [0.6]}, chances=chances)}).axes[0]
    assert axes.get_xlim() == (0, 100)
    assert {"chance 10", "chance 50"} <= set(texts(axes))


def test_colours_of_raw_features_and_seeds_that_count(drawn):
    figure = drawn({"label": panel({"all parts": [0.9, 0.8], "raw: a": [0.5]}, kinds={"raw: a": "raw features"})})
    assert figure.get_suptitle().endswith(", 2 seeds")
    axes = figure.axes[0]
    places = dict(zip(axes.get_yticks(), row_names(axes), strict=True))
    colours = {}
    for points in axes.collections:
        nearest = min(places, key=lambda place: abs(place - points.get_offsets()[0, 1]))
        colours[places[nearest]] = to_hex(points.get_facecolor()[0])
    assert colours["raw: a"] == dots._LINES["raw features"]["color"].lower()
    assert colours["all parts"] != colours["raw: a"]


MANY = {f"a rather long name of a method, number {i}": [i / 14, i / 14 + 0.01] for i in range(14)}
CLOSE = [
    CHANCE,
    ReferenceLine(label="raw features", values=[0.21], kind="raw features"),
    ReferenceLine(label="with labels", values=[0.22], kind="with labels"),
]


@pytest.mark.parametrize(
    ("count", "rows", "lines"),
    [(4, ROWS, [RAW, LABELS, CHANCE]), (3, {"a": [0.2, 0.22], "b": []}, CLOSE), (1, MANY, CLOSE)],
    ids=["usual", "lines close together", "many long names"],
)
def test_no_text_is_cut_or_covers_another(drawn, count, rows, lines):
    figure = drawn({f"score {i}": panel(rows, lines=lines) for i in range(count)}, f"A title of {'many words ' * 9}")
    labels = [text for axes in figure.axes for text in (*axes.texts, axes.title, axes.xaxis.label)]
    labels += [tick for axes in figure.axes[:: len(figure.axes)] for tick in axes.get_yticklabels()]
    boxes = [text.get_window_extent() for text in labels if text.get_text()]
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert figure._suptitle.get_window_extent().x1 <= width


def test_a_note_lies_inside_the_picture(drawn):
    figure = drawn({"label": panel()}, best_first=False, note="Orange: raw values.")
    assert figure._supxlabel.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("rows", [{}, {"COrAL": []}])
def test_no_score_is_refused(tmp_path, rows):
    with pytest.raises(InputError, match="no scores"):
        score_dots(tmp_path / "dots", {"label": panel(rows)}, "")


def test_no_global_state_of_matplotlib(tmp_path):
    code = (
        "import sys, coral_plugin\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "before = repr(list(dict.items(matplotlib.rcParams)))\n"
        "from pathlib import Path\n"
        "from coral_plugin.evaluation.metrics import metric_named\n"
        "from coral_plugin.evaluation.pictures.dots import ScorePanel, score_dots\n"
        "score_dots(Path('dots'), {'': ScorePanel(metric=metric_named('accuracy'), rows={'a': [0.5]})}, '')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert repr(list(dict.items(matplotlib.rcParams))) == before\n"
    )
    # what matplotlib's older releases use of newer ones of others is deprecated there
    warnings = ["-W", "error::UserWarning", "-W", "ignore::DeprecationWarning"]
    subprocess.run([sys.executable, *warnings, "-c", code], check=True, cwd=tmp_path)
