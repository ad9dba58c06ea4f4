"""Samples of any shape become one of the four kinds and go back; which axis is what is recognised, noted or refused."""

import numpy as np
import pytest
import torch

from coral_plugin.adapters.arrays import ArraysSettings, NpzArrays
from coral_plugin.data import from_arrays, from_loaders
from coral_plugin.data.arrays import as_split
from coral_plugin.data.columns import ModalityColumn
from coral_plugin.data.layouts import layout_of, other_readings
from coral_plugin.errors import InputError
from coral_plugin.runs.fit import fit

N = 12


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(N, *shape)).astype(np.float32)


def pixels(*shape, most=256):
    return np.random.default_rng(0).integers(0, most, (N, *shape), dtype=np.uint8)


def smooth(*shape):
    """Signals along the last axis."""
    return np.cumsum(noise(*shape), axis=-1)


def read(array, **options):
    data = from_arrays({"train/a": array, "test/a": array[:5]}, **options)
    return data.modalities[0], data


ORDINARY = [(5,), (784,), (50, 3), (24, 12), (8, 100), (10, 20), (50, 300), (20, 5), (9, 128), (3, 64, 48), (1, 4, 4)]


@pytest.mark.parametrize("shape", ORDINARY)
def test_ordinary_shapes_need_no_word(shape):
    modality, data = read(noise(*shape))
    assert modality.shape == shape
    assert [note for note in data.notes if "read as" in note] == []


@pytest.mark.parametrize("make", [pixels, noise])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_that_are_last_are_moved_and_said(make, channels):
    array = make(6, 8, channels)
    modality, data = read(array)
    assert (modality.kind, modality.shape) == ("image", (channels, 6, 8))
    for split, rows in ((data.train, array), (data.test, array[:5])):
        assert torch.equal(split.columns["a"].values, torch.from_numpy(np.moveaxis(rows, -1, 1).copy()))
    assert f"a is read as images with their channels last: {channels} of 6 x 8" in data.notes[0]
    for new in (array[:3], np.moveaxis(array[:3], -1, 1)):
        assert torch.equal(
            as_split({"a": new}, data.modalities).columns["a"].values, data.train.columns["a"].values[:3]
        )


@pytest.mark.parametrize(
    ("shape", "ours", "expected"),
    [
        ((13, 16, 16), (13, 16, 16), "a is read as images of 13 channels, 16 x 16; for 13 steps of one frame"),
        ((6, 20, 30), (6, 20, 30), "a is read as images of 6 channels, 20 x 30"),
        ((64, 4, 4), (64, 4, 4), "a is read as images of 64 channels, 4 x 4"),
        ((16, 16, 13), (13, 16, 16), "with their channels last: 13 of 16 x 16"),
    ],
)
def test_more_channels_are_where_the_sides_tell(shape, ours, expected):
    modality, data = read(noise(*shape))
    assert (modality.kind, modality.shape) == ("image", ours)
    assert any(expected in note for note in data.notes)


def test_where_no_axis_looks_like_channels_the_user_is_asked():
    array = noise(30, 20, 10)
    with pytest.raises(InputError, match=r"no axis looks like channels: say kinds=\{'a': 'image'\} \(--kind a=image\)"):
        read(array)
    modality, data = read(array, kinds={"a": "image"})
    assert (modality.shape, [note for note in data.notes if "read as" in note]) == ((30, 20, 10), [])
    assert read(array, kinds={"a": "timeseries"})[0].shape == (30, 200)


@pytest.mark.parametrize("array", [pixels(28, 28), pixels(28, 28).astype(np.int64), pixels(64, 48, most=90)])
def test_whole_numbers_of_pixels_are_gray_images(array):
    modality, data = read(array)
    assert (modality.kind, modality.shape) == ("image", (1, *array.shape[1:]))
    assert torch.equal(data.train.columns["a"].values[:, 0], torch.from_numpy(array.astype(np.uint8)))
    sides = " x ".join(map(str, array.shape[1:]))
    assert data.notes[0].startswith(f"a is read as gray images of {sides}; for series of ")
    assert data.notes[0].endswith("say kinds={'a': 'timeseries'} (--kind a=timeseries)")
    assert torch.equal(
        as_split({"a": array[:3]}, data.modalities).columns["a"].values, data.train.columns["a"].values[:3]
    )
    assert read(array, kinds={"a": "timeseries"})[0].shape == array.shape[1:]


@pytest.mark.parametrize(
    "array",
    [
        pixels(28, 28, most=2),  # flags
        pixels(28, 28, most=10).astype(np.int64),  # counts
        pixels(28, 4),  # counters of four sensors
        noise(28, 28).round().astype(np.int64) * 9,  # signed
    ],
)
def test_other_whole_numbers_are_series(array):
    assert read(array)[0].kind in ("timeseries", "sequence")


def test_square_series_may_be_gray_images_and_become_them_when_that_is_said(tmp_path):
    array = noise(8, 8)
    modality, data = read(array)
    assert modality.kind == "timeseries"
    assert data.notes == (
        "a is read as series of 8 steps of 8 features; for gray images say kinds={'a': 'image'} (--kind a=image)",
    )
    np.savez(tmp_path / "x.npz", **{"train/a": array})
    data = NpzArrays.load(str(tmp_path / "x.npz"), ArraysSettings(kinds={"a": "image"}))
    assert data.modalities[0].shape == (1, 8, 8)
    assert torch.equal(data.train.columns["a"].values[:, 0], torch.from_numpy(array))
    soft = np.cumsum(np.cumsum(noise(20, 30), axis=1), axis=2)
    assert "for gray images say" in read(soft)[1].notes[0]


@pytest.mark.parametrize("array", [noise(3, 3000), noise(1, 768), smooth(9, 128)])
def test_few_steps_of_many_features_may_be_swapped(array):
    steps, features = array.shape[1:]
    modality, data = read(array)
    assert modality.shape == (steps, features)
    signals = f"{steps} signal{'s' * (steps > 1)} of {features} steps"
    assert data.notes[0].endswith(f"for {signals} swap the axes to (N, {features}, {steps})")
    assert not any("swap" in note for note in read(np.swapaxes(array, 1, 2))[1].notes)


@pytest.mark.parametrize("shape", [(3, 3000), (22, 1000), (1, 5000), (64, 640)])
def test_smooth_signals_whose_channels_come_first_are_asked_about(shape):
    array = smooth(*shape)
    with pytest.raises(
        InputError, match=rf"swap the axes to \(N, {shape[1]}, {shape[0]}\).*--kind a=timeseries"
    ) as caught:
        read(array)
    assert "\n" not in str(caught.value)
    assert read(array, kinds={"a": "timeseries"})[0].shape == shape
    assert read(array, kinds={"a": "sequence"})[0].shape == shape
    lengths = {"train/a/length": np.full(N, shape[0]), "test/a/length": np.full(5, shape[0])}
    assert from_arrays({"train/a": array, "test/a": array[:5], **lengths}).modalities[0].shape == shape
    assert read(np.swapaxes(array, 1, 2))[0].shape == shape[::-1]


def test_test_samples_are_not_asked():
    data = from_arrays({"train/a": noise(3, 600), "test/a": smooth(3, 600)})
    assert data.modalities[0].shape == (3, 600)


def test_a_table_may_be_one_long_signal(capsys):
    array = noise(1500)
    modality, data = read(array)
    assert (modality.kind, modality.shape) == ("tabular", (1500,))
    assert "a is read as a table of 1500 features; for one signal of 1500 steps give (N, 1500, 1) or" in data.notes[0]
    modality, data = read(array, kinds={"a": "timeseries"})
    assert (modality.shape, data.notes) == ((1500, 1), ())
    assert torch.equal(data.train.columns["a"].values[..., 0], torch.from_numpy(array))
    assert as_split({"a": array[:, :700]}, data.modalities).columns["a"].values.shape == (N, 700, 1)
    tiny = {"network__width": 8, "network__heads": 2, "epochs": 1, "seeds": (1,), "kinds": {"a": "timeseries"}}
    fitted = fit({"a": noise(40), "b": noise(4)}, **tiny)
    assert "arrays: a: series, 40 steps x 1 feature (kind timeseries), float32" in capsys.readouterr().err
    assert len(fitted.embed({"a": noise(40), "b": noise(4)})) == N


def test_anything_may_be_a_table():
    array = noise(4, 6)
    modality, data = read(array, kinds={"a": "tabular"})
    assert modality.shape == (24,)
    assert torch.equal(as_split({"a": array}, data.modalities).columns["a"].values, torch.from_numpy(array).flatten(1))


def test_loaders_are_told_the_same():
    labels = torch.arange(N) % 2
    for array in (noise(8, 8), noise(3, 600), noise(1500), smooth(9, 128)):
        loader = [(torch.from_numpy(array), labels)]
        data = from_loaders(loader, loader, modalities=["a"])
        assert list(data.notes) == other_readings(array, "a") != []
        assert from_loaders(loader, loader, modalities=["a"], kinds={"a": "timeseries"}).notes == ()


# shape of a sample, kind that is requested, kind that it is, our shape
SHAPES = [
    ((5,), None, "tabular", (5,)),
    ((), None, "tabular", (1,)),
    ((7, 3), None, "sequence", (7, 3)),
    ((7, 3), "timeseries", "timeseries", (7, 3)),
    ((7, 3), "tabular", "tabular", (21,)),
    ((7, 3), "image", "image", (1, 7, 3)),
    ((500,), "timeseries", "timeseries", (500, 1)),
    ((3, 8, 9), None, "image", (3, 8, 9)),
    ((1, 8, 9), None, "image", (1, 8, 9)),
    ((8, 9, 3), None, "image", (3, 8, 9)),
    ((4, 8, 3), None, "image", (4, 8, 3)),
    ((64, 4, 4), None, "image", (64, 4, 4)),  # maps of a network
    ((16, 8, 9), None, "timeseries", (16, 72)),
    ((16, 8, 9), "image", "image", (16, 8, 9)),
    ((6, 3, 8, 9), "timeseries", "timeseries", (6, 216)),
]


@pytest.mark.parametrize(("shape", "requested", "kind", "ours"), SHAPES)
def test_there_and_back(shape, requested, kind, ours):
    layout = layout_of("x", shape, kind=requested)
    assert (layout.kind, layout.ours) == (kind, ours)
    values = torch.randn(4, *shape)
    held = layout.to_ours(values)
    assert held.shape == (4, *ours)
    assert torch.equal(layout.to_theirs(held), values)


def test_channels_that_are_last_come_first():
    values = torch.arange(24.0).view(1, 2, 4, 3).repeat(1, 3, 2, 1)  # (1, 6, 8, 3)
    held = layout_of("x", (6, 8, 3)).to_ours(values)
    assert held[0, 2, 5, 1] == values[0, 5, 1, 2]


def test_every_byte_comes_back():
    from dataclasses import replace

    values = torch.arange(256.0).view(1, 1, 16, 16)
    layout = replace(layout_of("x", (1, 16, 16)), pixels=True)
    taken, _ = ModalityColumn(layout.to_ours(values).to(torch.uint8)).take(torch.tensor([0]))
    assert torch.equal(layout.to_theirs(taken), values)


def test_filled_sequences_get_their_steps_back():
    layout = layout_of("x", (5, 2))
    assert layout.to_theirs(torch.ones(3, 2, 2)).shape == (3, 5, 2)
    assert layout_of("x", (5, 2), timed=True).to_theirs(torch.ones(3, 2, 2)).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 3, 4, 5), {}, r"\(B, 2, 3, 4, 5\), which no kind of modality fits; give kinds="),
        ((5,), {"kind": "image"}, "cannot be of kind image"),
        ((5,), {"kind": "sequence"}, "cannot be of kind sequence"),
        ((), {"kind": "timeseries"}, "cannot be of kind timeseries"),
        ((5,), {"timed": True}, "without flatten_time_series"),
        ((5, 2), {"timed": True, "kind": "tabular"}, "comes with lengths, so it is of kind sequence"),
        ((5, 2), {"kind": "picture"}, "Unknown kind of modality 'picture'"),
    ],
)
def test_refused(shape, options, message):
    with pytest.raises(InputError, match=message):
        layout_of("x", shape, **options)
