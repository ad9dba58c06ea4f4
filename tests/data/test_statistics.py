"""Statistics in double precision, whatever the unit and the distance from zero, and what 32-bit floats would lose."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from coral_plugin.adapters.arrays import NpzArrays
from coral_plugin.data import Modality, ModalityColumn, from_arrays, from_loaders
from coral_plugin.data.arrays import as_split
from coral_plugin.data.statistics import moments, with_offset_from_array, with_statistics
from coral_plugin.estimator import CoralEncoder
from coral_plugin.runs.fit import fit
from coral_plugin.runs.folder import modalities_of, open_run

KINDS = {"tabular": (3,), "timeseries": (7, 3), "image": (3, 4, 5)}


def far(count=200, seed=0, shape=(3,)):
    """Seconds since 1970, a coordinate and a feature near zero, as float64."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, *shape)) * [10, 1e-6, 1] + [1.7e9, 48.1374, 0.5]


def arranged(values, kind):
    """``values`` (N, ..., 3) with their features where the kind has them."""
    return np.moveaxis(values, -1, 1) if kind == "image" else values


def standardised(values):
    part = values.reshape(-1, 3)
    return (values - part.mean(0)) / part.std(0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_far_from_zero_varies_is_held_in_full(kind):
    shape = {"tabular": (3,), "timeseries": (7, 3), "image": (4, 5, 3)}[kind]
    train, test = far(shape=shape), far(30, 1, shape)
    data = from_arrays({"train/a": arranged(train, kind), "test/a": arranged(test, kind)})
    modality = data.modalities[0]
    part = train.reshape(-1, 3)
    assert (np.abs(modality.mean - part.mean(0)) < 1e-6 * part.std(0)).all()
    assert modality.std == pytest.approx(part.std(0), rel=1e-6)
    assert modality.offset[2] == 0.0
    assert modality.unit == (1.0, 1.0, 1.0)
    expected = (test - part.mean(0)) / part.std(0)
    new = as_split({"a": arranged(test, kind)}, data.modalities).columns["a"].values
    for held in (data.test.columns["a"].values, new):
        assert held.dtype == torch.float32
        assert np.allclose(modality.standardise(held).numpy(), arranged(expected, kind), atol=1e-3)
        again = modality.standardise(modality.restore(modality.standardise(held)))
        assert torch.allclose(again, modality.standardise(held), atol=1e-5)


def test_values_far_from_those_of_train_are_told_as_they_were_given():
    data = from_arrays({"train/a": far(), "test/a": far(20, 1) + np.array([86400.0, 0, 0])})
    assert len(data.notes) == 1
    assert data.notes[0].startswith("test, a: 20 of 20 samples hold values more than 100 standard deviations")
    assert "(feature 0: 1.7e+09, in train 1.7e+09 +- 10" in data.notes[0]


def test_whole_seconds_and_a_file_and_loaders(tmp_path):
    seconds = (1_700_000_000 + np.arange(300)[:, None] * [1, 2]).astype(np.int64)
    labels = np.arange(300) % 2
    np.savez(tmp_path / "x.npz", **{"train/a": seconds})
    loader = DataLoader(TensorDataset(torch.from_numpy(seconds), torch.from_numpy(labels)), batch_size=32)
    for data in (
        from_arrays({"train/a": seconds}),
        NpzArrays.load(str(tmp_path / "x.npz")),
        from_loaders(loader, loader, modalities=["a"]),
        from_loaders([(seconds.astype(float), labels)], [(seconds.astype(float), labels)], modalities=["a"]),
    ):
        values = data.train.columns["a"].values
        assert len(values[:, 0].unique()) == 300
        assert data.modalities[0].mean == pytest.approx(seconds.mean(0), rel=1e-12)
        scaled = data.modalities[0].standardise(values).numpy()
        assert np.allclose(scaled, (seconds - seconds.mean(0)) / seconds.std(0), atol=1e-5)


def test_padding_and_absent_samples_stay_zero_and_do_not_count():
    values = far(40, shape=(6, 3))
    lengths, present = np.arange(40) % 6 + 1, np.arange(40) >= 4
    arrays = {"train/a": values, "train/a/length": lengths, "train/a/present": present, "train/b": np.eye(40)}
    data = from_arrays(arrays)
    steps = np.concatenate([row[:length] for row, length in zip(values[4:], lengths[4:], strict=True)])
    assert (np.abs(data.modalities[0].mean - steps.mean(0)) < 1e-6 * steps.std(0)).all()
    assert data.modalities[0].std == pytest.approx(steps.std(0), rel=1e-6)
    column = data.train.columns["a"]
    assert not column.values[~column.present].any()
    assert not column.values[torch.arange(6) >= column.lengths[:, None]].any()
    assert (
        from_arrays({f"{split}/a": values for split in ("train", "test")}).modalities
        == from_arrays({"train/a": values, "test/a": values * 3}).modalities
    ), "test decides nothing"


def test_values_that_32_bits_hold_stay_as_they_are():
    values = np.random.default_rng(0).normal(5, 1, (50, 3))
    for array in (values, values.astype(np.float32), values.astype(np.float32) + 1e6, (values * 9).astype(np.int16)):
        data = from_arrays({"train/a": array})
        assert data.modalities[0].offset is data.modalities[0].unit is None
        assert torch.equal(data.train.columns["a"].values, torch.from_numpy(array.astype(np.float32)))


def test_unscaled_values_that_32_bits_cannot_tell_apart_are_said():
    data = from_arrays({"train/a": far(), "train/b": np.eye(200)}, standardise=False)
    assert data.notes == ("a holds values whose differences a 32-bit float cannot tell; standardise it, or centre it",)
    assert torch.equal(data.train.columns["a"].values, torch.from_numpy(far().astype(np.float32)))


@pytest.mark.parametrize("factor", [2.0**-43, 2.0**-80, 2.0**70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_unit_changes_nothing(factor, dtype):
    """Powers of two: not even the last digit."""
    values = np.random.default_rng(0).normal(0.3, 1, (60, 8, 3)).astype(dtype)
    plain, scaled = (from_arrays({"train/a": (values * f).astype(dtype)}) for f in (1, factor))
    assert scaled.modalities[0].constant == ()
    one, other = (d.modalities[0].standardise(d.train.columns["a"].values) for d in (plain, scaled))
    assert torch.equal(one, other)


def test_values_below_the_range_of_32_bit_floats():
    """Power densities of gravitational waves, 1e-46: as 32-bit floats they are 0."""
    values = np.random.default_rng(0).uniform(1, 2, (60, 3))
    data = from_arrays({"train/a": values * 1e-46})
    assert data.modalities[0].std == pytest.approx((values * 1e-46).std(0))
    scaled = data.modalities[0].standardise(data.train.columns["a"].values)
    assert np.allclose(scaled.numpy(), standardised(values), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        (np.full(50, 0.1), True),
        (np.full(50, 1e-13), True),
        (np.zeros(50), True),
        ((1e6 + 0.0625 * (np.arange(50) % 2)).astype(np.float32), True),  # the last digit of float32
        (1e6 + 0.0625 * (np.arange(50) % 2), False),  # of float64 it is none
        (1.7e9 + np.arange(50) * 1e-3, False),
        (1e-13 * np.arange(50), False),
        ((np.arange(50) == 7) * 1e-20, False),
    ],
)
def test_constant_is_what_varies_less_than_rounding_does(values, constant):
    table = np.stack([np.random.default_rng(0).normal(size=50).astype(values.dtype), values], axis=1)
    modality = from_arrays({"train/a": table}).modalities[0]
    assert modality.constant == ((1,) if constant else ())
    assert (modality.std[1] == 1.0) == constant
    if not constant:
        assert modality.std[1] == pytest.approx(values.std(), rel=1e-5)


def test_a_constant_channel_of_bytes_is_found():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), dtype=np.uint8)
    pixels[:, 1] = 77
    assert from_arrays({"train/a": pixels}).modalities[0].constant == (1,)


def test_moments_of_pieces():
    values = torch.from_numpy(far(100))
    mean, std = moments(lambda: iter([values[:0], values[:30], values[30:]]))
    assert mean.numpy() == pytest.approx(values.numpy().mean(0), rel=1e-14)
    assert std.numpy() == pytest.approx(values.numpy().std(0), rel=1e-8)


def test_statistics_without_standardising_are_the_constant_features_alone():
    column = ModalityColumn(torch.tensor([[1.0, 2.0], [1.0, 3.0]]))
    modality = with_statistics(Modality(name="a", kind="tabular", shape=(2,)), column, standardise=False)
    assert (modality.mean, modality.constant) == (None, (0,))


def test_no_sample_no_offset():
    modality = Modality(name="a", kind="tabular", shape=(3,))
    assert with_offset_from_array(modality, far(4), present=np.zeros(4, dtype=bool)) == modality


def labelled(seed):
    generator = np.random.default_rng(seed)
    y = np.arange(80) % 2
    clock = np.stack([1.7e9 + 20.0 * y + generator.uniform(0, 10, 80), generator.normal(size=80)], 1)
    return {"clock": clock, "other": generator.normal(size=(80, 3))}, y


TINY = {"network__width": 8, "network__head_hidden": 8, "network__head_output": 8, "network__heads": 2}


def test_a_run_scores_what_was_measured_and_its_record_brings_it_back(tmp_path):
    (train, y), (test, y_test) = labelled(0), labelled(1)
    data = {f"train/{k}": v for k, v in train.items()} | {f"test/{k}": v for k, v in test.items()}
    fitted = fit(
        data | {"train/labels": y, "test/labels": y_test},
        seeds=(1,),
        epochs=1,
        output=tmp_path / "run",
        quiet=True,
        **TINY,
    )
    assert fitted.metrics["raw_features"]["clock"]["label"]["mean"] == 1.0
    saved = modalities_of(open_run(tmp_path / "run")[1])
    assert saved == fitted.run.data.modalities
    assert saved[0].offset[0] == pytest.approx(1.7e9, rel=1e-3)
    one, other = (as_split(test, m).columns["clock"].values for m in (saved, fitted.run.data.modalities))
    assert torch.equal(one, other)
    shifted = copy.deepcopy(test)
    shifted["clock"][:, 0] += 5.0
    assert np.abs(fitted.embed(shifted) - fitted.embed(test)).max() > 1e-3, "five seconds are seen"


def test_the_transformer_sees_seconds_too_and_keeps_them_when_pickled():
    table = labelled(0)[0]["clock"]
    encoder = CoralEncoder(epochs=1, width=8, random_state=0, settings={"network.heads": 2}, device="cpu").fit(table)
    moved = table + np.array([5.0, 0.0])
    assert np.abs(encoder.transform(moved) - encoder.transform(table)).max() > 1e-3
    assert np.array_equal(pickle.loads(pickle.dumps(encoder)).transform(table), encoder.transform(table))
