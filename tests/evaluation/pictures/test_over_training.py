"""Scores over the training are drawn with what they are compared with, and leave their numbers beside the picture."""

import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.pictures import over_training
from coral_plugin.evaluation.pictures.over_training import score_curves


def points(*values, **more):
    return [
        {"epochs": 5 * number, "score": {"metric": "balanced_accuracy", "values": list(seeds), **more}}
        for number, seeds in enumerate(values)
    ]


def test_panels_lines_and_seeds(tmp_path, check_picture):
    panels = {
        "redundancy": {"COrAL": points((0.5, 0.6), (0.8, 0.9), chance=0.4), "CoMM": points((0.5,), (0.7,), chance=0.4)},
        "synergy": {"COrAL": points((0.5, 0.5), (0.6, 0.7), chance=0.01)},
    }
    score_curves(tmp_path / "curves", panels, "Two methods", raw={"redundancy": 0.4}, marks=("a step", (2.5,)))
    rows = check_picture(tmp_path / "curves")
    assert [list(row.values()) for row in rows[:5]] == [
        ["redundancy", "COrAL", "0", "0", "0.5"],
        ["redundancy", "COrAL", "0", "1", "0.6"],
        ["redundancy", "COrAL", "5", "0", "0.8"],
        ["redundancy", "COrAL", "5", "1", "0.9"],
        ["redundancy", "CoMM", "0", "0", "0.5"],
    ]
    assert len(rows) == 10
    text = (tmp_path / "curves.svg").read_text()
    for words in ("Two methods, 1 to 2 seeds", "raw features", "a step", "chance", "balanced accuracy"):
        assert f"<!-- {words}" in text


def test_a_level_of_chance_far_below_is_not_drawn(tmp_path, check_picture):
    score_curves(tmp_path / "curves", {"t": {"a": points((0.9,), (0.95,), chance=0.1)}}, "One")
    check_picture(tmp_path / "curves")
    assert "<!-- chance" not in (tmp_path / "curves.svg").read_text()


def test_what_has_no_points_is_left_out_and_seeds_may_differ(tmp_path, check_picture):
    panels = {"empty": {}, "t": {"a": points((0.6, 0.7), (0.8,)), "no line": []}}
    score_curves(tmp_path / "curves", panels, "Uneven")
    assert [row["value"] for row in check_picture(tmp_path / "curves")] == ["0.6", "0.7", "0.8"]


@pytest.mark.parametrize("name", ["COrAL on wearables_january", f"{'WWWWW ' * 12}ON W"])
def test_a_long_title_of_a_narrow_picture_is_whole(tmp_path, monkeypatch, name):
    figures = []
    monkeypatch.setattr(over_training, "save_figure", lambda figure, *_: figures.append(figure))
    score_curves(tmp_path / "x", {"t": {"a": points((0.6, 0.7), (0.8, 0.9))}}, f"{name} over the training")
    (figure,) = figures
    figure.draw_without_rendering()
    assert figure._suptitle.get_window_extent().x1 <= figure.bbox.x1
    assert " ".join(figure.get_suptitle().split()) == f"{name} over the training, 2 seeds"
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(InputError, match="no score over the training"):
        score_curves(tmp_path / "curves", {"t": {"a": []}, "u": {}}, "None")
