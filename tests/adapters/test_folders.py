"""A folder of ``.npy`` files or shards trains as the same arrays in memory do, and is not copied into memory."""

import io
import os
import shutil
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
from coral_plugin.bench.fingerprints import _key
from coral_plugin.cli.data import files
from coral_plugin.cli.main import main
from coral_plugin.data import from_arrays
from coral_plugin.data.stored import StoredValues
from coral_plugin.errors import InputError
from coral_plugin.io.npz import write_npz
from coral_plugin.runs.settings import make_settings
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


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_links_to_folders_are_followed(folder, tmp_path, split):
    wanted = NpzArrays.load(str(folder)).fingerprint
    (folder / split).rename(tmp_path / "elsewhere")
    (folder / split).symlink_to(tmp_path / "elsewhere")
    (folder / split / "back").symlink_to(folder)  # is not walked for ever
    assert NpzArrays.load(str(folder)).fingerprint == wanted
    settings = make_settings("coral", "arrays", data=str(folder))
    before = _key(settings)
    array = np.load(folder / split / "table.npy")
    np.save(tmp_path / "elsewhere" / "table.npy", np.concatenate([array, array]))
    assert _key(settings) != before
    (folder / split / "back").unlink()
    assert sum("table.npy" in line for line in files(folder, verbose=True)) == 3


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


def in_two(place, data, *, die=-1):
    """Train in two processes of torchrun, which starts both again when one dies.

    Returns the weights, and what the first and the second start read: ``{step: [rows by process and modality]}``.
    """
    place.mkdir()
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1",
        Path(__file__).with_name("train_counted.py"), place, die, "train", "--dataset", "arrays", "--data", data,
        "--output", place / "run", "--seeds", "1", "--epochs", "3", "--set", "training.checkpoint_seconds=0",
        "--device", "cpu", "--resume", *FLAGS,
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "TORCHELASTIC"))}
    environment |= {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    starts = {}, {}
    for number, steps in enumerate(starts):
        for path in place.glob(f"start-{number}-rank-*.txt"):
            for line in path.read_text().splitlines():
                step, *rows = map(int, line.split())
                steps.setdefault(step, []).append(rows)
    return load_file(place / "run" / "seed-1" / "model.safetensors"), *starts


def assert_once(steps):
    """In each of three epochs of three steps every sample of the 24 is read once, all its modalities with it."""
    assert sorted(steps) == list(range(9))
    for epoch in range(3):
        reads = [rows for step in range(3 * epoch, 3 * epoch + 3) for rows in steps[step]]
        assert sorted(map(len, reads)) == [4] * 18  # two processes, three modalities, three steps
        assert sorted(row for rows in reads for row in rows) == sorted([*range(24)] * 3)


@pytest.mark.slow
def test_two_processes_read_every_sample_once_and_after_a_kill_give_the_same_bits(shards, folder, tmp_path):
    """Shards train straight through; with the same samples in files, a process is killed on the way."""
    for path in (shards, folder):
        shutil.rmtree(path / "test")  # then there is nothing to score
    wanted, steps, no_steps = in_two(tmp_path / "straight", shards)
    assert_once(steps)
    assert not no_steps
    weights, before, after = in_two(tmp_path / "killed", folder, die=4)
    assert 0 < min(after) <= max(before) <= 4
    assert_once({step: rows for step, rows in before.items() if step < min(after)} | after)
    assert all(torch.equal(weights[name], weight) for name, weight in wanted.items())


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
    assert (tmp_path / "killed" / "seed-1" / "last.ckpt").is_file()
    again = []
    monkeypatch.setattr(BatchLoader, "batch", lambda loader, step: [again.append(step), batch(loader, step)][1])
    data = NpzArrays.load(str(request.getfixturevalue(layout)))
    resumed = fit(data, epochs=3, seeds=1, output=tmp_path / "killed", resume=True, **often)
    assert (steps, again) == ([0, 1, 2, 3, 4], [4, 5, 6, 7, 8]), "no step is done twice"
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

from coral_plugin.cli.main import main

folder, warm, output = sys.argv[1:]
train = ["train", "--dataset", "arrays", "--epochs", "1", "--seeds", "1", "--quiet"]
train += ["--set", "network.width=8", "--set", "training.batch_size=512"]
# the same command on little data: libraries, threads and their memory are there before the limit is
assert main([*train, "--data", warm, "--output", output + "-warm"]) == 0
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
limit = int(line.split()[1]) * 1024 + (450 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.load(folder + "/train/a.npy").copy()
except MemoryError:
    print("more than memory")
print(main([*train, "--data", folder, "--output", output]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is limited and read as on Linux")
def test_a_set_that_is_larger_than_memory_may_be_is_trained_on(tmp_path):
    pytest.importorskip("resource", reason="no limit of memory on this system")
    values = np.random.default_rng(0).normal(size=(1024, 2560)).astype(np.float32)
    for folder, count in (("big", 48_000), ("warm", 1024)):
        (tmp_path / folder / "train").mkdir(parents=True)
        for name in ("a", "b"):
            path = tmp_path / folder / "train" / f"{name}.npy"
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, 2560))
            array[:: count // 1000] = values[: len(array[:: count // 1000])]
            del array
    script = [sys.executable, "-c", _TRAINING, tmp_path / "big", tmp_path / "warm", tmp_path / "run"]
    finished = subprocess.run(script, capture_output=True, text=True)
    lines = finished.stdout.splitlines()
    assert "more than memory" in lines
    assert lines[-1] == "0", finished.stderr
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


@pytest.mark.parametrize("name", ["val-0.tar", "dev/0.tar"])
def test_shards_of_no_split_are_named(shards, name):
    (shards / name).parent.mkdir(exist_ok=True)
    shutil.copy(next((shards / "train").glob("*.tar")), shards / name)
    with pytest.raises(InputError, match=rf"{name} belongs to no split; name it train\*.tar, valid\*.tar, test\*.tar"):
        NpzArrays.load(str(shards))


def test_an_archive_beside_npy_files_is_no_shard(folder):
    with tarfile.open(folder / "download.tar", "w"):
        pass
    assert len(NpzArrays.load(str(folder)).train) == 24
