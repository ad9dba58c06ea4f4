"""Shards as webdataset writes them: each sample is read by number, once, whatever the number of shards."""

import io
import json
import os
import tarfile

import numpy as np
import pytest

from coral_plugin.data import from_arrays, from_datasets, shards
from coral_plugin.data.shards import Shards
from coral_plugin.errors import InputError, PluginError
from coral_plugin.training.loader import BatchLoader


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shards"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_shard(path, samples):
    """Write ``{key: {extension: bytes}}`` with the standard library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key, members in samples.items():
            for extension, content in members.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path, tiny_arrays):
    """The train split of the tiny arrays in three shards."""
    for shard in range(3):
        samples = {
            f"{row:05d}": {
                **{f"{name}.npy": npy(tiny_arrays[f"train/{name}"][row]) for name in ("table", "series", "image")},
                "cls": str(tiny_arrays["train/labels"][row]).encode(),
            }
            for row in range(8 * shard, 8 * shard + 8)
        }
        write_shard(tmp_path / "train" / f"{shard:06d}.tar", samples)
    return tmp_path / "train"


def test_samples_are_those_that_were_written(folder, tiny_arrays):
    shards = Shards(folder)
    assert len(shards) == 24
    for number in (0, 9, 23):
        item = shards[number]
        assert item["labels"] == tiny_arrays["train/labels"][number]
        assert np.array_equal(item["series"], tiny_arrays["train/series"][number])
        assert item["image"].dtype == np.uint8


def test_a_shard_of_webdataset_itself_is_read(tmp_path, tiny_arrays):
    writer = pytest.importorskip("webdataset", reason="webdataset is not installed (extra stream)").ShardWriter
    with writer(str(tmp_path / "%04d.tar"), maxcount=10, verbose=0) as sink:
        for row in range(24):
            table, label = tiny_arrays["train/table"][row], int(tiny_arrays["train/labels"][row])
            sink.write({"__key__": f"{row:05d}", "table.npy": table, "cls": label, "json": {"taken": row}})
    shards = Shards(tmp_path)
    assert (len(shards.paths), len(shards), shards.unused) == (3, 24, ("json",))
    assert [shards[row]["labels"] for row in range(24)] == tiny_arrays["train/labels"].tolist()
    assert np.array_equal(np.stack([shards[row]["table"] for row in range(24)]), tiny_arrays["train/table"])


def test_pictures_are_decoded_by_webdataset(tmp_path):
    pytest.importorskip("webdataset", reason="webdataset is not installed (extra stream)")
    pictures = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    pictures.fromarray(pixels).save(file, "PNG")
    shards = Shards(write_shard(tmp_path / "a.tar", {"0": {"photo.png": file.getvalue()}}))
    assert np.array_equal(shards[0]["photo"], pixels)


def test_pictures_without_webdataset_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "webdataset.autodecode", None)
    with pytest.raises(PluginError, match=r"coral-multibench\[stream\]"):
        Shards(write_shard(tmp_path / "a.tar", {"0": {"photo.png": b""}}))


def test_processes_read_every_sample_once_and_what_arrays_give(folder, tiny_arrays):
    others = {key: array for key, array in tiny_arrays.items() if not key.startswith("train/")}
    data, held = from_datasets({"train": Shards(folder), **others}), from_arrays(tiny_arrays)
    numbers = []
    for rank in range(3):
        loader = BatchLoader(data.train, 8, seed=1, rank=rank, world=3)
        wanted = BatchLoader(held.train, 8, seed=1, rank=rank, world=3)
        for batch, same in zip(loader, wanted, strict=True):
            numbers += batch.index.tolist()
            assert all(np.array_equal(batch[name], same[name]) for name in same)
    assert sorted(numbers) == list(range(24))


def test_the_index_is_kept_until_a_shard_changes(folder, cache, monkeypatch):
    Shards(folder)
    (index,) = cache.iterdir()
    monkeypatch.setattr("tarfile.open", None)
    assert len(Shards(folder)) == 24
    monkeypatch.undo()
    monkeypatch.setenv("CORAL_CACHE", str(cache.parent))
    os.utime(folder / "000001.tar", (0, 0))
    write_shard(folder / "000001.tar", {"7": {"table.npy": npy(np.zeros(5)), "cls": b"1"}})
    assert len(Shards(folder)) == 17
    index.write_bytes(b"no index")
    assert len(Shards(folder)) == 17


def test_a_sample_without_a_member_lacks_the_modality(tmp_path):
    rows = {str(row): {"a.npy": npy(np.ones(3) * row), "b.npy": npy(np.ones(2) * row)} for row in range(20)}
    del rows["5"]["b.npy"]
    data = from_datasets({"train": Shards(write_shard(tmp_path / "a.tar", rows))})
    assert data.train.presence()["b"].nonzero().squeeze(1).tolist() == [row for row in range(20) if row != 5]


def test_the_label_may_stand_in_json(tmp_path):
    rows = {
        str(n): {"a.npy": npy(np.ones(3) * n), "json": json.dumps({"label": f"c{n % 2}"}).encode()} for n in range(20)
    }
    data = from_datasets({"train": Shards(write_shard(tmp_path / "a.tar", rows))})
    assert data.tasks[0].classes == ("c0", "c1")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"cls": b"1"}, "none of a modality; call them KEY.<modality>.npy"),
        ({"a.npy": b"x", "b.pyd": b""}, r"holds pickles \(KEY.b.pyd\)"),
        ({"a.npy": npy(np.ones(4))[:-3]}, "a.npy at byte 512 is damaged|cut off"),
    ],
)
def test_shards_that_cannot_be_trained_on_are_refused_in_one_line(tmp_path, members, message):
    shard = write_shard(tmp_path / "a.tar", {"0": members})
    with pytest.raises(InputError, match=message) as caught:
        from_datasets({"train": Shards(shard)})
    assert "\n" not in str(caught.value)


def test_a_shard_that_is_cut_off_is_refused(folder):
    content = (folder / "000002.tar").read_bytes()
    (folder / "000002.tar").write_bytes(content[:3000])
    with pytest.raises(InputError, match=r"000002\.tar is cut off"):
        Shards(folder)


@pytest.mark.parametrize("path", ["https://host/a.tar", "pipe:cat a.tar", "train-{000..010}.tar"])
def test_addresses_and_pipes_are_refused(path):
    with pytest.raises(InputError, match="fetch the shards into FOLDER/train/"):
        Shards(path)


def test_another_kind_of_file_is_no_shard(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(InputError, match="compressed with gzip; unpack it first; shards are uncompressed"):
        Shards(tmp_path)


def test_values_of_more_than_8_bits_are_not_cut_off():
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    depth = np.arange(500, 5500, 100, dtype=np.uint16).reshape(5, 10)
    image.fromarray(depth).save(file, "PNG")
    assert np.array_equal(shards._pixels(None, file.getvalue()), depth[..., None])
    with pytest.raises(InputError, match="whole numbers from 500 to 5400, but pixels are 0 to 255"):
        from_arrays({"train/depth": np.stack([shards._pixels(None, file.getvalue())] * 3)})
