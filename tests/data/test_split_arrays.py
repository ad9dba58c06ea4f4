"""Values that are not finite: how many, where, and what to do."""

import numpy as np
import pandas as pd
import pytest

from coral_plugin.data import from_arrays
from coral_plugin.data.arrays import as_split
from coral_plugin.errors import InputError

HOLE = np.where(np.arange(24).reshape(6, 4) == 9, np.nan, 1.0)
ROWS = np.where(np.arange(6)[:, None] % 3 == 1, np.nan, np.ones((6, 4)))
COLUMNS = ["sun", "rain", "wind", "fog"]
MANY = "fill them in, or leave those samples out"
FLAGS = "where a sample lacks the modality, give train/a/present, (N,) of bool, False there"


@pytest.mark.parametrize(
    ("values", "place", "remedy"),
    [
        (HOLE, "1 value that is not finite (nan) at [2, 1]", "fill it in, or leave that sample out"),
        (
            pd.DataFrame(HOLE, columns=COLUMNS),
            "1 value that is not finite (nan) at [2, 1], column 'rain'",
            "fill it in, or leave that sample out",
        ),
        (-np.inf * np.ones((6, 4)), "24 values that are not finite, the first (-inf) at [0, 0]", MANY),
        (
            ROWS,
            "8 values that are not finite, the first (nan) at [1, 0]",
            f"{MANY}; 2 rows are NaN throughout: {FLAGS}",
        ),
        (
            ROWS[:4],
            "4 values that are not finite, the first (nan) at [1, 0]",
            f"{MANY}; 1 row is NaN throughout: {FLAGS}",
        ),
    ],
)
def test_what_is_not_finite_is_named_with_its_remedy(values, place, remedy):
    with pytest.raises(InputError) as caught:
        from_arrays({"train/a": values, "train/b": np.arange(4.0 * len(values)).reshape(-1, 4)})
    assert str(caught.value) == f"arrays: train/a holds {place}: {remedy}."


def test_the_remedy_works():
    flags = ~np.isnan(ROWS).any(axis=1)
    data = from_arrays({"train/a": ROWS, "train/a/present": flags, "train/b": np.arange(24.0).reshape(6, 4)})
    assert data.train.columns["a"].presence().tolist() == flags.tolist()


def test_labels_have_no_flags():
    with pytest.raises(
        InputError, match=r"train/labels holds 1 value that is not finite \(nan\) at \[2\]: fill it in, [^;]*$"
    ):
        from_arrays({"train/a": np.arange(24.0).reshape(6, 4), "train/labels": HOLE[:, 1]})


def test_new_samples_name_the_column_too():
    frame = pd.DataFrame(np.ones((6, 4)), columns=COLUMNS)
    modalities = from_arrays({"train/a": frame, "train/b": np.ones((6, 2))}).modalities
    with pytest.raises(InputError, match=r"^samples: a holds 1 value .* at \[0, 2\], column 'wind': fill it in"):
        as_split({"a": frame.assign(wind=[np.nan] + [0.0] * 5)}, modalities, "samples")


@pytest.mark.parametrize("key", ["label", "Label", "target", "class"])
def test_labels_under_a_mistyped_key_are_no_modality(key):
    arrays = {"train/a": np.zeros((8, 2)), f"train/{key}": np.ones((8, 1))}
    with pytest.raises(InputError, match=f"train/{key} would be read as a modality; labels are called train/labels"):
        from_arrays(arrays)


def test_beside_labels_a_modality_may_be_called_target():
    values = np.random.default_rng(0).normal(size=(20, 2))
    data = from_arrays({"train/a": values, "train/target": values, "train/labels": np.arange(20) % 2})
    assert [modality.name for modality in data.modalities] == ["a", "target"]


@pytest.mark.parametrize("key", ["y", "fine_label", "Y_true"])
def test_one_number_a_sample_called_like_labels_is_no_modality(key):
    with pytest.raises(InputError, match=rf"train/{key} would be read as a modality; labels are called train/labels"):
        from_arrays({"train/a": np.ones((4, 3)), f"train/{key}": np.arange(4)})
    table = np.arange(8.0).reshape(4, 2)
    assert len(from_arrays({"train/a": np.ones((4, 3)), f"train/{key}": table}).modalities) == 2


def test_lengths_in_a_file_of_missing_samples_are_not_looked_at(tmp_path):
    lengths = np.array([3, 0, 2, 4, 6, 5])
    arrays = {"train/a": np.ones((6, 6, 2)), "train/b": np.ones((6, 1)), "train/a/present": lengths > 0}
    np.save(tmp_path / "lengths.npy", lengths)
    given = [from_arrays({**arrays, "train/a/length": of}) for of in (lengths, np.load(tmp_path / "lengths.npy", "r"))]
    assert given[0].fingerprint == given[1].fingerprint
