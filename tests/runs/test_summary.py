"""Values of the seeds together."""

import numpy as np
import pytest

from coral_plugin.runs.summary import _over_seeds, _unconverged, mean_and_std, short_scores


def test_the_deviation_is_that_of_a_sample_and_none_of_one_value():
    values = [0.2, 0.5, 0.9]
    found = mean_and_std(values)
    assert found == {
        "values": values,
        "mean": pytest.approx(np.mean(values)),
        "std": pytest.approx(np.std(values, ddof=1)),
    }
    assert mean_and_std([0.3]) == {"values": [0.3], "mean": 0.3, "std": None}


def test_scores_in_a_line_stand_beside_raw_features_and_chance():
    metrics = {
        "tasks": {
            "step": {"metric": "balanced_accuracy", "mean": 0.854, "chance": 0.5},
            "speed": {"metric": "mse", "mean": 2.0},
        },
        "raw_features": {"all": {"step": {"mean": 0.917}}},
    }
    line = "step balanced_accuracy 0.854 (raw features 0.917, chance 0.500); speed mse 2.000"
    assert short_scores(metrics) == line
    assert short_scores({"tasks": {}}) == ""


@pytest.mark.parametrize("without", [0, 1, 2])
def test_a_metric_that_one_seed_lacks_is_left_out(without):
    scores = [{"metric": "mse", "value": 1.0, "also": {"r2": 0.5, "pearson": 0.9}} for _ in range(3)]
    del scores[without]["also"]["pearson"]
    found = _over_seeds({"mse": 2.0}, scores)
    assert set(found["also"]) == {"r2"}
    assert (found["also"]["r2"]["values"], found["chance"]) == ([0.5] * 3, 2.0)


def test_probes_that_stopped_early_are_listed_by_part():
    note = {"setting": {"note": "stopped before convergence: 1000"}}
    results = {
        41: {"scores": {"all": {"label": {"setting": {}}}, "shared": {"label": note}}},
        42: {"scores": {"all": {"label": note}, "shared": {"label": note}}},
    }
    assert _unconverged(results) == {"unconverged": {"shared": [41, 42], "all": [42]}}
    assert _unconverged({41: {"scores": {"all": {"label": {}}}}}) == {}
