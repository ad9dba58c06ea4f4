"""Bad files are one clear line; written files are whole or not there."""

import errno
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from coral_plugin import files
from coral_plugin.errors import CoralError, InputError, MachineError
from coral_plugin.files import (
    cache_folder,
    read_json,
    read_npz,
    read_text,
    write_aside,
    write_json,
    write_npz,
    write_text,
)

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
        (npy(np.ones(3)), "single .npy array; put it into an .npz under its key"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page that was saved instead of the data"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer.* 'git lfs pull'"),
        (pickle.dumps({"a": 1}, protocol=2), "is a pickle, which can run code"),
        (pickle.dumps({"a": 1}), "is a pickle, which can run code"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"\x89HDF\r\n", r"is not an .npz file \(it begins with"),
        (b"anything else", r"is not an .npz file \(it begins with b'anything'\)"),
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
    monkeypatch.setattr(files, "MAX_MEMBERS", 2)
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
    monkeypatch.setattr(os, "sysconf", lambda name: 50)
    with pytest.raises(MachineError, match="GiB of memory; this machine has"):
        read_npz(tmp_path / "data.npz")
    monkeypatch.undo()

    def exhaust(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhaust)
    with pytest.raises(MachineError, match="which are not free"):
        read_npz(tmp_path / "data.npz")


def test_a_missing_file_is_answered(tmp_path):
    (tmp_path / "mosi_raw.npz").touch()
    with pytest.raises(InputError, match=r"There is no file .*mosi\.npz\. Did you mean .*mosi_raw\.npz\?"):
        read_npz(tmp_path / "mosi.npz")
    with pytest.raises(InputError, match=r"Its folder .*nowhere does not exist either"):
        read_npz(tmp_path / "nowhere" / "mosi.npz")
    with pytest.raises(InputError, match=r"There is no file .*zzz\.$"):
        read_text(tmp_path / "zzz")


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_npz(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="is a pipe or device"):
            read_npz(path)
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "data.npz", tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(InputError, match="cannot be read"):
            read_npz(path)


@pytest.mark.parametrize(("code", "kind"), [(errno.EACCES, InputError), (errno.EIO, MachineError)])
def test_what_cannot_be_read(tmp_path, monkeypatch, code, kind):
    (tmp_path / "data.npz").write_bytes(GOOD)

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refuse)
    for read in (read_npz, read_json):
        with pytest.raises(CoralError, match=f"cannot be read: {os.strerror(code).lower()}") as caught:
            read(tmp_path / "data.npz")
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    "save", [write_npz, lambda path, arrays: np.savez_compressed(path, a=1, **{"b/c": arrays["one"]})]
)
def test_npz_round_trip(tmp_path, save):
    save(tmp_path / "data.npz", ARRAYS)
    found = read_npz(str(tmp_path / "data.npz"))
    if save is write_npz:
        assert list(found) == list(ARRAYS)
        assert all(
            np.array_equal(found[key], value) and found[key].dtype == value.dtype for key, value in ARRAYS.items()
        )
        with np.load(tmp_path / "data.npz") as theirs:
            assert set(theirs) == set(ARRAYS)
        write_npz(tmp_path / "again.npz", ARRAYS)
        assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "data.npz").read_bytes()
    else:
        assert {key: int(value) for key, value in found.items()} == {"a": 1, "b/c": 3}


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


def test_json_round_trip(tmp_path):
    value = {"z": [1, 2.5, None], "a": {"Größe": np.float32(0.5), "n": np.arange(2), "path": Path("x")}}
    write_json(tmp_path / "deep" / "x.json", value)
    text = (tmp_path / "deep" / "x.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "deep" / "x.json") == {
        "z": [1, 2.5, None],
        "a": {"Größe": 0.5, "n": [0, 1], "path": "x"},
    }
    assert text.startswith('{\n  "z": [\n')
    assert text.endswith("}\n")


def test_json_has_no_nan(tmp_path):
    for value in ({"a": {"b": [1.0, float("nan")]}}, {"a": {"b": np.array([0, np.inf])}}):
        with pytest.raises(InputError, match=r"x\.json is not written: a\.b\[1\] is not a finite number"):
            write_json(tmp_path / "x.json", value)
    with pytest.raises(TypeError, match="set has no place in JSON"):
        write_json(tmp_path / "x.json", {"a": {1}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,}', "is not valid JSON: .*line 1"),
        (b"", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"\xff\xfe\x00", "is not a text file in UTF-8"),
    ],
)
def test_broken_json(tmp_path, content, message):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "x.json")


def test_text_round_trip(tmp_path):
    write_text(tmp_path / "x.csv", "ä,b\n1,2\n")
    assert (tmp_path / "x.csv").read_bytes() == "ä,b\n1,2\n".encode()
    assert read_text(tmp_path / "x.csv") == "ä,b\n1,2\n"
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfa")
    assert read_text(tmp_path / "x.csv") == "a", "the mark that Windows editors put in front"


@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt, GeneratorExit, InputError])
def test_trouble_leaves_the_old_file_and_nothing_else(tmp_path, trouble):
    path = tmp_path / "x.txt"
    write_text(path, "old")

    def half():
        with write_aside(path) as aside:
            assert (aside.parent, aside.suffix) == (tmp_path, ".txt")
            aside.write_text("half")
            raise trouble("stop")

    with pytest.raises(trouble):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_killed_half_way_leaves_no_file(tmp_path):
    code = """
import os, sys
from coral_plugin.files import write_aside
with write_aside(sys.argv[1]) as aside:
    aside.write_text("half")
    print(flush=True)
    sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "x.txt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "x.txt").exists()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "x.json").symlink_to(tmp_path / "store" / "x.json")
    write_json(tmp_path / "x.json", [1])
    assert (tmp_path / "x.json").is_symlink()
    assert json.loads((tmp_path / "store" / "x.json").read_text()) == [1]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (errno.ENOSPC, MachineError, "no space left on device; free some space or write elsewhere"),
        (errno.EACCES, MachineError, "cannot be written: permission denied; give another place"),
        (errno.EROFS, MachineError, "read-only file system"),
        (errno.EIO, MachineError, "input/output error"),
    ],
)
def test_what_the_machine_refuses(tmp_path, monkeypatch, code, kind, message):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(kind, match=rf"x\.txt .*{message}"):
        write_text(tmp_path / "x.txt", "a")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_that_a_library_reports_in_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: files.shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(MachineError, match="no space left"), write_aside(tmp_path / "x.pt"):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0")


def test_places_that_cannot_hold_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        write_text(tmp_path, "a")
    with pytest.raises(InputError, match="is a device"):
        write_text("/dev/null", "a")
    assert not Path("/dev/null").is_file()
    for path in (tmp_path / "file" / "x.txt", "/proc/x.txt", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot be written"):
            write_text(path, "a")


def test_cache_folder(monkeypatch):
    for name in ("CORAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/coral-multibench")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/coral-multibench")
    monkeypatch.setenv("CORAL_CACHE", "/y")
    assert cache_folder() == Path("/y")
