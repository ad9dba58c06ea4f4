"""A damaged result.json is told, and where."""

import copy

import pytest

from coral_plugin.runs.checks import incomplete, misfit

GOOD = {
    "scores": {"all": {"label": {"metric": "mse", "value": 1, "also": {"r2": 0.5}}}},
    "disentanglement": {},
    "train": {"seconds": 1.0, "samples_per_second": 2.0, "peak_memory_bytes": 3, "parameters": 4},
    "history": [{"epoch": 0}, {"epoch": 1}],
}


def test_a_whole_one():
    assert misfit(GOOD) is None
    assert misfit({**GOOD, "scores": {}}) is None
    assert incomplete(GOOD, ["label"]) is None
    assert incomplete({**GOOD, "scores": {}}, []) is None


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("scores",), [], "lacks 'scores'"),
        (("matched_width",), {"width": 3}, "matched_width lacks"),
        (("matched_width",), {"width": 3, "scores": {"label": {}}}, "matched_width lacks"),
        (("scores", "all"), "x", "scores of part 'all'"),
        (("scores", "all", "label"), {}, "scores of part 'all'"),
        (("scores", "all", "label", "value"), True, "scores of part 'all'"),
        (("scores", "all", "label", "also"), {"r2": None}, "scores of part 'all'"),
        (("train", "seconds"), None, "train.seconds"),
        (("history", 1), {"epoch": "x"}, "history[1]"),
        (("history", 1), {"step": 1}, "other entries"),
    ],
)
def test_a_damaged_one(path, value, says):
    result = copy.deepcopy(GOOD)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert says in misfit(result)
    assert misfit([]) == "it is no object"


def test_scores_that_are_not_there():
    assert "label" in incomplete({**GOOD, "scores": {}}, ["label"])
    assert "matched_width" in incomplete({**GOOD, "matched_width": {"width": 3, "scores": {}}}, ["label"])
    assert "other" in incomplete(GOOD, ["label", "other"])
