"""Ranks, tests and costs against their definitions."""

import math
from statistics import fmean, stdev

import pytest
from scipy import stats

from coral_plugin.experiments.bench.compare import compare, p_value
from coral_plugin.experiments.bench.grid import Column, Grid, Reading, Row

SEEDS = (1, 2, 3, 4)
VALUES = {"coral": (0.8, 0.7, 0.9, 0.82), "b": (0.7, 0.65, 0.7, 0.71), "c": (0.5, 0.4, 0.6, 0.5)}


def comparison_of(make_job, metrics, values, seeds=SEEDS, metric="balanced_accuracy", failed=None, **column):
    objectives = {"floor": "concat_raw", "ceiling": "supervised"}
    rows = tuple(Row(name=name, objective=objectives.get(name, "coral")) for name in values)
    grid = Grid(rows=rows, columns=(Column(name="digits", dataset="digits", **column),), seeds=seeds)
    jobs, records = [], {}
    for i, (name, own) in enumerate(values.items()):
        for seed, value in zip(seeds, own, strict=True):
            job = make_job(name, seed=seed, **{"method.shared_weight": float(i)})
            jobs.append(job)
            if value is not None:
                records[job.identity] = {"metrics": metrics(value, metric, speed=100.0 * (i + 1))}
    return compare(grid, jobs, records, failed or {})


def test_the_p_value_is_that_of_a_paired_t_test():
    own, best = dict(zip(SEEDS, VALUES["b"], strict=True)), dict(zip(SEEDS, VALUES["coral"], strict=True))
    differences = [own[s] - best[s] for s in SEEDS]
    t = fmean(differences) / (stdev(differences) / math.sqrt(4))
    assert p_value(own, best) == pytest.approx(2 * stats.t.sf(abs(t), 3), rel=1e-9)
    assert p_value({1: 0.5, 9: 0.1}, {1: 0.4, 8: 0.3}) is None
    assert p_value({1: 0.5, 2: 0.6}, {1: 0.4, 2: 0.5}) == 0.0
    assert p_value({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.6}) == 1.0


def test_best_and_second_among_the_methods_only(make_job, metrics):
    values = {"floor": (0.99,) * 4, **VALUES, "ceiling": (1.0,) * 4}
    found = comparison_of(make_job, metrics, values)
    (measure,) = found.measures
    assert [(each.row.name, each.kind) for each in found.rows] == [
        ("coral", "method"), ("b", "method"), ("c", "method"), ("floor", "floor"), ("ceiling", "ceiling"),
    ]  # fmt: skip
    assert [each.scores[measure].rank for each in found.rows] == [1, 2, None, None, None]
    assert found.rows[0].scores[measure].p_value is None
    assert found.rows[2].scores[measure].p_value == pytest.approx(stats.ttest_rel(VALUES["c"], VALUES["coral"]).pvalue)
    assert found.rows[4].scores[measure].p_value is None


def test_of_errors_the_lowest_is_best(make_job, metrics):
    found = comparison_of(make_job, metrics, VALUES, metric="mse")
    (measure,) = found.measures
    assert {each.row.name: each.scores[measure].rank for each in found.rows} == {"coral": None, "b": 2, "c": 1}


def test_missing_seeds_are_missing_and_the_test_takes_the_common_ones(make_job, metrics):
    values = {"coral": VALUES["coral"], "b": (0.7, None, 0.7, 0.71), "c": (None,) * 4}
    found = comparison_of(make_job, metrics, values, failed={"c on digits, seed 1": "no luck"})
    (measure,) = found.measures
    b = found.rows[1].scores[measure]
    assert list(b.values) == [1, 3, 4]
    assert b.p_value == pytest.approx(stats.ttest_rel([0.7, 0.7, 0.71], [0.8, 0.9, 0.82]).pvalue)
    assert measure not in found.rows[2].scores
    assert found.failed == {"c on digits, seed 1": "no luck"}


def test_cost_is_seconds_per_thousand_samples(make_job, metrics):
    found = comparison_of(make_job, metrics, VALUES)
    assert found.rows[0].costs["digits"].seconds == [10.0] * 4
    assert found.rows[1].costs["digits"].seconds == [5.0] * 4
    assert found.rows[0].costs["digits"].memory == [2.0**30] * 4


def test_a_reading_may_take_another_metric(make_job, metrics):
    readings = {"plain": Reading(metric="accuracy"), "main": Reading()}
    found = comparison_of(make_job, metrics, VALUES, readings=readings)
    plain, main = found.measures
    assert (plain.metric, main.metric) == ("accuracy", "balanced_accuracy")
    assert found.rows[0].scores[plain].values[1] == pytest.approx(0.4)
    assert found.rows[0].scores[main].values[1] == pytest.approx(0.8)
