"""Scores with modalities missing: which subsets, what a probe sees, and what is said."""

import numpy as np
import pytest
import torch
from torch import nn

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.evaluation import missing, scoring
from coral_plugin.evaluation.features import embed_split
from coral_plugin.evaluation.missing import count_missing, embed_subset, parse_subsets, presence_note, score_missing
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.evaluation.raw_baseline import score_raw_baseline
from coral_plugin.evaluation.scoring import (
    complete_samples,
    embed_data,
    fit_whole,
    probing_splits,
    score_disentanglement,
    score_task,
)
from coral_plugin.objectives import Objective


class Sums(Objective):
    """Its parts: the values of each modality, and the sum of what is there (all have three features)."""

    def __init__(self, wide=False):
        nn.Module.__init__(self)
        self.scale, self.wide = nn.Parameter(torch.ones(1)), wide

    def loss(self, step):
        raise NotImplementedError

    def embed(self, batch):
        rows = {name: value * batch.present.get(name, torch.ones(batch.size))[:, None] for name, value in batch.items()}
        joint = torch.cat(list(rows.values()), dim=1) if self.wide else sum(rows.values())
        return {"joint": joint * self.scale, **rows}


@pytest.fixture
def arrays():
    """Three modalities of three features, each telling three classes apart a little."""
    rng = np.random.default_rng(0)
    out = {}
    for split, n in (("train", 60), ("valid", 30), ("test", 45)):
        labels = np.arange(n) % 3
        for i, name in enumerate("abc"):
            out[f"{split}/{name}"] = (np.eye(3)[labels] + (0.4 + 0.2 * i) * rng.standard_normal((n, 3))).astype("f4")
        out[f"{split}/labels"] = labels
    return out


def test_all_subsets_from_the_largest_on():
    assert parse_subsets("all", ["x", "y", "z"]) == (
        ("x", "y", "z"), ("x", "y"), ("x", "z"), ("y", "z"), ("x",), ("y",), ("z",),
    )  # fmt: skip
    assert len(parse_subsets("all", list("abcdef"))) == 63


def test_named_subsets():
    assert parse_subsets("vision, text+audio", ["audio", "vision", "text"]) == (("vision",), ("audio", "text"))
    assert parse_subsets("a+b,b+a,a", ["a", "b"]) == (("a", "b"), ("a",))
    assert parse_subsets("a+b", ["a+b", "c"]) == (("a+b",),)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("visoin", UnknownNameError, "Unknown modality in --missing 'visoin'. Did you mean 'vision'"),
        ("vision+vision", InputError, "names a modality twice"),
        ("vision,", UnknownNameError, "''"),
    ],
)
def test_subsets_refused(text, error, message):
    with pytest.raises(error, match=message):
        parse_subsets(text, ["vision", "audio"])


def test_too_many_modalities_for_all_their_subsets():
    with pytest.raises(InputError, match=r"7 modalities have 127 subsets, too many .* --missing a,a\+b"):
        parse_subsets("all", list("abcdefg"))
    assert parse_subsets("a+g", list("abcdefg")) == (("a", "g"),)


def test_a_subset_is_embedded_alone_and_absent_parts_are_zero(arrays):
    data = from_arrays(arrays, standardise=False)
    full = {"joint": np.zeros((45, 3), "f4"), **{name: np.ones((45, 3), "f4") for name in "abc"}}
    parts = embed_subset(Sums(), data.test, ("a", "c"), full)
    assert list(parts) == ["joint", "a", "b", "c"]
    np.testing.assert_allclose(parts["joint"], arrays["test/a"] + arrays["test/c"], rtol=1e-6)
    assert not parts["b"].any()
    with pytest.raises(InputError, match=r"Sums embeds a \+ c in parts .*joint: \(45, 6\)"):
        embed_subset(Sums(wide=True), data.test, ("a", "c"), full)


@pytest.mark.parametrize("kind", ["ridge", "knn"])
def test_scores_are_those_of_the_definition(arrays, kind):
    data, settings = from_arrays(arrays), ProbeSettings(kind=kind)
    found = score_missing(Sums(), data, settings, (("a", "b", "c"), ("b",)))

    def features(split, names):
        there = {name: arrays[f"{split}/{name}"] * (name in names) for name in "abc"}
        return np.concatenate([sum(there.values()), *there.values()], axis=1)

    for subset in found:
        for probe_kind, fitted_on in (("complete", "abc"), ("refitted", subset)):
            pairs = {
                split: (features(split, subset if split == "test" else fitted_on), arrays[f"{split}/labels"])
                for split in ("train", "valid", "test")
            }
            wanted = probe(pairs["train"], pairs["valid"], pairs["test"], data.tasks[0], settings)
            assert found[subset][probe_kind]["label"]["value"] == pytest.approx(wanted.value), (subset, probe_kind)
    assert found["a", "b", "c"]["complete"]["label"]["value"] == found["a", "b", "c"]["refitted"]["label"]["value"]


def flagged(arrays):
    out = dict(arrays)
    for split, n in (("train", 60), ("valid", 30), ("test", 45)):
        out[f"{split}/a/present"] = np.arange(n) % 5 != 0
        out[f"{split}/b/present"] = np.arange(n) % 4 != 1
    return out


def test_the_raw_baseline_fills_absent_rows_with_the_mean_of_those_that_are_there(arrays):
    lacks = flagged(arrays)
    filled = {key: value for key, value in arrays.items() if key in arrays}
    for split in ("train", "valid", "test"):
        for name in "ab":
            mean = arrays[f"train/{name}"][lacks[f"train/{name}/present"]].mean(axis=0)
            filled[f"{split}/{name}"] = np.where(
                lacks[f"{split}/{name}/present"][:, None], arrays[f"{split}/{name}"], mean
            )
            lacks[f"{split}/{name}"] = np.where(
                lacks[f"{split}/{name}/present"][:, None], arrays[f"{split}/{name}"], np.nan
            )
    settings = ProbeSettings(kind="ridge")
    assert score_raw_baseline(from_arrays(lacks), settings) == score_raw_baseline(from_arrays(filled), settings)


def test_disentanglement_is_measured_where_everything_is_there(arrays):
    data = from_arrays(flagged(arrays))
    rows = [i for i in range(45) if i % 5 and i % 4 != 1]
    kept = {key: value[rows] if key.startswith("test/") else value for key, value in arrays.items()}
    assert complete_samples(data.test).batch(torch.arange(3)).index.tolist() == [0, 1, 2]
    assert len(complete_samples(data.test)) == len(rows)
    assert score_disentanglement(Sums(), data) == score_disentanglement(Sums(), from_arrays(kept))
    nowhere = flagged(arrays) | {"test/c/present": np.arange(45) % 5 == 0}
    assert score_disentanglement(Sums(), from_arrays(nowhere)) == {}


def test_what_is_said(arrays):
    data = from_arrays(flagged(arrays))
    test = probing_splits(data)["test"]
    assert presence_note(from_arrays(arrays).test) is None
    line = presence_note(test)
    assert line.startswith(
        "a is missing in 9 of 45 samples, b is missing in 11 of 45 samples: embedded from the modalities present"
    )
    assert line.endswith("parts of a missing modality alone are constant")
    assert [count_missing(test, subset) for subset in (("a",), ("a", "b"), ("a", "c"), ("c",))] == [9, 2, 0, 0]


def test_what_is_embedded_and_fitted_is_not_done_again(arrays, monkeypatch):
    """With the features and the probe of all modalities only the other subsets are embedded; the scores stay equal."""
    data, settings, subsets = from_arrays(arrays), ProbeSettings(kind="ridge"), (("a", "b", "c"), ("b",))
    fresh = score_missing(Sums(), data, settings, subsets)
    features = embed_data(Sums(), data)
    apart = score_disentanglement(Sums(), data)
    whole, embedded, fitted = fit_whole(features, data, settings), [], []
    monkeypatch.setattr(
        missing, "embed_split", lambda of, split: embedded.append(tuple(split.columns)) or embed_split(of, split)
    )
    monkeypatch.setattr(missing, "score_task", lambda *given: fitted.append(given[2].name) or score_task(*given))
    assert score_missing(Sums(), data, settings, subsets, whole, features) == fresh
    assert (embedded, fitted) == ([("b",)] * 3, ["label"])
    monkeypatch.setattr(scoring, "embed_split", lambda *given, **projected: {})
    assert score_disentanglement(Sums(), data, features) == apart
