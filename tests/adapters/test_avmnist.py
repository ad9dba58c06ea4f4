"""AV-MNIST: MultiBench's folder at any size, and the bank with its two ways to split speakers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.adapters.avmnist import Avmnist, AvmnistSettings, weaken
from coral_plugin.cli.main import main
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import make_settings

from . import formats


@pytest.fixture
def folder(tmp_path):
    return formats.avmnist(tmp_path / "avmnist")


def whole(split):
    return split.batch(torch.arange(len(split)))


def test_it_is_registered_with_its_settings_and_recipe():
    assert DATASETS.get("avmnist") is Avmnist
    assert Avmnist.Settings is AvmnistSettings
    settings = make_settings("coral", "avmnist")
    assert settings.augmentations == {"image": "noise", "audio": "spectrogram_warp+noise@1"}
    assert settings.network.encoders["audio"] == "small_conv(channels=8, most=64, stride=4)"
    assert (settings.training.learning_rate, settings.training.schedule) == (1e-4, "constant")  # the method's


def test_the_recipe_trains(folder):
    finished = run(make_settings("coral", "avmnist", data=str(folder), training__epochs=1), quiet=True)
    assert np.isfinite(finished.metrics["tasks"]["label"]["values"]).all()


def test_the_folder(folder):
    data = Avmnist.load(str(folder))
    assert {label: len(split) for label, split in data.splits().items()} == {"train": 36, "valid": 4, "test": 10}
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image", "image", (1, 28, 28)), ("audio", "image", (1, 112, 112))
    ]  # fmt: skip
    assert data.notes == ("valid is the last 4 rows of train",)
    image, audio = np.load(folder / "image" / "train_data.npy"), np.load(folder / "audio" / "train_data.npy")
    for split, rows in ((data.train, slice(0, 36)), (data.valid, slice(36, 40))):
        batch = whole(split)
        np.testing.assert_array_equal(batch["image"].numpy().reshape(-1, 784), image[rows] / np.float32(255))
        np.testing.assert_array_equal(batch["audio"][:, 0].numpy(), audio[rows].astype(np.float32) / np.float32(255))
        assert batch.targets["label"].tolist() == [i % 10 for i in range(40)][rows]
    assert data.train.columns["image"].values.dtype == torch.uint8  # whole numbers saved as floats stay small


@pytest.mark.parametrize("made", ["folder", "bank", "weak"])
def test_statistics_are_those_of_train(tmp_path, folder, made):
    path = str(formats.bank(tmp_path / "avmnist_mini.npz") if made == "bank" else folder)
    data = Avmnist.load(path, AvmnistSettings(energy=0.5 if made == "weak" else 1.0))
    for modality in data.modalities:
        values = whole(data.train)[modality.name].double()
        assert modality.mean == pytest.approx((values.mean().item(),), abs=1e-6)
        assert modality.std == pytest.approx((values.std(correction=0).item(),), abs=1e-6)


def test_rows_of_valid_can_be_chosen(folder):
    data = Avmnist.load(str(folder), AvmnistSettings(valid_rows=15))
    assert (len(data.train), len(data.valid)) == (25, 15)
    with pytest.raises(InputError, match="40 of 40 rows of train cannot be valid"):
        Avmnist.load(str(folder), AvmnistSettings(valid_rows=40))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint8, ">f4"])
def test_audio_of_any_type(tmp_path, folder, kind):
    other = formats.avmnist(tmp_path / "other", audio=kind)
    assert Avmnist.load(str(other)).fingerprint == Avmnist.load(str(folder)).fingerprint


def test_the_bank(tmp_path):
    path = formats.bank(tmp_path / "avmnist_mini.npz")
    arrays = np.load(path)
    for place in (path, tmp_path):  # the file, or its folder
        data = Avmnist.load(str(place))
        for label, split in data.splits().items():
            audio = arrays["audio_bank"][arrays[f"{label}_audio_index_rec"]]
            np.testing.assert_array_equal(whole(split)["audio"][:, 0].numpy(), audio.astype(np.float32) / 255)
        # recordings are kept once, however often they are used
        assert len(data.train.columns["audio"].values) == 30


def test_separate_speakers_leave_valid_one_that_train_does_not_have(tmp_path):
    """A penalty that is chosen for known voices is too weak for unknown ones."""
    path = formats.bank(tmp_path / "avmnist_mini.npz")
    arrays = np.load(path)
    data = Avmnist.load(str(path), AvmnistSettings(speakers="separate"))
    assert data.notes == ("valid is speaker a, of whom train has no recording",)
    rows = {label: split.columns["audio"].rows.numpy() for label, split in data.splits().items()}
    heard = {label: set(arrays["bank_speaker"][of_split]) for label, of_split in rows.items()}
    assert heard == {"train": {"b"}, "valid": {"a"}, "test": {"c"}}
    for label, split in data.splits().items():
        np.testing.assert_array_equal(arrays["bank_label"][rows[label]], split.targets["label"].numpy())
        np.testing.assert_array_equal(whole(split)["image"].numpy().reshape(-1, 784) * 255, arrays[f"{label}_image"])
    np.testing.assert_array_equal(rows["test"], arrays["test_audio_index_spk"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bank_speaker": None}, "lacks bank_speaker, which speakers=separate needs"),
        ({"bank_speaker": np.full(30, "a")}, "train has no recording of 0 where a is the speaker of valid"),
    ],
)
def test_a_bank_whose_speakers_cannot_be_separated(tmp_path, change, message):
    path = formats.bank(tmp_path / "avmnist_mini.npz")
    arrays = {key: value for key, value in {**np.load(path), **change}.items() if value is not None}
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        Avmnist.load(str(path), AvmnistSettings(speakers="separate"))
    assert Avmnist.load(str(path)).notes == ()


def test_coral_data_check_knows_the_folder_of_a_bank(tmp_path, capsys):
    formats.bank(tmp_path / "avmnist_mini.npz")
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "a bank of AV-MNIST" in capsys.readouterr().out


def test_less_energy_keeps_the_leading_directions():
    rng = np.random.default_rng(0)
    made = [rng.normal(100, 5, (n, 6)) + rng.normal(0, 40, (n, 1)) for n in (200, 10, 20)]
    parts = {label: {"image": x} for label, x in zip(("train", "valid", "test"), made, strict=True)}
    weak, count = weaken(parts, 0.9)
    mean = made[0].mean(0)
    _, values, directions = np.linalg.svd(made[0] - mean, full_matrices=False)
    shares = np.cumsum(values**2) / (values**2).sum()
    assert shares[count - 1] >= 0.9 > (shares[count - 2] if count > 1 else 0)
    basis = directions[:count]
    for label, x in zip(parts, made, strict=True):
        expected = np.clip((x - mean) @ basis.T @ basis + mean, 0, 255)
        # whole: of floats the last digits depend on the number of threads, and a worker would see other data
        np.testing.assert_array_equal(weak[label]["image"], np.rint(expected))


@pytest.mark.parametrize("settings", [{"speakers": "spk"}, {"energy": 0.0}, {"energy": 1.5}, {"valid_rows": -1}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(AvmnistSettings(**settings))


def test_separate_speakers_need_the_bank(folder):
    with pytest.raises(InputError, match=r"split already; speakers=separate needs the bank"):
        Avmnist.load(str(folder), AvmnistSettings(speakers="separate"))


def test_the_real_bank(shared_data):
    """No speaker is in two splits: SOURCE.md names those of test."""
    place = shared_data / "avmnist_mini"
    data = Avmnist.load(str(place), AvmnistSettings(speakers="separate"))
    assert {label: len(split) for label, split in data.splits().items()} == {"train": 4500, "valid": 500, "test": 1000}
    with np.load(place / "avmnist_mini.npz") as arrays:
        speaker, digit = arrays["bank_speaker"], arrays["bank_label"]
    heard = {label: split.columns["audio"].rows.numpy() for label, split in data.splits().items()}
    assert {label: set(speaker[rows]) for label, rows in heard.items()} == {
        "train": {"nicolas", "theo", "yweweler"}, "valid": {"lucas"}, "test": {"george", "jackson"}
    }  # fmt: skip
    for label, split in data.splits().items():
        np.testing.assert_array_equal(digit[heard[label]], split.targets["label"].numpy())


def resized(multibench, train, valid, test):
    """MultiBench's loader, which works for 60,000 and 10,000 rows only, with the numbers in its source replaced."""
    source = Path(multibench("datasets.avmnist.get_data").__file__).read_text()
    for theirs, ours in (("60000", train + valid), ("55000", train), ("10000", test)):
        source = source.replace(theirs, str(ours))
    own = {}
    exec(source, own)
    return own["get_dataloader"]


def equal(data, loaders):
    for split, loader in zip(data.splits().values(), loaders, strict=True):
        for ours, theirs in zip(split.batches(8), loader, strict=True):
            for at, name in enumerate(("image", "audio")):
                assert torch.equal(ours[name], theirs[at].float())
            assert torch.equal(ours.targets["label"], theirs[2])


@pytest.mark.multibench
def test_the_batches_are_multibenchs(folder, multibench):
    loaders = resized(multibench, 36, 4, 10)(str(folder), batch_size=8, num_workers=0, train_shuffle=False)
    equal(Avmnist.load(str(folder)), loaders)


@pytest.mark.multibench
def test_the_real_samples_are_multibenchs(shared_data, tmp_path, multibench):
    """The first of each part of the bank, written as the ``make_folder.py`` beside it writes them all."""
    counts, arrays = {"train": 48, "valid": 16, "test": 24}, np.load(shared_data / "avmnist_mini" / "avmnist_mini.npz")
    held = {
        label: (
            arrays[f"{label}_image"][:count].astype(np.float32),
            arrays["audio_bank"][arrays[f"{label}_audio_index_rec"][:count]],
            arrays[f"{label}_labels"][:count].astype(np.int64),
        )
        for label, count in counts.items()
    }
    train = [np.concatenate(parts) for parts in zip(held["train"], held["valid"], strict=True)]
    for label, parts in (("train", train), ("test", held["test"])):
        for name, values in zip(("image/{}_data", "audio/{}_data", "{}_labels"), parts, strict=True):
            path = tmp_path / f"{name.format(label)}.npy"
            path.parent.mkdir(exist_ok=True)
            np.save(path, values)
    data = Avmnist.load(str(tmp_path), AvmnistSettings(valid_rows=16))
    equal(data, resized(multibench, 48, 16, 24)(str(tmp_path), batch_size=8, num_workers=0, train_shuffle=False))
    bank = Avmnist.load(str(shared_data / "avmnist_mini"))  # the same samples, whose recordings are kept once
    for ours, theirs in zip(data.splits().values(), bank.splits().values(), strict=True):
        first = torch.arange(8)
        assert all(torch.equal(ours.batch(first)[name], theirs.batch(first)[name]) for name in ("image", "audio"))


@pytest.mark.parametrize("energy", [1.0, 0.5])
def test_grey_values_of_0_to_1_are_refused(folder, energy):
    (file,) = folder.glob("image/train_data.npy")
    np.save(file, np.load(file).astype(np.float32) / 255)
    with pytest.raises(InputError, match=r"train, image holds fractions up to .*: multiply by 255"):
        Avmnist.load(str(folder), AvmnistSettings(energy=energy))
