"""A folder of ``.npy`` files or shards trains as the same arrays in memory do, and is not copied into memory."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from coral_plugin import fit
from coral_plugin.adapters.arrays import NpzArrays
from coral_plugin.cli.main import main
from coral_plugin.data import from_arrays
from coral_plugin.data.stored import StoredValues
from coral_plugin.errors import InputError
from coral_plugin.io.npz import write_npz
from coral_plugin.training.loader import BatchLoader

FAST = {"network__width": 8, "network__heads": 2, "training__batch_size": 8, "quiet": True}
FLAGS = ["--set", "network.width=8", "--set", "network.heads=2", "--set", "training.batch_size=8", "--quiet"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path, tiny_arrays):
    for key, array in tiny_arrays.items():
        (tmp_path / "set" / key).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "set" / f"{key}.npy", array)
    return tmp_path / "set"


@pytest.fixture
def shards(tmp_path, tiny_arrays):
    """Every split in two shards; those of valid are called by its name."""
    for split, names in (
        ("train", "train/{}.tar"),
        ("valid", "valid-{}.tar"),
        ("test", "test/{}.tar"),
    ):
        count = len(tiny_arrays[f"{split}/labels"])
        for number, rows in enumerate(np.array_split(np.arange(count), 2)):
            path = tmp_path / "shards" / names.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(path, "w") as archive:
                for row in rows:
                    for name in ("table", "series", "image", "labels"):
                        content = io.BytesIO()
                        np.save(content, tiny_arrays[f"{split}/{name}"][row])
                        info = tarfile.TarInfo(f"{row:04d}.{name}.npy")
                        info.size = content.tell()
                        content.seek(0)
                        archive.addfile(info, content)
    return tmp_path / "shards"


def weights(fitted):
    return fitted.objective.state_dict()


def test_a_folder_has_the_fingerprint_and_the_weights_of_memory(folder, tiny_arrays):
    # files are read in the order of their names
    stored, held = NpzArrays.load(str(folder)), from_arrays(dict(sorted(tiny_arrays.items())), name="set")
    assert all(isinstance(column.values, StoredValues) for column in stored.train.columns.values())
    assert (stored.fingerprint, stored.modalities) == (held.fingerprint, held.modalities)
    trained, wanted = (fit(data, epochs=1, seeds=3, **FAST) for data in (stored, held))
    assert all(map(torch.equal, weights(trained).values(), weights(wanted).values()))
    assert trained.metrics["tasks"] == wanted.metrics["tasks"]


def test_shards_give_the_samples_of_memory(shards, tiny_arrays):
    stored, held = NpzArrays.load(str(shards)), from_arrays(tiny_arrays, name="shards")
    assert [len(split) for split in stored.splits().values()] == [24, 8, 8]
    assert isinstance(stored.train.columns["image"].values, StoredValues)
    for label, split in held.splits().items():
        batch, wanted = (data.batch(torch.arange(8)) for data in (stored.splits()[label], split))
        assert all(torch.equal(batch[name], wanted[name]) for name in wanted)
        assert torch.equal(batch.targets["label"], wanted.targets["label"])


def test_train_may_be_shards_and_the_others_files(shards, folder, tiny_arrays):
    for split in ("valid", "test"):
        (folder / split).rename(shards / f"{split}-files")
    for path in (*shards.glob("valid*.tar"), *shards.glob("test/*.tar")):
        path.unlink()
    (shards / "test").rmdir()
    for split in ("valid", "test"):
        (shards / f"{split}-files").rename(shards / split)
    data = NpzArrays.load(str(shards))
    assert isinstance(data.test.columns["image"].values, StoredValues)
    assert torch.equal(data.test.batch(torch.arange(8))["table"], torch.from_numpy(tiny_arrays["test/table"]))


@pytest.mark.slow
def test_two_processes_train_to_the_weights_of_memory(shards, tmp_path, tiny_arrays):
    write_npz(tmp_path / "held.npz", dict(sorted(tiny_arrays.items())))
    files = []
    for path in (shards, tmp_path / "held.npz"):
        flags = ["--data", str(path), "--output", str(tmp_path / f"run-{path.stem}"), "--set", "training.devices=2"]
        assert main(["train", "--dataset", "arrays", *flags, "--seeds", "1", "--epochs", "1", *FLAGS]) == 0
        files.append(load_file(tmp_path / f"run-{path.stem}" / "seed-1" / "model.safetensors"))
    assert all(torch.allclose(files[0][name], weight, atol=1e-6) for name, weight in files[1].items())


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_a_killed_run_goes_on_to_the_same_bits(layout, request, tmp_path, monkeypatch):
    data = NpzArrays.load(str(request.getfixturevalue(layout)))
    straight = fit(data, epochs=3, seeds=1, output=tmp_path / "straight", **FAST)
    batch, steps = BatchLoader.batch, []

    def killed(loader, step):
        steps.append(step)
        if step == 4:
            raise KeyboardInterrupt
        return batch(loader, step)

    often = {**FAST, "training__checkpoint_seconds": 0}
    monkeypatch.setattr(BatchLoader, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(data, epochs=3, seeds=1, output=tmp_path / "killed", **often)
    monkeypatch.setattr(BatchLoader, "batch", batch)
    assert (tmp_path / "killed" / "seed-1" / "last.ckpt").is_file()
    data = NpzArrays.load(str(request.getfixturevalue(layout)))
    resumed = fit(data, epochs=3, seeds=1, output=tmp_path / "killed", resume=True, **often)
    assert all(map(torch.equal, weights(resumed).values(), weights(straight).values()))


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_coral_data_check_says_how_training_reads_them(layout, request, capsys):
    path = request.getfixturevalue(layout)
    assert main(["data", "check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    what = {"folder": "arrays (keys train/", "shards": "shards of webdataset (24 samples of train, 8 samples of valid"}
    assert any(line.startswith(what[layout]) for line in lines)
    assert any("image: image, 3 channels, 8 x 8, uint8" in line for line in lines)
    assert "  train: 24 samples" in lines


@pytest.mark.slow
def test_coral_bench_trains_on_a_folder(folder, tmp_path):
    flags = [
        "--objectives",
        "coral",
        "--datasets",
        "arrays",
        "--data",
        f"arrays={folder}",
        "--epochs",
        "1",
        "--seeds",
        "1",
    ]
    assert main(["bench", *flags, "--output", str(tmp_path / "bench"), *FLAGS[:-1]]) == 0
    assert (tmp_path / "bench" / "table.md").is_file()


_TRAINING = """
import resource, sys
from pathlib import Path

import numpy as np

from coral_plugin import fit
from coral_plugin.cli.main import main

folder, output = sys.argv[1:]
rng = np.random.default_rng(0)
fit({"a": rng.normal(size=(20, 3)), "b": rng.normal(size=(20, 3))}, epochs=1, quiet=True, network__width=8)
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
limit = int(line.split()[1]) * 1024 + (300 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.load(folder + "/train/a.npy").copy()
except MemoryError:
    print("more than memory")
train = ["train", "--dataset", "arrays", "--data", folder, "--output", output, "--epochs", "1", "--seeds", "1"]
print(main([*train, "--set", "network.width=8", "--set", "training.batch_size=512", "--quiet"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is limited and read as on Linux")
def test_a_set_that_is_larger_than_memory_may_be_is_trained_on(tmp_path):
    pytest.importorskip("resource", reason="no limit of memory on this system")
    (tmp_path / "big" / "train").mkdir(parents=True)
    for name in ("a", "b"):
        array = np.lib.format.open_memmap(
            tmp_path / "big" / "train" / f"{name}.npy", mode="w+", dtype=np.float32, shape=(32_000, 2560)
        )
        array[::100] = np.random.default_rng(0).normal(size=(320, 2560))
        del array
    script = [sys.executable, "-c", _TRAINING, tmp_path / "big", tmp_path / "run"]
    finished = subprocess.run(script, capture_output=True, text=True)
    lines = finished.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("more than memory", "0"), finished.stderr
    assert (tmp_path / "run" / "seed-1" / "model.safetensors").is_file()


def test_folders_without_train_are_refused(tmp_path, shards):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no \.npy file"):
        NpzArrays.load(str(tmp_path / "empty"))
    for path in shards.glob("train/*.tar"):
        path.unlink()
    with pytest.raises(InputError, match="has shards of valid, test, but none of train"):
        NpzArrays.load(str(shards))


def test_an_address_says_what_to_do():
    with pytest.raises(InputError, match="fetch the shards into FOLDER/train/"):
        NpzArrays.load("https://host/train-{000..010}.tar")


def test_an_npz_is_held_in_memory(tmp_path, tiny_arrays):
    write_npz(tmp_path / "a.npz", tiny_arrays)
    values = NpzArrays.load(str(tmp_path / "a.npz")).train.columns["table"].values
    assert isinstance(values, torch.Tensor)
