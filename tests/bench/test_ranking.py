"""Ranks, the raw-features line and tests against their definitions."""

import math
from statistics import fmean, stdev

import pytest
from scipy import stats

from coral_plugin.bench.ranking import all_below, holm, p_value

SEEDS = (1, 2, 3, 4)
VALUES = {"coral": (0.8, 0.7, 0.9, 0.82), "b": (0.7, 0.65, 0.7, 0.71), "c": (0.5, 0.4, 0.6, 0.5)}


def test_the_p_value_is_that_of_a_paired_t_test():
    own, best = dict(zip(SEEDS, VALUES["b"], strict=True)), dict(zip(SEEDS, VALUES["coral"], strict=True))
    differences = [own[s] - best[s] for s in SEEDS]
    t = fmean(differences) / (stdev(differences) / math.sqrt(4))
    assert p_value(own, best) == pytest.approx(2 * stats.t.sf(abs(t), 3), rel=1e-9)
    assert p_value({1: 0.5, 9: 0.1}, {1: 0.4, 8: 0.3}) is None
    assert p_value({1: 0.5, 2: 0.6}, {1: 0.4, 2: 0.5}) is None, "equal differences have no deviation"
    assert p_value({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.6}) == 1.0
    assert p_value(dict.fromkeys((1, 2), 0.0), dict.fromkeys((1, 2), 0.0)) == 1.0


@pytest.mark.parametrize("unit", [1e-15, 1e-4, 1e9])
def test_the_p_value_does_not_depend_on_the_unit(unit):
    own, best = dict(zip(SEEDS, VALUES["b"], strict=True)), dict(zip(SEEDS, VALUES["coral"], strict=True))
    scaled = [{seed: value * unit for seed, value in values.items()} for values in (own, best)]
    assert p_value(*scaled) == pytest.approx(p_value(own, best), rel=1e-6)
    assert p_value({1: 0.5 * unit, 2: 0.6 * unit}, {1: 0.4 * unit, 2: 0.5 * unit}) is None


def test_holm_steps_down():
    """0.01 is multiplied by 4, 0.013 by 3 but stays behind it, 0.03 by 2, 0.4 by 1; none is above 1."""
    assert holm({0: 0.03, 1: 0.01, 2: 0.4, 3: 0.013}) == pytest.approx({0: 0.06, 1: 0.04, 2: 0.4, 3: 0.04})
    assert holm({0: 0.9, 1: 0.8}) == {0: 1.0, 1: 1.0}
    assert holm({7: 0.2}) == {7: 0.2}
    assert holm({}) == {}


def test_tests_against_the_best_are_corrected(comparison_of):
    found = comparison_of(VALUES)
    (measure,) = found.measures
    raw = [stats.ttest_rel(VALUES[name], VALUES["coral"]).pvalue for name in ("b", "c")]
    smaller, greater = sorted(raw)
    expected = {smaller: 2 * smaller, greater: max(2 * smaller, greater)}
    assert found.rows[0].scores[measure].p_value is None
    assert [each.scores[measure].p_value for each in found.rows[1:]] == pytest.approx([expected[p] for p in raw])


def test_best_and_second_among_the_methods_only(comparison_of):
    found = comparison_of({"raw": (0.3,) * 4, **VALUES, "labelled": (1.0,) * 4})
    (measure,) = found.measures
    assert [(each.method.name, each.kind) for each in found.rows] == [
        ("coral", "method"), ("b", "method"), ("c", "method"), ("raw", "raw features"), ("labelled", "with labels"),
    ]  # fmt: skip
    assert [each.scores[measure].rank for each in found.rows] == [1, 2, None, None, None]
    assert found.rows[4].scores[measure].p_value is None


@pytest.mark.parametrize(
    ("raw", "ranks"),
    [(0.99, (None, None, None)), (0.75, (1, None, None)), (0.6, (1, 2, None)), (0.5, (1, 2, None))],
)
def test_a_method_below_the_raw_features_has_no_rank(comparison_of, raw, ranks):
    found = comparison_of({**VALUES, "raw": (raw,) * 4})
    (measure,) = found.measures
    assert tuple(each.scores[measure].rank for each in found.rows[:3]) == ranks
    assert all_below(found.rows, measure) == (raw == 0.99)
    tested = [each.scores[measure].p_value is not None for each in found.rows]
    assert tested == ([False] * 4 if raw == 0.99 else [False, True, True, False])


def test_of_errors_the_lowest_is_best_and_the_raw_line_is_an_upper_one(comparison_of):
    found = comparison_of(VALUES, metric="mse")
    (measure,) = found.measures
    assert {each.method.name: each.scores[measure].rank for each in found.rows} == {"coral": None, "b": 2, "c": 1}
    found = comparison_of({**VALUES, "raw": (0.6,) * 4}, metric="mse")
    assert {each.method.name: each.scores[measure].rank for each in found.rows[:3]} == {
        "coral": None,
        "b": None,
        "c": 1,
    }


def test_one_seed_is_tested_against_nothing(comparison_of):
    found = comparison_of({name: values[:1] for name, values in VALUES.items()}, seeds=(1,))
    (measure,) = found.measures
    assert [each.scores[measure].p_value for each in found.rows] == [None, None, None]
    assert [each.scores[measure].rank for each in found.rows] == [1, 2, None]


def test_a_method_with_fewer_seeds_has_no_rank(comparison_of):
    """Three of its runs have failed; the one that is left beats every mean."""
    found = comparison_of({**VALUES, "lucky": (0.99, None, None, None)})
    (measure,) = found.measures
    assert {each.method.name: each.scores[measure].rank for each in found.rows} == {
        "coral": 1, "b": 2, "c": None, "lucky": None,
    }  # fmt: skip


def test_rounding_decides_no_place(comparison_of):
    """Means of counts over ten samples: 0.2 each, of which one comes out as 0.20000000000000004."""
    values = {"coral": (0.1, 0.2, 0.3), "b": (0.2, 0.2, 0.2), "c": (0.1, 0.1, 0.2), "raw": (0.2, 0.2, 0.2)}
    assert len({fmean(values["coral"]), fmean(values["b"])}) == 2
    for metric, ranks in (("balanced_accuracy", (1, 1, None)), ("mse", (2, 2, 1))):
        found = comparison_of(values, seeds=(1, 2, 3), metric=metric)
        (measure,) = found.measures
        assert tuple(each.scores[measure].rank for each in found.rows[:3]) == ranks
        assert not all_below(found.rows, measure)
