"""A bad .npz is one clear line, whatever is wrong with it; a written one reads back as it was."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from coral_plugin.errors import InputError, MachineError
from coral_plugin.io import npz
from coral_plugin.io.npz import read_npz, write_npz

ARRAYS = {"train/a": np.arange(6, dtype=np.float32).reshape(2, 3), "file": np.array(["x", "yy"]), "one": np.array(3)}


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(shape, dtype="<f4", version=(1, 0)):
    stream = io.BytesIO()
    write = np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    write(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(members, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return stream.getvalue()


GOOD = archive({"a.npy": npy(np.arange(1000.0))})
# one bit of the values, not of a header
FLIPPED = GOOD[:500] + bytes([GOOD[500] ^ 1]) + GOOD[501:]
# the flag in the directory says that a password is needed
ENCRYPTED = bytearray(archive({"a.npy": npy(np.ones(2))}))
ENCRYPTED[ENCRYPTED.index(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (npy(np.ones(3)), r"a single NumPy array \(.npy\). Expected an .npz of arrays, as np.savez\(FILE"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page that was saved instead of the data"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer.* 'git lfs pull'"),
        (pickle.dumps({"a": 1}, protocol=2), "is a pickle. Expected an .npz"),
        (pickle.dumps({"a": 1}), "is a pickle. Expected an .npz"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file. Expected an .npz"),
        (b"anything else", "is plain text. Expected an .npz"),
        (GOOD[: len(GOOD) // 2], "is cut off or damaged"),
        (GOOD[:-3], "is cut off or damaged"),
        (FLIPPED, r"a is damaged \(Bad CRC-32"),
        (archive({}), "holds 0 arrays"),
        (archive({"data.pkl": b"x", "a.npy": npy(np.ones(2))}), "holds 'data.pkl', which is no array of an .npz"),
        (archive({"../a.npy": npy(np.ones(2))}), r"holds '\.\./a\.npy', which is no array"),
        (archive({"a\nb.npy": npy(np.ones(2))}), r"holds 'a\\nb.npy'"),
        (archive({".npy": npy(np.ones(2))}), r"holds '\.npy'"),
        (archive({"a.npy": npy(np.array([{}], dtype=object))}), "a holds Python objects, which can run code"),
        (archive({"a.npy": b"no header at all"}), "a is damaged .*magic string"),
        (archive({"a.npy": b""}), "a is damaged"),
        (archive({"a.npy": header((10**15,)) + bytes(40)}), r"claims shape \(1000000000000000,\) of float32.*holds 40"),
        (archive({"a.npy": header((10**15,), version=(2, 0)) + bytes(40)}), "claims shape"),
        (archive({"a.npy": header((2,)) + bytes(12)}), r"claims shape \(2,\) of float32, 8 bytes, but holds 12"),
        (archive({"a.npy": header((-1, -2)) + bytes(8)}), r"claims shape \(-1, -2\)"),
        (archive({"a.npy": header((2,), "<q9")}), "a is damaged"),
        (archive({"a.npy": npy(np.ones(9))}, compression=zipfile.ZIP_LZMA), "compressed in an unusual way"),
        (bytes(ENCRYPTED), "is encrypted"),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_npz(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as zipped:
        for _ in range(2):
            zipped.writestr("a.npy", npy(np.ones(2)))
    with pytest.raises(InputError, match="is there twice"):
        read_npz(tmp_path / "data.npz")


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "MAX_MEMBERS", 2)
    (tmp_path / "data.npz").write_bytes(archive({f"{i}.npy": npy(np.ones(1)) for i in range(3)}))
    with pytest.raises(InputError, match="holds 3 arrays; 1 to 2 are read"):
        read_npz(tmp_path / "data.npz")


def test_a_member_that_claims_more_than_the_file_can_hold(tmp_path):
    """The directory of the zip lies in step with the header of the array: 4 PB."""
    count = 10**15
    content = bytearray(archive({"a.npy": header((count,)) + bytes(40)}))
    entry = content.index(b"PK\x01\x02")
    name, size = b"a.npy", 128 + 4 * count
    extra = struct.pack("<HHQ", 1, 8, size)
    content[entry + 24 : entry + 28] = b"\xff" * 4
    content[entry + 30 : entry + 32] = struct.pack("<H", len(extra))
    content[entry + 46 + len(name) : entry + 46 + len(name)] = extra
    end = content.index(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<L", end - entry)
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InputError, match="claims to unpack to 4000000000000128 bytes, more than its size allows"):
        read_npz(tmp_path / "data.npz")


def test_more_than_the_machines_memory(tmp_path, monkeypatch):
    (tmp_path / "data.npz").write_bytes(GOOD)
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 2500)
    with pytest.raises(MachineError, match="GiB of memory, and this machine has"):
        read_npz(tmp_path / "data.npz")
    monkeypatch.undo()

    def exhaust(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhaust)
    with pytest.raises(MachineError, match="which are not free"):
        read_npz(tmp_path / "data.npz")


@pytest.mark.parametrize(
    "save", [write_npz, lambda path, arrays: np.savez_compressed(path, a=1, **{"b/c": arrays["one"]})]
)
def test_npz_round_trip(tmp_path, save):
    save(tmp_path / "data.npz", ARRAYS)
    result = read_npz(str(tmp_path / "data.npz"))
    if save is write_npz:
        assert list(result) == list(ARRAYS)
        assert all(
            np.array_equal(result[key], value) and result[key].dtype == value.dtype for key, value in ARRAYS.items()
        )
        with np.load(tmp_path / "data.npz") as theirs:
            assert set(theirs) == set(ARRAYS)
        write_npz(tmp_path / "again.npz", ARRAYS)
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "data.npz").read_bytes()
    else:
        assert {key: int(value) for key, value in result.items()} == {"a": 1, "b/c": 3}


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(9)[::2]])
def test_npz_of_odd_arrays(tmp_path, array):
    write_npz(tmp_path / "data.npz", {"a": array})
    assert np.array_equal(read_npz(tmp_path / "data.npz")["a"], array)


def test_npz_that_could_not_be_read_again(tmp_path):
    with pytest.raises(InputError, match="array 'a' holds Python objects"):
        write_npz(tmp_path / "data.npz", {"a": np.array([None])})
    with pytest.raises(InputError, match=r"array '\.\./a' has a name"):
        write_npz(tmp_path / "data.npz", {"../a": np.ones(1)})
    assert list(tmp_path.iterdir()) == []
