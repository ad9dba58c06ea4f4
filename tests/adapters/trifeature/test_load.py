import numpy as np
import pytest
import torch

from coral_plugin.adapters.trifeature import Trifeature, TrifeatureSettings
from coral_plugin.adapters.trifeature.pairs import texture_to_colour
from coral_plugin.adapters.trifeature.render import render_banks
from coral_plugin.adapters.trifeature.sheet import draw_sheet, main
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.registry import DATASETS

SIZE = 24


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("CORAL_CACHE", str(folder))
    return folder


def small(**chosen):
    return Trifeature.load(
        None, TrifeatureSettings(**{"image_size": SIZE, "pairs": 500, "probe_pairs": 1000, **chosen})
    )


def attributes_of(data, split, number):
    """What image ``number`` of each pair shows."""
    train, test = render_banks(SIZE, 42)
    bank = test if split == "test" else train
    return bank.attributes[data.splits()[split].columns[f"image{number}"].rows]


def test_registered():
    assert DATASETS.get("trifeature") is Trifeature
    assert Trifeature.Settings is TrifeatureSettings


def test_contract():
    data = small()
    assert {label: len(split) for label, split in data.splits().items() if label != "test"} == {
        "pretrain": 500, "train": 600, "valid": 400,
    }  # fmt: skip
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("image1", "image", (3, SIZE, SIZE)), ("image2", "image", (3, SIZE, SIZE)),
    ]  # fmt: skip
    assert data.modalities[0].mean == (0.485, 0.456, 0.406)
    assert [(t.name, len(t.classes)) for t in data.tasks] == [
        ("redundancy", 10), ("uniqueness1", 10), ("uniqueness2", 10), ("synergy", 2),
    ]  # fmt: skip
    assert data.notes == ()
    for split in data.splits().values():
        assert list(split.targets) == [task.name for task in data.tasks]
        assert all(target.dtype == torch.int64 for target in split.targets.values())
    batch = data.train.batch(torch.arange(3))
    assert batch["image1"].shape == (3, 3, SIZE, SIZE)
    assert 0 <= float(batch["image1"].min()) <= float(batch["image1"].max()) <= 1


def test_banks_are_shared():
    data = small()
    columns = [s.columns[name] for s in (data.pretrain, data.train, data.valid) for name in ("image1", "image2")]
    assert len({column.values.data_ptr() for column in columns}) == 1
    assert columns[0].values.shape == (2400, 3, SIZE, SIZE)
    assert data.test.columns["image1"].values.shape == (200, 3, SIZE, SIZE)


@pytest.mark.parametrize("pairing", ["unbiased", "biased"])
def test_probing_is_unbiased_in_either_pairing(pairing):
    data = small(pairing=pairing)
    for label, split in data.splits().items():
        first, second = attributes_of(data, label, 1), attributes_of(data, label, 2)
        assert torch.equal(first[:, 0], second[:, 0])
        match = (texture_to_colour(42)[first[:, 1]] == second[:, 2]).long()
        assert torch.equal(split.targets["synergy"], match)
        assert torch.equal(split.targets["redundancy"], first[:, 0])
        assert torch.equal(split.targets["uniqueness1"], first[:, 1])
        assert torch.equal(split.targets["uniqueness2"], second[:, 1])
        share = float(match.double().mean())
        if label == "pretrain" and pairing == "biased":
            assert share == 1
        else:
            assert 0.06 < share < 0.14


def test_test_split_is_every_pair_of_the_held_images():
    data = small()
    counts = np.bincount(render_banks(SIZE, 42)[1].attributes[:, 0])
    assert len(data.test) == (counts**2).sum()


def test_train_and_valid_share_no_pair():
    data = small()
    pairs = [
        {*zip(*(split.columns[name].rows.tolist() for name in ("image1", "image2")), strict=True)}
        for split in (data.train, data.valid)
    ]
    assert len(pairs[0]) == 600
    assert not pairs[0] & pairs[1]


def test_other_pairs_leave_images_and_probing_alone():
    one, other = small(), small(pairing="biased", pairs=77)
    assert torch.equal(one.train.columns["image1"].values, other.train.columns["image1"].values)
    assert torch.equal(one.valid.columns["image2"].rows, other.valid.columns["image2"].rows)
    assert torch.equal(one.test.columns["image2"].rows, other.test.columns["image2"].rows)
    assert one.fingerprint != other.fingerprint


def test_more_pairs_than_there_are_is_said():
    data = small(pairing="biased", pairs=10**6)
    assert len(data.notes) == 1
    assert f"all {len(data.pretrain)} that exist" in data.notes[0]


def test_fingerprint_tells_images_and_seeds_apart():
    marks = [small(**chosen).fingerprint for chosen in ({}, {"seed": 1}, {"texture_period": 5}, {"image_size": 25})]
    assert len(set(marks)) == 4
    assert small().fingerprint == marks[0]
    assert small(texture_period=10).fingerprint == marks[0]


def test_cache_gives_the_same_bytes(cache):
    rendered = small()
    (kept,) = cache.iterdir()
    read, without = small(), small(cache=False)
    for other in (read, without):
        assert other.fingerprint == rendered.fingerprint
        for label in ("train", "test"):
            ours, theirs = (d.splits()[label].columns["image1"].values for d in (rendered, other))
            assert torch.equal(ours, theirs)
    assert [*cache.iterdir()] == [kept]


def test_cache_is_read(monkeypatch):
    small()
    monkeypatch.setattr("coral_plugin.adapters.trifeature.cache.render_banks", None)
    assert small().notes == ()


def test_no_cache_writes_nothing(cache):
    small(cache=False)
    assert not cache.exists()


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    """One bit of a pixel."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut, flip, lambda content: b"", lambda content: b"PK\x03\x04 no archive"])
def test_damaged_cache_is_replaced(cache, damage):
    mark = small().fingerprint
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    again = small()
    assert again.fingerprint == mark
    assert len(again.notes) == 1
    assert "rendered again" in again.notes[0]
    assert path.read_bytes() == whole
    assert small().notes == ()


def test_cache_with_other_content_is_replaced(cache):
    """A whole archive whose checksum does not fit, one that lacks an array, and one of another size."""
    mark = small().fingerprint
    (path,) = cache.iterdir()
    with np.load(path) as file:
        arrays = dict(file)
    changed = arrays["train/pixels"].copy()
    changed[0, 0, 0, 0] ^= 1
    lacking = {key: value for key, value in arrays.items() if key != "test/sha256"}
    for other in ({**arrays, "train/pixels": changed}, lacking, {**arrays, "test/pixels": changed[:, :, :5]}):
        np.savez(path, **other)
        again = small()
        assert again.fingerprint == mark
        assert "rendered again" in again.notes[0]


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    mark = small().fingerprint
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CORAL_CACHE", str(tmp_path / "file"))
    data = small()
    assert data.fingerprint == mark
    assert len(data.notes) == 1
    assert "not kept" in data.notes[0]


def test_a_path_is_refused():
    with pytest.raises(InputError, match="reads no file"):
        Trifeature.load("mine.pkl")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"image_size": 15}, "image_size must be from 16"),
        ({"image_size": 4096}, "image_size must be from 16"),
        ({"pairs": 0}, "pairs must be"),
        ({"probe_pairs": 9}, "probe_pairs must be"),
        ({"texture_period": 3}, "texture_period must be"),
        ({"image_size": 32, "texture_period": 33}, "texture_period must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_settings_out_of_range(chosen, message):
    with pytest.raises(InputError, match=message):
        TrifeatureSettings(**chosen)


def test_unknown_pairing():
    with pytest.raises(UnknownNameError, match="Did you mean 'unbiased'"):
        Trifeature.load(None, TrifeatureSettings(pairing="unbaised"))


def test_sheet(tmp_path):
    draw_sheet(tmp_path / "a.png", 16)
    main([str(tmp_path / "b.png"), "--size", "16"])
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
