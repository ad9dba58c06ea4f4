"""Bars are drawn for one variant and for several, and leave their numbers beside the picture."""

import subprocess
import sys
from itertools import pairwise

import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.pictures import bars
from coral_plugin.evaluation.pictures.bars import grouped_bars

CHANCES = {"redundancy": 0.1, "synergy": 0.5}
VALUES = {"redundancy": [0.97, 0.96, 0.98], "uniqueness": [0.8, 0.82, 0.81], "synergy": [0.7, 0.75, 0.77]}


def test_bars(tmp_path, check_picture):
    grouped_bars(tmp_path / "deep" / "bars", {"COrAL": VALUES}, CHANCES, "COrAL on trifeature")
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
def test_bars_of_little_and_much(tmp_path, values, percent, check_picture):
    grouped_bars(tmp_path / "bars", {"COrAL": values}, {}, "A title with $ in it", "MSE", percent=percent)
    assert len(check_picture(tmp_path / "bars")) == sum(map(len, values.values()))


def test_no_bar_is_refused(tmp_path):
    with pytest.raises(InputError, match="no scores"):
        grouped_bars(tmp_path / "bars", {"COrAL": {}}, {}, "")


@pytest.mark.parametrize("variants", [2, 10])
def test_grouped_bars(tmp_path, variants, check_picture):
    groups = {
        f"variant {i}": {name: [v * 0.9**i for v in values] for name, values in VALUES.items()} for i in range(variants)
    }
    del groups["variant 1"]["synergy"]
    grouped_bars(tmp_path / "groups", groups, CHANCES, "Ablations")
    rows = check_picture(tmp_path / "groups")
    values = [float(row["value"]) for row in rows if (row["variant"], row["name"]) == ("variant 1", "redundancy")]
    assert values == groups["variant 1"]["redundancy"]
    assert len(rows) == 9 * variants - 3


@pytest.mark.parametrize(("variants", "seeds"), [(2, 1), (9, 5), (14, 1), (14, 5)])
def test_means_do_not_lie_on_each_other(tmp_path, monkeypatch, variants, seeds):
    drawn = []
    monkeypatch.setattr(bars, "save_figure", lambda figure, *_: drawn.append(figure))
    grouped_bars(
        tmp_path / "x", {f"v{i}": {name: [0.5] * seeds for name in VALUES} for i in range(variants)}, {}, "title"
    )
    drawn[0].canvas.draw()
    boxes = [text.get_window_extent() for text in drawn[0].axes[0].texts]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) == 3 * variants
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    assert max(box.y1 for box in boxes) <= drawn[0].axes[0].get_window_extent().y1


def test_no_global_state_of_matplotlib(tmp_path):
    code = (
        "import sys, coral_plugin\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "before = repr(list(dict.items(matplotlib.rcParams)))\n"
        "from pathlib import Path\n"
        "from coral_plugin.evaluation.pictures.bars import grouped_bars\n"
        "grouped_bars(Path('bars'), {'COrAL': {'a': [0.5]}}, {}, '')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert repr(list(dict.items(matplotlib.rcParams))) == before\n"
    )
    # what matplotlib's older releases use of newer ones of others is deprecated there
    warnings = ["-W", "error::UserWarning", "-W", "ignore::DeprecationWarning"]
    subprocess.run([sys.executable, *warnings, "-c", code], check=True, cwd=tmp_path)
