import numpy as np
import pytest
import torch

from coral_plugin.adapters.trifeature.pairs import candidates, pair_labels, sample, texture_to_colour
from coral_plugin.adapters.trifeature.render import split_combinations
from coral_plugin.adapters.trifeature.streams import stream_generator


def naive_candidates(attributes, colour_of=None):
    found = []
    for i, (shape, texture, _) in enumerate(attributes):
        for j, (other, _, colour) in enumerate(attributes):
            if shape == other and (colour_of is None or colour_of[texture] == colour):
                found.append([i, j])
    return found


@pytest.fixture
def attributes():
    return split_combinations(3)[1]


def test_candidates_are_the_definition(attributes):
    colour_of = texture_to_colour(3)
    plain, rows = colour_of.tolist(), attributes.tolist()
    assert candidates(attributes).tolist() == naive_candidates(rows)
    assert candidates(attributes, colour_of).tolist() == naive_candidates(rows, plain)


def test_counts_of_the_definition():
    for seed in (0, 42):
        for attributes in split_combinations(seed):
            pairs = candidates(attributes)
            counts = np.bincount(attributes[:, 0])
            assert len(pairs) == (counts**2).sum()
            assert bool((pairs[:, 0] == pairs[:, 1]).sum() == len(attributes))  # an image pairs with itself
            share = len(candidates(attributes, texture_to_colour(seed))) / len(pairs)
            assert abs(share - 0.1) < 0.02


def test_map_is_one_to_one():
    maps = [texture_to_colour(seed) for seed in range(5)]
    for colour_of in maps:
        assert sorted(colour_of.tolist()) == list(range(10))
    assert len({tuple(m.tolist()) for m in maps}) == 5


def test_sample_is_without_replacement(attributes):
    pairs = candidates(attributes)
    drawn = sample(pairs, 500, 1, "training pairs")
    assert len(torch.unique(drawn, dim=0)) == 500
    assert {tuple(p) for p in drawn.tolist()} <= {tuple(p) for p in pairs.tolist()}
    assert torch.equal(drawn, sample(pairs, 500, 1, "training pairs"))
    assert not torch.equal(drawn, sample(pairs, 500, 1, "probing pairs"))
    assert not torch.equal(drawn, sample(pairs, 500, 2, "training pairs"))


def test_sample_takes_all_where_there_are_fewer(attributes):
    pairs = candidates(attributes)
    drawn = sample(pairs, 10**6, 1, "training pairs")
    assert torch.equal(torch.unique(drawn, dim=0), pairs)


def test_labels_are_the_definition(attributes):
    colour_of = texture_to_colour(3)
    pairs = sample(candidates(attributes), 300, 0, "probing pairs")
    found = pair_labels(pairs, attributes, colour_of)
    assert list(found) == ["redundancy", "uniqueness1", "uniqueness2", "synergy"]
    for k, (i, j) in enumerate(pairs.tolist()):
        (shape, texture, _), (same, other, colour) = attributes[i].tolist(), attributes[j].tolist()
        assert shape == same
        assert [int(values[k]) for values in found.values()] == [
            shape, texture, other, int(int(colour_of[texture]) == colour),
        ]  # fmt: skip


def test_streams_are_independent():
    names = ("split", "map", "images", "noise", "rain", "training pairs", "probing pairs")
    drawn = {stream_generator(42, name).integers(2**62) for name in names}
    assert len(drawn) == len(names)
    busy = stream_generator(42, "map")
    busy.random(1000)
    assert stream_generator(42, "images").integers(2**62) in drawn
