"""The fuzzer in short: what Hypothesis makes of every reader's input; only our own errors may escape."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .mutate import mutant
from .targets import TARGETS, clean

SLOW = {"flags": 15, "config": 25, "weights": 15, "run": 40, "robotics": 20, "push": 40, "mmsdk": 20, "imdb": 60}


@pytest.fixture(scope="module", autouse=True)
def folder():
    yield
    clean()


@pytest.mark.parametrize("name", TARGETS)
def test_valid_input_is_accepted(name):
    """Otherwise the mutants would stop at the door."""
    for content in TARGETS[name].corpus:
        assert TARGETS[name](content) == "accepted"


@pytest.mark.parametrize("name", TARGETS)
def test_only_our_errors_escape(name):
    target = TARGETS[name]

    @settings(
        max_examples=SLOW.get(name, 100), deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.one_of(st.binary(max_size=200), st.integers(0, 2**64).map(random.Random).map(
        lambda rng: mutant(target.corpus, target.words, rng)
    )))  # fmt: skip
    def run(content):
        assert target(content) in ("accepted", "InputError", "UnknownNameError", "NoDatasetError", "PluginError")

    run()


def test_mutants_repeat_with_their_seed():
    target = TARGETS["augmentations"]
    first, again = ([mutant(target.corpus, target.words, rng) for _ in range(20)] for rng in map(random.Random, (3, 3)))
    assert first == again
    assert len(set(first)) > 10
