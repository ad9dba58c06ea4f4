"""Values, seeds and costs of a comparison against the records."""

import pytest
from scipy import stats

from coral_plugin.bench.compare import kind_of
from coral_plugin.bench.grid import MethodRow, Reading

SEEDS = (1, 2, 3, 4)
VALUES = {"coral": (0.8, 0.7, 0.9, 0.82), "b": (0.7, 0.65, 0.7, 0.71), "c": (0.5, 0.4, 0.6, 0.5)}


def test_missing_seeds_are_missing_and_the_test_takes_the_common_ones(comparison_of):
    values = {"coral": VALUES["coral"], "b": (0.7, None, 0.7, 0.71), "c": (None,) * 4}
    found = comparison_of(values, failed={"c on digits, seed 1": "no luck"})
    (measure,) = found.measures
    b = found.rows[1].scores[measure]
    assert list(b.values) == [1, 3, 4]
    # c has no values, so that b is the only one tested and Holm's factor is 1
    assert b.p_value == pytest.approx(stats.ttest_rel([0.7, 0.7, 0.71], [0.8, 0.9, 0.82]).pvalue)
    assert measure not in found.rows[2].scores
    assert found.failed == {"c on digits, seed 1": "no luck"}


def test_cost_is_seconds_per_thousand_samples(comparison_of):
    found = comparison_of(VALUES)
    assert found.rows[0].costs["digits"].seconds == [10.0] * 4
    assert found.rows[1].costs["digits"].seconds == [5.0] * 4
    assert found.rows[0].costs["digits"].memory == [2.0**30] * 4


def test_a_reading_may_take_another_metric(comparison_of):
    readings = {"plain": Reading(metric="accuracy"), "main": Reading()}
    found = comparison_of(VALUES, readings=readings)
    plain, main = found.measures
    assert (plain.metric, main.metric) == ("accuracy", "balanced_accuracy")
    assert found.rows[0].scores[plain].values[1] == pytest.approx(0.4)
    assert found.rows[0].scores[main].values[1] == pytest.approx(0.8)


def test_steps_settings_and_the_matched_width_come_from_the_records(comparison_of):
    train = {"coral": {"steps": 20, "samples": 640, "matched": 0.6}, "b": {"steps": 10, "samples": 320}}
    found = comparison_of(VALUES, train=train)
    (measure,) = found.measures
    coral, b, c = found.rows
    training = coral.trainings["digits"][""]
    assert (training.steps, training.samples, training.settings["training"]["epochs"]) == (20, 640, 2)
    assert (b.trainings["digits"][""].steps, c.trainings["digits"][""].steps) == (10, None)
    assert (coral.matched_widths, b.matched_widths) == ({"digits": 8}, {})
    assert coral.scores[measure].matched == dict.fromkeys(SEEDS, 0.6)
    assert b.scores[measure].matched == {}
    assert measure.probe == "linear"


def test_rows_that_train_on_labels_are_no_methods_without(comparison_of):
    found = comparison_of({**VALUES, "raw": (0.6,) * 4}, by_row={"b": {"method.positives": "class"}})
    assert {row.method.name: row.kind for row in found.rows} == {
        "coral": "method", "b": "with labels", "c": "method", "raw": "raw features",
    }  # fmt: skip
    (measure,) = found.measures
    assert {row.method.name: row.scores[measure].rank for row in found.rows if row.scores[measure].rank} == {"coral": 1}
    tuned = MethodRow(name="tuned", objective="coral", finetune={"loss": "cross_entropy"})
    assert kind_of(tuned, ()) == "with labels"
