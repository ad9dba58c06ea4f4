"""Values of the seeds together."""

import numpy as np
import pytest

from coral_plugin.runs.summary import mean_and_std


def test_the_deviation_is_that_of_a_sample_and_none_of_one_value():
    values = [0.2, 0.5, 0.9]
    found = mean_and_std(values)
    assert found == {
        "values": values,
        "mean": pytest.approx(np.mean(values)),
        "std": pytest.approx(np.std(values, ddof=1)),
    }
    assert mean_and_std([0.3]) == {"values": [0.3], "mean": 0.3, "std": None}
