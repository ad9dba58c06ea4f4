"""Arguments by name, and Python's own words where they do not fit."""

import pytest

from coral_plugin.multibench.calls import bound


def train(encoders, lr=0.1, **rest):
    raise AssertionError("it is not called")


def test_by_name_with_defaults():
    assert bound(train, ([1],), {"x": 2}).arguments == {"encoders": [1], "lr": 0.1, "rest": {"x": 2}}


@pytest.mark.parametrize(("args", "options"), [((), {}), ((1, 2, 3), {}), ((1,), {"encoders": 1})])
def test_the_same_words_as_a_call(args, options):
    with pytest.raises(TypeError, match=r"^train\(\) "):
        bound(train, args, options)
