"""What stands in for fannypack."""

import importlib

import numpy as np
import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.shims.push import SliceWrapper, TrajectoriesFile
from coral_plugin.multibench.shims.push_layers import Conv2d, Linear

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        for i in range(12):  # trajectory10 comes after trajectory2 here
            group = file.create_group(f"trajectory{i}")
            group["pos"] = np.full((3, 2), i)
            group["label"] = np.bytes_(f"run {i}")
    return tmp_path / "t.hdf5"


def test_trajectories_come_in_their_order(path):
    with TrajectoriesFile(str(path)) as file:
        assert len(file) == 12
        assert [int(one["pos"][0, 0]) for one in file] == list(range(12))
        assert file[3]["label"] == "run 3"


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / "x.hdf5").write_text("<html>")
    for name in ("x.hdf5", "none.hdf5"):
        with pytest.raises(InputError, match=f"{name} cannot be read as HDF5"):
            TrajectoriesFile(str(tmp_path / name))


def test_slices_of_dictionaries_and_lists():
    wrapped = SliceWrapper({"a": np.arange(6), "b": np.arange(12).reshape(6, 2)})
    assert len(wrapped) == 6
    assert wrapped[2:4]["b"].tolist() == [[4, 5], [6, 7]]
    assert [int(one["a"]) for one in wrapped] == list(range(6))
    assert wrapped.map(len) == {"a": 6, "b": 6}
    assert SliceWrapper([3, 4, 5])[::-1] == [5, 4, 3]
    assert list(SliceWrapper(np.split(np.arange(4), 2))[0]) == [0, 1]


@pytest.mark.parametrize(("layer", "shape"), [(Linear(4), (2, 4)), (Conv2d(channels=3, kernel_size=5), (2, 3, 8, 8))])
def test_residual_blocks_add_their_input(layer, shape):
    x = torch.randn(shape)
    inner = layer.block2(torch.relu(layer.block1(x)))
    assert torch.allclose(layer(x), torch.relu(inner + x))
    assert {name.partition(".")[0] for name in layer.state_dict()} == {"block1", "block2"}


def test_names_are_where_scripts_look(double):
    with multibench(double) as scope:
        if "fannypack" not in scope.shims:
            pytest.skip("fannypack is installed here")
        fannypack = importlib.import_module("fannypack")
        fannypack.data.set_cache_path("datasets/gentle_push/cache")
        assert fannypack.utils.SliceWrapper is SliceWrapper
        assert importlib.import_module("fannypack.nn").resblocks.Linear is Linear
        with pytest.raises(InputError, match=r"gentle_push_10\.hdf5.*https://x.*--data"):
            fannypack.data.cached_drive_file("gentle_push_10.hdf5", "https://x")
