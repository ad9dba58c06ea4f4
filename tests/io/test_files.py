"""Bad files are one clear line; written files are whole or not there."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coral_plugin.errors import CoralError, InputError, MachineError
from coral_plugin.io import files
from coral_plugin.io.files import (
    cache_folder,
    read_json,
    read_text,
    write_aside,
    write_json,
    write_text,
)
from coral_plugin.io.npz import read_npz


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
    (tmp_path / "data.npz").touch()

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refuse)
    for read in (read_npz, read_json):
        with pytest.raises(CoralError, match=f"cannot be read: {os.strerror(code).lower()}") as caught:
            read(tmp_path / "data.npz")
        assert type(caught.value) is kind


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
from coral_plugin.io.files import write_aside
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
