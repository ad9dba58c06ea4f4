"""Data frames of one split are paired by position, so their indices must not say otherwise."""

import numpy as np
import pandas as pd
import pytest

import coral_plugin
from coral_plugin.data import from_arrays
from coral_plugin.data.arrays import as_split
from coral_plugin.errors import InputError

N = 24
VALUES = np.random.default_rng(0).normal(size=(N, 3))
NAMES = [f"visit {number}" for number in range(N)]


def frame(index=None):
    return pd.DataFrame(VALUES, columns=["x", "y", "z"], index=index)


def days(first):
    return pd.date_range(first, periods=N)


SHUFFLED = frame().sample(frac=1, random_state=0)
ORDER = "train/b has its rows in another order than train/a (by the index)"


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (SHUFFLED, f"{ORDER}: give b.loc[a.index], or reset_index(drop=True) on both where position"),
        (frame(NAMES[::-1]), "train/b has other rows than train/c"),
        (
            frame(days("2026-01-01")),
            "train/b has other rows than train/c (by the index; row 0 is '2026-01-01 00:00:00'",
        ),
        (frame(range(5, N + 5)), "row 0 is '5' and 'visit 0'): give both the same rows, or reset_index(drop=True)"),
    ],
)
def test_other_rows_are_refused_in_one_line(b, message):
    with pytest.raises(InputError) as error:
        from_arrays({"train/a": frame(), "train/c": frame([f"{name}" for name in NAMES[:-1]] + ["last"]), "train/b": b})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", [pd.NA, np.nan, None])
def test_labels_that_are_missing_are_compared_and_named(missing):
    unnamed, named = frame([missing, *NAMES[1:]]), frame(["last", *NAMES[1:]])
    with pytest.raises(
        InputError, match=r"other rows than train/a \(by the index; row 0 is 'last' and '(<NA>|nan|None)'\)"
    ):
        from_arrays({"train/a": unnamed, "train/b": named})
    with pytest.raises(InputError, match="rows in another order"):
        from_arrays({"train/a": unnamed, "train/b": unnamed[::-1]})
    pairs = [pd.MultiIndex.from_tuples([(name, missing) for name in names]) for names in (NAMES, NAMES[::-1])]
    with pytest.raises(InputError, match="rows in another order"):
        from_arrays({"train/a": frame(pairs[0]), "train/b": frame(pairs[1])})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (frame(NAMES), frame(NAMES)),
        (frame(NAMES), frame()),  # one of them only counts
        (frame(), frame(days("2026-01-01"))),
        (frame(NAMES), VALUES),
        (frame([2 * number for number in range(N)]), frame([2.0 * number for number in range(N)])),
        (
            frame(days("2026-01-01").tz_localize("UTC")),
            frame(days("2026-01-01").tz_localize("UTC").tz_convert("Asia/Tokyo")),
        ),
        (frame([0, 1] * (N // 2)), frame([0, 1] * (N // 2))),  # rows of two tables, one behind the other
        (frame(), SHUFFLED.reset_index(drop=True)),
        (SHUFFLED, SHUFFLED * 2),
        (frame()[VALUES[:, 0] > 0], frame()[VALUES[:, 0] > 0]),
    ],
)
def test_same_rows_and_mere_positions_pass(one, other):
    data = from_arrays({"train/a": one, "train/b": other})
    np.testing.assert_allclose(data.train.columns["b"].values, np.asarray(other), rtol=1e-6)


def test_rows_that_occur_twice_cannot_be_picked_by_name():
    twice = [0, 1] * (N // 2)
    with pytest.raises(InputError, match=r"\(by the index\): sort both alike, or reset_index"):
        from_arrays({"train/a": frame(twice), "train/b": frame(sorted(twice))})


def test_labels_and_flags_are_rows_too():
    labels = pd.Series(["grass", "sand"] * (N // 2))
    for key in ("labels", "a/present"):
        values = labels if key == "labels" else labels == "grass"
        arrays = {"train/a": frame(), "train/b": frame(), f"train/{key}": values.sample(frac=1, random_state=0)}
        with pytest.raises(InputError, match=f"train/{key} has its rows in another order than train/a"):
            from_arrays(arrays)
    with pytest.raises(InputError, match=r"train/labels has its rows in another order than train/b"):
        coral_plugin.fit({"a": VALUES, "b": SHUFFLED}, labels=labels)


def test_new_samples_and_other_splits():
    data = from_arrays({"train/a": frame(), "train/b": frame()})
    with pytest.raises(InputError, match=r"^new: b has its rows in another order than a \(by the index\)"):
        as_split({"a": frame(), "b": SHUFFLED}, data.modalities, "new")
    with pytest.raises(InputError, match=r"test/b has its rows in another order than test/a"):
        from_arrays({"train/a": frame(), "train/b": frame(), "test/a": frame(), "test/b": SHUFFLED})


def test_arrays_beside_a_data_set():
    dataset = [{"a": row, "b": row, "labels": number % 2} for number, row in enumerate(VALUES.astype("f4"))]
    labels = pd.Series(np.arange(N) % 2).sample(frac=1, random_state=0)
    with pytest.raises(InputError, match=r"test/labels has its rows in another order than test/a"):
        coral_plugin.fit({"train": _Items(dataset), "test/a": frame(), "test/b": frame(), "test/labels": labels})


class _Items:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        return self.items[at]
