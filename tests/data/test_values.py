"""What holds numbers is read right or refused in one line: types, masks, frames and series of several lengths."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

import coral_plugin
from coral_plugin import CoralEncoder
from coral_plugin.data import from_arrays, from_loaders
from coral_plugin.data.arrays import as_split
from coral_plugin.data.dataset import describe_modalities
from coral_plugin.data.scale import far_values
from coral_plugin.data.values import as_array, as_labels, as_values
from coral_plugin.errors import InputError
from coral_plugin.estimator import pack
from coral_plugin.io.npz import read_npz

RNG = np.random.default_rng(0)
START = RNG.bit_generator.state
TABLE = RNG.normal(size=(12, 4)).astype(np.float32)
LENGTHS = [3, 5, 1, 4, 5, 2]
SERIES = [RNG.normal(size=(length, 2)).astype(np.float32) for length in LENGTHS]
TINY = {"network__width": 16, "network__heads": 2, "network__head_hidden": 16, "network__head_output": 8}


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    RNG.bit_generator.state = START


def reversed_memory(values):
    return np.ascontiguousarray(values[::-1, ::-1])[::-1, ::-1]


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


FORMS = {
    "float16": lambda v: v.astype(np.float16),
    "float64": lambda v: v.astype(np.float64),
    "longdouble": lambda v: v.astype(np.longdouble),
    "big-endian": lambda v: v.astype(">f8"),
    "read-only": read_only,
    "negative strides": reversed_memory,
    "Fortran order": np.asfortranarray,
    "every second of twice": lambda v: np.repeat(v, 2, axis=1)[:, ::2],
    "a tensor with a gradient": lambda v: torch.from_numpy(v).requires_grad_(),
    "a computed tensor": lambda v: torch.from_numpy(v).requires_grad_() * 1,
    "bfloat16": lambda v: torch.from_numpy(v).bfloat16(),
    "a transposed tensor": lambda v: torch.from_numpy(v.T.copy()).T,
    "a list of tensors": lambda v: list(torch.from_numpy(v).requires_grad_()),
    "a list of arrays": list,
    "lists": lambda v: v.tolist(),
    "objects": lambda v: v.astype(object),
    "objects that are arrays": lambda v: pd.Series(list(v)),
    "a masked array without masked values": lambda v: np.ma.masked_array(v, mask=False),
    "a frame": pd.DataFrame,
    "a nullable frame": lambda v: pd.DataFrame(v).astype("Float64"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_one_table(form):
    given = FORMS[form](TABLE)
    data = from_arrays({"train/a": given})
    tolerance = {"float16": 1e-2, "bfloat16": 3e-2}.get(form, 0)
    assert data.train.columns["a"].values.dtype == torch.float32
    np.testing.assert_allclose(data.train.columns["a"].values.numpy(), TABLE, atol=tolerance)
    np.testing.assert_allclose(as_split({"a": given}, data.modalities).columns["a"].values, TABLE, atol=tolerance)


@pytest.mark.parametrize("kind", [bool, np.int8, ">i4", np.uint16, np.uint32, ">u8", torch.bool, torch.uint8])
def test_whole_numbers_and_flags(kind):
    values = RNG.integers(0, 2, size=(12, 3))
    given = torch.from_numpy(values).to(kind) if isinstance(kind, torch.dtype) else values.astype(kind)
    wanted = torch.from_numpy(values).float()
    assert torch.equal(from_arrays({"train/a": given}).train.columns["a"].values, wanted)
    truth = torch.from_numpy(values[:, 0])
    loaded = from_loaders([(given, truth)], [(given, truth)])
    assert torch.equal(loaded.train.columns["modality0"].values, wanted)


@pytest.mark.parametrize("kind", [">f8", "f2", np.longdouble, "<u2", ">u8"])
def test_loaders_read_arrays_of_every_type(kind):
    given = read_only(np.round(np.abs(TABLE) * 50)[::-1].astype(kind))
    labels = (np.arange(12) % 2).astype(">i2")
    data = from_loaders([(given, labels)], [(given, labels)])
    np.testing.assert_array_equal(data.train.columns["modality0"].values, given.astype(np.float32))
    assert data.train.targets["label"].tolist() == labels.tolist()


def test_loaders_give_text_as_torch_collates_it():
    class Words(torch.utils.data.Dataset):
        def __init__(self, words):
            self.words = words

        def __len__(self):
            return len(self.words)

        def __getitem__(self, at):
            return torch.full((2,), float(at)), self.words[at]

    def loader(*words):
        return torch.utils.data.DataLoader(Words(words), batch_size=2)

    data = from_loaders(loader("owl", "cat", "cat", "dog"), loader("dog", "cat"), loader("cat", "dog", "owl"))
    assert data.tasks[0].classes == ("cat", "dog", "owl")
    assert {label: split.targets["label"].tolist() for label, split in data.splits().items()} == {
        "train": [2, 0, 0, 1], "valid": [1, 0], "test": [0, 1, 2]
    }  # fmt: skip
    with pytest.raises(InputError, match="of classes that train lacks, the first 'newt'"):
        from_loaders(loader("owl", "cat"), loader("owl", "newt"))


def masked(values=TABLE):
    hide = np.zeros(values.shape, dtype=bool)
    hide[1, 2] = hide[5, 0] = True
    return np.ma.masked_array(np.where(hide, np.asarray(1e20, values.dtype), values), mask=hide, fill_value=1e20)


DOORS = {
    "arrays": lambda: from_arrays({"train/a": masked()}),
    "a split but train": lambda: from_arrays({"train/a": TABLE, "test/a": masked()}),
    "a list of masked arrays": lambda: from_arrays({"train/a": list(masked())}),
    "fit": lambda: coral_plugin.fit({"a": TABLE, "b": masked()}, epochs=1, quiet=True, **TINY),
    "embedding": lambda: as_split({"a": masked()}, from_arrays({"train/a": TABLE}).modalities),
    "CoralEncoder": lambda: CoralEncoder(epochs=1).fit(masked()),
    "CoralEncoder by name": lambda: CoralEncoder(epochs=1).fit({"a": TABLE, "b": masked()}),
    "pack": lambda: pack({"a": TABLE, "b": masked()}),
    "loaders": lambda: from_loaders([(masked(), np.arange(12) % 2)]),
}


@pytest.mark.parametrize("door", DOORS)
def test_masked_values_are_refused_as_nan_is(door):
    with pytest.raises(InputError, match=r"has 2 of 48 values masked \(missing\).* fill them in") as caught:
        DOORS[door]()
    assert "\n" not in str(caught.value)


def test_what_gives_a_masked_array_is_refused_too():
    class Variable:
        """As netCDF4's variables convert themselves."""

        def __array__(self, dtype=None, copy=None):
            return masked()

    assert np.ma.is_masked(as_array(Variable(), "a", "x"))


def test_masked_values_of_absent_samples_are_not_looked_at():
    there = ~np.ma.getmaskarray(masked()).any(axis=1)
    arrays = {"train/a": masked(), "train/a/present": there, "train/b": TABLE}
    data = from_arrays(arrays)
    assert data.train.columns["a"].present.tolist() == there.tolist()
    np.testing.assert_allclose(data.modalities[0].mean, TABLE[there].mean(0), rtol=1e-5)
    split = as_split({"a": masked(), "a/present": there, "b": TABLE}, data.modalities)
    assert float(split.columns["a"].values.abs().max()) < 100


def test_masked_padding_is_padding():
    lengths = np.arange(12) % 5 + 2
    plain = np.random.default_rng(0).normal(size=(12, 6, 2))
    behind = np.broadcast_to((np.arange(6) >= lengths[:, None])[..., None], plain.shape)
    series = np.ma.masked_array(plain, mask=behind, hard_mask=True)
    data = from_arrays({"train/a": series, "train/a/length": lengths})
    wanted = from_arrays({"train/a": np.where(behind, 0, plain), "train/a/length": lengths})
    assert torch.equal(data.train.columns["a"].values, wanted.train.columns["a"].values)
    np.testing.assert_array_equal(pack({"a": series, "a/length": lengths})["a"], np.where(behind, 0, plain))
    assert np.ma.is_masked(series)


@pytest.mark.parametrize("last", ["length", "present"])
def test_masked_lengths_and_flags(last):
    values = np.ma.masked_array(np.ones(12, dtype=int), mask=np.arange(12) == 3)
    with pytest.raises(InputError, match=r"train/a/present must say|1 of 12 values masked"):
        from_arrays({"train/a": np.ones((12, 3, 1)), f"train/a/{last}": values})


RAGGED = {
    "a list of arrays": lambda parts: list(parts),
    "nested lists": lambda parts: [part.tolist() for part in parts],
    "tensors": lambda parts: [torch.from_numpy(part) for part in parts],
    "a tuple": tuple,
    "objects": lambda parts: np.array([*parts, None], dtype=object)[:-1],
    "a series of pandas": lambda parts: pd.Series(list(parts)),
}


@pytest.mark.parametrize("form", RAGGED)
def test_series_of_several_lengths(form):
    given = RAGGED[form](SERIES)
    data = from_arrays({"train/a": given, "test/a": RAGGED[form](SERIES[:1] + SERIES[2:4])})
    column = data.train.columns["a"]
    assert (data.modalities[0].kind, data.modalities[0].shape) == ("sequence", (5, 2))
    assert column.lengths.tolist() == LENGTHS
    for row, part in enumerate(SERIES):
        np.testing.assert_allclose(column.values[row, : len(part)], part, rtol=1e-6)
        assert (column.values[row, len(part) :] == 0).all()
    assert data.test.columns["a"].lengths.tolist() == [3, 1, 4]
    assert "series a came as lists of 1 to 5 steps: filled up with zeros, lengths kept" in data.notes
    assert as_split({"a": given}, data.modalities).columns["a"].lengths.tolist() == LENGTHS


def test_a_list_of_equal_lengths_beside_one_of_several():
    """The steps of the former are all values, zeros or not."""
    flat = [np.zeros((2, 2)), np.ones((2, 2))]
    data = from_arrays({"train/a": SERIES, "test/a": flat})
    assert data.test.columns["a"].lengths.tolist() == [2, 2]


@pytest.mark.parametrize("listed", ["train", "test"])
def test_a_list_in_one_split_and_a_padded_array_in_the_other(listed):
    """The zeros behind the steps of the array are padding, as in any other array."""
    padded = np.zeros((len(SERIES), 5, 2), np.float32)
    for row, part in enumerate(SERIES):
        padded[row, : len(part)] = part
    (other,) = {"train", "test"} - {listed}
    data = from_arrays({f"{listed}/a": SERIES, f"{other}/a": padded})
    assert data.modalities[0].kind == "sequence"
    for split in (data.train, data.test):
        assert split.columns["a"].lengths.tolist() == LENGTHS
    assert as_split({"a": padded}, data.modalities).columns["a"].lengths.tolist() == LENGTHS


def test_ragged_series_from_fit_to_embedding():
    data = {"a": SERIES * 4, "b": np.tile(TABLE[:6], (4, 1))}
    fitted = coral_plugin.fit(data, epochs=1, quiet=True, **TINY)
    padded = np.zeros((6, 5, 2), dtype=np.float32)
    for row, part in enumerate(SERIES):
        padded[row, : len(part)] = part
    wanted = fitted.embed({"a": padded, "a/length": np.array(LENGTHS), "b": TABLE[:6]})
    np.testing.assert_allclose(fitted.embed({"a": SERIES, "b": TABLE[:6]}), wanted, rtol=1e-5, atol=1e-6)
    with pytest.warns(UserWarning, match="series a came as lists of 1 to 5 steps: filled up with zeros, lengths kept"):
        encoder = CoralEncoder(epochs=1, width=8, random_state=0).fit(data)
    by_name, packed = encoder.transform(data), encoder.transform(pack(data))
    np.testing.assert_allclose(by_name, packed, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0, 2.0], [1.0]], r"rows of 1 to 2 values, but a table has one number of columns; give series .* \(T, 1\)"),
        ([np.ones((2, 3)), np.ones((3, 2))], r"samples have shapes \(2, 3\), \(3, 2\); they need one shape"),
        ([np.ones((2, 3)), np.ones((0, 3))], r"train/a\[1\] is empty"),
        ([np.ones((2, 3)), [["a"] * 3]], r"train/a\[1\] is of type <U1; only numbers"),
        ([np.ones((2, 3)), None], "train/a is no array of numbers"),
        ([np.ma.masked_equal([[1, 2]], 2), np.ones((3, 2))], "train/a has 1 of 12 values masked"),
        (pd.DataFrame({"x": [1.0, 2], "town": ["a", "b"]}), "^arrays: column 'town' of train/a is of type .*only numb"),
        (pd.DataFrame({"x": [1.0, 2], "day": pd.to_datetime(["2020", "2021"])}), "column 'day' of train/a is of type"),
        (pd.DataFrame({"x": pd.array([1, None], dtype="Int64")}), "train/a holds 1 value that is not finite"),
        (torch.eye(3).to_sparse(), "train/a is no array of numbers"),
        (csr_array(np.eye(3)), r"train/a is a sparse matrix; give its toarray\(\)"),
        (torch.ones(3, 2, device="meta"), "train/a is no array of numbers"),
    ],
)
def test_refused(value, message):
    with pytest.raises(InputError, match=message) as caught:
        from_arrays({"train/a": value})
    assert "\n" not in str(caught.value)


def test_lengths_beside_a_list_of_series():
    with pytest.raises(InputError, match="whose lengths are known; leave train/a/length out"):
        from_arrays({"train/a": SERIES, "train/a/length": np.array(LENGTHS)})


def test_frames_name_their_features():
    frame = pd.DataFrame({"age": [31.0, 52, 43], "town": [7, 7, 7]})
    data = from_arrays({"train/a": frame, "train/b": frame["age"], "test/a": frame, "test/b": frame["age"]})
    assert [(m.shape, m.feature_names) for m in data.modalities] == [((2,), ("age", "town")), ((1,), ())]
    assert describe_modalities(data)[0].endswith("constant in train: feature town")
    far = as_split({"a": frame * [1e6, 1]}, data.modalities)
    assert "(feature age: 5.2e+07, in train 42 +- " in far_values(far, data.modalities)[0]


def test_columns_that_are_numbered_have_no_names():
    assert from_arrays({"train/a": pd.DataFrame(TABLE)}).modalities[0].feature_names == ()
    odd = from_arrays({"train/a": pd.DataFrame(TABLE, columns=["a\n", 3, 4, 5])})
    assert odd.modalities[0].feature_names == ("a?", "3", "4", "5")


def test_frames_need_the_columns_of_train():
    frame = pd.DataFrame({"x": [1.0, 2, 3], "y": [3, 4, 5]})
    modalities = from_arrays({"train/a": frame}).modalities
    message = r"a has columns \['y', 'x'\], those of train are \['x', 'y'\]"
    with pytest.raises(InputError, match="test/" + message):
        from_arrays({"train/a": frame, "test/a": frame[["y", "x"]]})
    with pytest.raises(InputError, match=message):
        as_split({"a": frame[["y", "x"]]}, modalities)
    assert len(as_split({"a": frame.to_numpy()}, modalities)) == 3


def test_objects_in_an_npz_have_a_remedy(tmp_path):
    np.savez(tmp_path / "x.npz", **{"train/a": np.array([*SERIES, None], dtype=object)[:-1]})
    with pytest.raises(InputError, match=r"Python objects.* filled up with zeros, their lengths under <key>/length"):
        read_npz(tmp_path / "x.npz")


def test_labels_and_values_are_read_apart():
    assert as_labels(["a", "b"], "y", "x").tolist() == ["a", "b"]
    assert as_values(pd.Series([1.0, 2.0]), "a", "x")[0].shape == (2, 1)
    assert as_labels(pd.Series([1.0, 2.0]), "y", "x").shape == (2,)
