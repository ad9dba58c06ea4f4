"""Levels, and MultiBench's two figures of a curve, against numbers worked out by hand."""

import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.measures import (
    LEVELS,
    PublishedCurves,
    against_published,
    effective_robustness,
    parse_levels,
    relative_robustness,
    scaled_among,
)


def test_levels():
    assert parse_levels("0,0.1,...,1") == LEVELS == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert parse_levels("0, 0.5,1") == (0.0, 0.5, 1.0)
    assert parse_levels("0,0.2,0.3,...,0.5") == (0.0, 0.2, 0.3, 0.4, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,high", "a level is a number from 0 to 1, and 'high' is none"),
        ("0,1.1", "'1.1' is none"),
        ("0,nan", "'nan' is none"),
        ("", "'' is none"),
        ("0", "rise from 0"),
        ("0.1,0.2", "rise from 0"),
        ("0,0.5,0.5", "rise from 0"),
        ("0,...,1", "stands between"),
        ("...,1", "stands between"),
        ("0,0.1,...", "stands between"),
        ("0,0.1,...,0.5,1", "stands between"),
        ("0,0.3,...,1", "steps of 0.3 do not lead from 0.3 to 1"),
        ("0,1e-9,...,1", "do not lead"),
        (",".join(map(str, [0, *(i / 200 for i in range(1, 201))])), "too many"),
    ],
)
def test_levels_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_levels(text)


def test_area_under_the_curve():
    assert relative_robustness([0.8, 0.6, 0.2], [0.0, 0.5, 1.0]) == pytest.approx(0.5 * 0.7 + 0.5 * 0.4)
    assert relative_robustness([0.5] * 11) == pytest.approx(0.5)
    with pytest.raises(InputError, match="same two or more levels"):
        relative_robustness([0.5] * 10)


def test_effective_robustness_is_what_is_kept_beyond_the_reference():
    # losses 0.1 and 0.3 against 0.2 and 0.2
    assert effective_robustness([0.9, 0.8, 0.6], [0.5, 0.3, 0.3]) == pytest.approx(0.1 - 0.1)
    assert effective_robustness([0.9, 0.9], [0.5, 0.3]) == pytest.approx(0.2)
    # an error that grows less than the reference's
    assert effective_robustness([1.0, 1.5], [3.0, 5.0], higher_is_better=False) == pytest.approx(1.5)
    assert effective_robustness([0.4, 0.2], [0.4, 0.2]) == 0
    with pytest.raises(InputError, match="got 3 and 2"):
        effective_robustness([1, 2, 3], [1, 2])


def test_scaled():
    others = {"a": 1.0, "b": 3.0}
    assert scaled_among(2.0, others) == pytest.approx(0.5)
    assert scaled_among(5.0, others) == 1
    assert scaled_among(5.0, others, higher_is_better=False) == 0
    assert scaled_among(1.0, {"a": 1.0}) is None


def test_against_published_curves_by_hand():
    published = PublishedCurves(
        key="k",
        metric="accuracy",
        late_fusion=(0.6, 0.4, 0.2),
        methods={"LF": (0.6, 0.4, 0.2), "other": (0.8, 0.8, 0.8)},
    )
    mine = [0.7, 0.65, 0.6, 0.5, 0.4]
    figures = against_published(mine, [0.0, 0.05, 0.1, 0.15, 0.2], published)
    # areas over 0, 0.1, 0.2: LF 0.08, other 0.16, mine 0.1 * (0.65 + 0.5) = 0.115
    assert figures["relative"] == pytest.approx((0.115 - 0.08) / 0.08)
    # beyond late fusion: LF 0; other 0.2 + 0.4 = 0.6; mine 0.1 + 0.1 = 0.2
    assert figures["effective"] == pytest.approx(0.2 / 0.6)
    assert against_published([0.7, 0.6], [0.0, 0.1], published) is None
    errors = against_published(mine, [0.0, 0.05, 0.1, 0.15, 0.2], published, higher_is_better=False)
    assert errors["relative"] == pytest.approx(1 - (0.115 - 0.08) / 0.08)
    flat = PublishedCurves(key="k", metric="mse", late_fusion=(1.0, 1.0), methods={"LF": (1.0, 1.0)})
    assert against_published([1.0, 1.0], [0.0, 0.1], flat) == {}
