"""HDF5 without trust: only numbers that lie in the file itself, and no more than it holds."""

import sys

import h5py
import numpy as np
import pytest

from coral_plugin.errors import InputError, MachineError, PluginError
from coral_plugin.io.hdf5 import dataset_of, group_of, member_names, open_hdf5, read_array


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(12.0).reshape(3, 4)
        file["words"] = np.array([b"a", b"b"])
        file["empty"] = np.zeros((0, 4))
        file["group/inner"] = np.ones(2)
        file["outside"] = h5py.ExternalLink("other.h5", "numbers")
        file["soft"] = h5py.SoftLink("/numbers")
        file.create_dataset("hole", (10**6, 10**6), np.float32, chunks=(1, 10**4))
        file.create_dataset("passwd", (5,), np.uint8, external=[("/etc/passwd", 0, 5)])
    return path


def test_numbers_are_read(path):
    with open_hdf5(path, "x") as file:
        result = dataset_of(file, "numbers", "x", (None, 4))
        np.testing.assert_array_equal(read_array(result, "x"), np.arange(12.0).reshape(3, 4))
        assert dataset_of(group_of(file, "group", "x"), "inner", "x").shape == (2,)
        assert member_names(file).startswith("empty, group, hole")
        assert dataset_of(file, "words", "x", kinds="S").dtype.kind == "S"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("none", "x lacks none; it has empty"),
        ("group", "x lacks group"),
        ("words", "only numbers are admitted"),
        ("empty", "empty is empty"),
        ("outside", "is a link to somewhere else"),
        ("soft", "is a link to somewhere else"),
        ("hole", "claims shape .* but holds 0: it was not written to its end"),
        ("passwd", "takes its values from other files"),
    ],
)
def test_refused(path, key, message):
    with open_hdf5(path, "x") as file, pytest.raises(InputError, match=message):
        dataset_of(file, key, "x")


def test_shapes_and_groups(path):
    with open_hdf5(path, "x") as file:
        with pytest.raises(InputError, match=r"numbers has shape \(3, 4\), expected any x 5"):
            dataset_of(file, "numbers", "x", (None, 5))
        with pytest.raises(InputError, match="x has no group 'numbers'"):
            group_of(file, "numbers", "x")


def test_memory(path, monkeypatch):
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 10)
    with open_hdf5(path, "x") as file, pytest.raises(MachineError, match="this takes"):
        read_array(dataset_of(file, "numbers", "x"), "x")


@pytest.mark.parametrize("kept", [9, 60, 400, 1000, -20])
def test_a_file_that_is_cut_off(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"is cut off or damaged \(.*\); fetch it again"), open_hdf5(path, "x") as file:
        dataset_of(file, "numbers", "x")[()]


def test_damaged_values_are_one_line(tmp_path):
    """A checksum in the file tells."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("numbers", data=np.arange(1000.0), chunks=(1000,), fletcher32=True)
    content = bytearray(path.read_bytes())
    at = content.find(np.arange(500.0, 504.0).tobytes())
    content[at] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="is cut off or damaged") as caught, open_hdf5(path, "x") as file:
        read_array(dataset_of(file, "numbers", "x"), "x")
    assert "\n" not in str(caught.value)


def test_without_h5py(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(PluginError, match=r"pip install 'coral-multibench\[multibench\]'"), open_hdf5(path, "x"):
        pass


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
def test_values_that_are_declared_missing(tmp_path, monkeypatch, name):
    """As netCDF4 writes them, which is HDF5; looked for piece by piece."""
    monkeypatch.setattr("coral_plugin.io.hdf5._PIECE", 7)
    values = np.ones((5, 4), dtype=np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for key in ("whole", "holes"):
            file[key] = values
            file[key].attrs[name] = np.array([1e20], dtype=np.float32)
        file["holes"][2, 1] = file["holes"][4, 3] = 1e20
    with open_hdf5(tmp_path / "x.h5", "x") as file:
        assert dataset_of(file, "whole", "x").shape == (5, 4)
        with pytest.raises(
            InputError, match=rf"x: holes has 2 of 20 values that its attribute {name} .* missing; fill"
        ):
            dataset_of(file, "holes", "x")
