"""Data at the edge: each either works, with finite numbers, or is refused in one line."""

import math

import numpy as np
import pytest

from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings

SPLITS = ("train", "valid", "test")


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    out = {}
    for split, n in (("train", 18), ("valid", 9), ("test", 9)):
        labels = np.arange(n) % 3
        out[f"{split}/table"] = (labels[:, None] + 0.3 * rng.standard_normal((n, 4))).astype(np.float32)
        out[f"{split}/wave"] = (1 + rng.standard_normal((n, 6, 2))).astype(np.float32)
        out[f"{split}/labels"] = labels
    return out


@pytest.fixture
def trained(tiny):
    def call(arrays, **settings):
        chosen = {**tiny, "network__width": 8, "training__batch_size": 8, "training__epochs": 2, **settings}
        return run(make_settings("coral", "arrays", **chosen), data=from_arrays(arrays), quiet=True)

    return call


def all_finite(finished):
    values = [v for row in finished.histories[41] for v in row.values()]
    weights = finished.objectives[41].state_dict().values()
    return all(map(math.isfinite, values)) and all(bool(w.isfinite().all()) for w in weights)


def in_all(small, modality, function):
    for split in SPLITS:
        small[f"{split}/{modality}"] = function(small[f"{split}/{modality}"])


def first_is_padding(wave):
    wave[0] = 0
    return wave


@pytest.mark.parametrize(
    ("modality", "change"),
    [("wave", first_is_padding), ("wave", np.zeros_like), ("table", np.ones_like), ("wave", np.ones_like)],
    ids=["a sample of padding", "nothing but padding", "constant table", "constant series"],
)
def test_padding_and_constants_train_to_finite_numbers(small, trained, modality, change):
    in_all(small, modality, change)
    assert all_finite(trained(small))


def test_a_last_batch_of_one_is_left_out(small, trained):
    finished = trained(small, training__batch_size=17)
    assert [row["step"] for row in finished.histories[41]] == [1, 2]
    assert all_finite(finished)


def test_a_last_batch_of_two_is_taken(small, trained):
    finished = trained(small, training__batch_size=16)
    assert [row["step"] for row in finished.histories[41]] == [2, 4]
    assert all_finite(finished)


def test_a_single_sample_is_refused(small, trained):
    del small["train/labels"], small["valid/labels"], small["test/labels"]
    for key in ("train/table", "train/wave"):
        small[key] = small[key][:1]
    with pytest.raises(InputError, match="at least two samples"):
        trained(small)


def test_one_class_is_refused(small, trained):
    in_all(small, "labels", np.zeros_like)
    with pytest.raises(InputError, match=r"train/labels has one class only \(0\)"):
        trained(small)


def test_a_class_that_is_only_in_test_is_never_found(small, trained):
    for split in ("train", "valid"):
        small[f"{split}/labels"] %= 2
    with pytest.raises(InputError, match="of classes that train lacks, the first '2'; leave them out, or list"):
        trained(small)
    small["classes"] = ["0", "1", "2"]
    task = trained(small).metrics["tasks"]["label"]
    assert 0 < task["values"][0] <= 2 / 3  # the mean recall of three classes, one of them 0
    assert task["chance"] == pytest.approx(1 / 3)
