"""Scores under noise: one probe, clean at level 0, the same noise for representation and raw values."""

import zlib
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from coral_plugin.data import from_arrays
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.raw_baseline import fit_raw_baseline, score_raw_baseline
from coral_plugin.evaluation.robustness.curves import conditions, score_noise
from coral_plugin.evaluation.robustness.noise.families import noise_by_modality
from coral_plugin.evaluation.scoring import embed_data, fit_whole, score_parts
from coral_plugin.objectives import Objective

RIDGE = ProbeSettings(kind="ridge")
LEVELS = (0.0, 0.5, 1.0)


class Itself(Objective):
    """Its parts are the values of each modality; the second counts for nothing where the first says so."""

    def __init__(self):
        nn.Module.__init__(self)
        self.scale, self.seen = nn.Parameter(torch.ones(1)), []

    def loss(self, step):
        raise NotImplementedError

    def embed(self, batch):
        self.seen.append({name: value.clone() for name, value in batch.items()})
        return {name: value * self.scale for name, value in batch.items()}


def stream(seed, name, step):
    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {name} {step}".encode()))


@pytest.fixture(scope="module")
def data():
    """One modality that tells three classes, one that tells nothing, and a number beside the classes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 90), ("valid", 45), ("test", 300)):
        labels = np.arange(n) % 3
        arrays[f"{split}/tells"] = (np.eye(3)[labels] + 0.2 * rng.standard_normal((n, 3))).astype("f4")
        arrays[f"{split}/empty"] = rng.standard_normal((n, 3)).astype("f4")
        arrays[f"{split}/labels"] = labels
    return from_arrays(arrays)


@pytest.fixture(scope="module")
def curves(data):
    objective = Itself()
    features = embed_data(objective, data)
    fitted, baseline = fit_whole(features, data, RIDGE), fit_raw_baseline(data, RIDGE)
    return score_noise(
        objective, data, fitted, baseline, noise_by_modality(data.modalities), LEVELS, partial(stream, 0)
    )


def test_level_zero_is_the_clean_score_exactly(data, curves):
    clean = score_parts(embed_data(Itself(), data), data, RIDGE)["all"]["label"]
    raw = score_raw_baseline(data, RIDGE)["all"]["label"]
    for name in ("tells", "empty", "all"):
        assert curves["representation"][name]["label"][0] == {k: clean[k] for k in ("metric", "value", "also")}
        assert curves["raw"][name]["label"][0]["value"] == raw["value"]


def test_noise_on_what_tells_takes_the_score_to_chance(curves):
    value = {name: [score["value"] for score in own["label"]] for name, own in curves["representation"].items()}
    assert value["tells"][0] > 0.95
    assert value["tells"][0] > value["tells"][1] > value["tells"][2]
    assert value["tells"][2] < 0.45
    assert min(value["empty"]) > 0.9
    assert value["all"][2] == pytest.approx(1 / 3)


def test_raw_values_that_are_the_representation_have_its_curve(curves):
    assert curves["representation"] == curves["raw"]


def test_a_modality_has_the_same_noise_alone_and_among_all(data):
    objective = Itself()
    fitted, baseline = fit_whole(embed_data(objective, data), data, RIDGE), fit_raw_baseline(data, RIDGE)
    objective.seen.clear()
    score_noise(objective, data, fitted, baseline, noise_by_modality(data.modalities), (0.0, 0.5), partial(stream, 1))
    clean, noised = objective.seen[:2], objective.seen[2:]
    assert len(noised) == 2 * 3  # two batches, three conditions
    tells, empty, both = noised[:3]
    assert torch.equal(tells["empty"], clean[0]["empty"])
    assert torch.equal(empty["tells"], clean[0]["tells"])
    assert torch.equal(both["tells"], tells["tells"])
    assert torch.equal(both["empty"], empty["empty"])
    assert not torch.equal(both["tells"], clean[0]["tells"])


def test_one_modality_has_no_all(data):
    assert conditions(data.modalities) == ("tells", "empty", "all")
    assert conditions(data.modalities[:1]) == ("tells",)
