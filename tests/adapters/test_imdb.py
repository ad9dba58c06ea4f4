"""MM-IMDb: rows, splits, genres, and posters as bytes of any size."""

import sys

import h5py
import numpy as np
import pytest
import torch

from coral_plugin.adapters.imdb import Imdb, ImdbSettings
from coral_plugin.adapters.shared import resize_pixels
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError, MachineError, PluginError
from coral_plugin.registry import DATASETS

from . import formats

MEANS = np.reshape((103.939, 116.779, 123.68), (3, 1, 1))


@pytest.fixture
def path(tmp_path):
    return str(formats.imdb(tmp_path / "multimodal_imdb.hdf5"))


def change(path, **arrays):
    with h5py.File(path, "a") as file:
        for key, values in arrays.items():
            del file[key]
            if values is not None:
                file[key] = values
    return path


def test_values_splits_and_genres(path):
    assert DATASETS.get("imdb") is Imdb
    data = Imdb.load(path)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("text", "tabular", (300,)), ("image", "tabular", (64,))
    ]  # fmt: skip
    assert [len(split) for split in data.splits().values()] == [24, 8, 8]
    assert (data.tasks[0].kind, data.tasks[0].classes) == ("multilabel", formats.imdb_hdf5.GENRES)
    with h5py.File(path) as file:
        for label, rows in (("train", slice(0, 24)), ("valid", slice(24, 32)), ("test", slice(32, 40))):
            split = data.splits()[label]
            np.testing.assert_array_equal(split.columns["text"].values, file["features"][rows])
            np.testing.assert_array_equal(split.columns["image"].values, file["vgg_features"][rows])
            np.testing.assert_array_equal(split.targets["genres"], file["genres"][rows])


def test_posters_are_red_first_and_bytes(path):
    data = Imdb.load(path, ImdbSettings(images="pixels", height=32))
    assert [m.shape for m in data.modalities] == [(300,), (3, 32, 20)]
    pixels = data.valid.columns["image"].values
    assert pixels.dtype == torch.uint8
    with h5py.File(path) as file:  # as the authors' script makes them of pixels
        np.testing.assert_array_equal((pixels.numpy()[:, ::-1] - MEANS).astype(np.int32), file["images"][24:32])


def test_plain_posters_are_taken_as_they_are(path):
    plain = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 20), dtype=np.uint8)
    data = Imdb.load(change(path, images=plain), ImdbSettings(images="pixels", height=32))
    np.testing.assert_array_equal(data.test.columns["image"].values, plain[32:])


def test_posters_shrink(path):
    data = Imdb.load(path, ImdbSettings(images="pixels", height=16))
    whole = Imdb.load(path, ImdbSettings(images="pixels", height=32)).train.columns["image"].values.float()
    small = data.train.columns["image"].values.float()
    assert small.shape == (24, 3, 16, 10)
    # means of a few neighbours: what is bright stays bright
    assert torch.allclose(small.mean((2, 3)), whole.mean((2, 3)), atol=2)


def test_shrinking_by_two_is_the_weighted_mean_of_neighbours():
    """Antialiased bilinear weights at half size: a triangle two pixels wide, (1, 3, 3, 1) / 8 inside."""
    row = torch.tensor([0, 8, 16, 40, 80, 160, 240, 248], dtype=torch.uint8)
    small = resize_pixels(row.expand(1, 1, 8, 8), (4, 4))
    weights = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    inside = [round(float(weights @ row[at : at + 4].float())) for at in (1, 3)]
    assert small[0, 0, 0, 1:3].tolist() == inside


def test_what_is_no_number_becomes_zero(path):
    with h5py.File(path, "a") as file:
        file["features"][3] = np.nan
    data = Imdb.load(path)
    assert data.notes == (
        "300 values of features are not finite and become 0",
        "test has no sample of label Documentary, Family (genres: 2 of 23); its F1 there is 0",
    )
    assert not data.train.columns["text"].values[3].any()


def test_splits_without_the_attribute(tmp_path):
    path = str(formats.imdb(tmp_path / "m.hdf5", split=False))
    with pytest.raises(InputError, match="has 40 rows, and no attribute 'split'"):
        Imdb.load(path)
    whole = str(formats.imdb(tmp_path / "whole.hdf5", formats.RELEASED, image=None, vgg=1, text=1, split=False))
    assert tuple(len(split) for split in Imdb.load(whole).splits().values()) == formats.RELEASED


def test_genres_without_names(path):
    with h5py.File(path, "a") as file:
        del file["genres"].attrs["target_names"]
    assert Imdb.load(path).tasks[0].classes == tuple(map(str, range(23)))


@pytest.mark.parametrize("settings", [{"images": "jpeg"}, {"height": 4}, {"height": 5000}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(ImdbSettings(**settings))


def test_posters_that_do_not_fit_are_refused_unread(path, monkeypatch):
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 60_000)
    with pytest.raises(
        MachineError, match=r"40 posters of 32 x 20: this takes .*--source.height lower, or --source.images"
    ):
        Imdb.load(path, ImdbSettings(images="pixels", height=32))


def test_without_h5py_its_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(PluginError, match=r"read with h5py: pip install 'coral-multibench\[multibench\]'") as caught:
        Imdb.load(path)
    assert "\n" not in str(caught.value)


def test_it_trains(path, tmp_path, coral):
    status, out, err = coral(
        "train", "--dataset", "imdb", "--data", path, "--epochs", 1, "--output", tmp_path / "run", "--quiet",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "weighted F1" in out


@pytest.mark.multibench
@pytest.mark.parametrize("vgg", [True, False])
def test_the_batches_are_multibenchs(tmp_path, multibench, monkeypatch, vgg):
    """Its posters are centred and have blue first; ours are put back to what they were."""
    path = str(formats.imdb(tmp_path / "m.hdf5", formats.RELEASED, vgg=8, written=6))
    loaders = multibench("datasets.imdb.get_data").get_dataloader(
        path, "", num_workers=0, batch_size=4, vgg=vgg, no_robust=True, train_shuffle=False
    )
    monkeypatch.setattr("coral_plugin.io.hdf5._MAX_RATIO", 1e9)  # most of these rows were never written
    data = Imdb.load(path, ImdbSettings(images="vgg" if vgg else "pixels", height=32))
    for split, loader in zip(data.splits().values(), loaders, strict=True):
        ours, theirs = split.batch(torch.arange(4)), next(iter(loader))
        assert torch.equal(ours["text"], theirs[0])
        image = ours["image"] if vgg else ((ours["image"] * 255).round().flip(1) - torch.from_numpy(MEANS)).trunc()
        assert torch.equal(image.float(), theirs[1].float())
        assert torch.equal(ours.targets["genres"], theirs[2].long())


def test_posters_of_0_to_1_are_refused(path):
    fractions = np.random.default_rng(0).random((40, 3, 32, 20)).astype(np.float32)
    with pytest.raises(InputError, match=r"images holds fractions up to 1; .*: multiply by 255"):
        Imdb.load(change(path, images=fractions), ImdbSettings(images="pixels", height=32))


def test_posters_of_the_other_byte_order(path):
    plain = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 20)).astype(">i2")
    data = Imdb.load(change(path, images=plain), ImdbSettings(images="pixels", height=32))
    assert np.array_equal(data.train.columns["image"].values[0], plain[0])
