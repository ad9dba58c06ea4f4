"""``coral data check``: kind, sizes, shapes, NaN, labels and sha256 of files of every known kind."""

import hashlib
import pickle

import numpy as np
import pytest

from coral_plugin.cli.data import files, histogram


@pytest.fixture
def affect(tmp_path):
    rng = np.random.default_rng(0)
    table = {"vision": rng.normal(size=(6, 4, 3)), "text": rng.normal(size=(6, 4, 2)), "labels": np.arange(6.0) - 2}
    path = tmp_path / "mosi_raw.pkl"
    path.write_bytes(pickle.dumps({split: dict(table) for split in ("train", "valid", "test")}))
    return path


def test_a_pickle(coral, affect):
    status, out, err = coral("data", "check", affect)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith(f"sha256 {hashlib.sha256(affect.read_bytes()).hexdigest()}")
    assert f"{affect.stat().st_size:,} bytes" in lines[0]
    assert "affect pickle, vision, text (3, 2)" in lines[1]
    assert any(line.startswith("  train/vision  float64  6 x 4 x 3") for line in lines)
    assert "  labels of test: -2: 1, -1: 1, 0: 1, 1: 1, 2: 1, 3: 1" in lines


def test_a_folder_has_one_line_unless_its_files_are_asked_for(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (tmp_path / name).write_text("hello")
    assert list(files(tmp_path, verbose=False)) == [
        f"{tmp_path}  3 files  15 bytes  (--verbose lists them with their sha256)"
    ]
    listed = list(files(tmp_path, verbose=True))
    assert [line.split("  ")[0] for line in listed] == [
        str(tmp_path / name) for name in ("a.txt", "b.txt", "sub/c.txt")
    ]
    assert listed[2].endswith(f"5 bytes  sha256 {hashlib.sha256(b'hello').hexdigest()}")


def test_what_training_would_see(coral, affect):
    for flags in (["--dataset", "mosi"], []):
        status, out, _ = coral("data", "check", affect, *flags)
        assert status == 0
        assert "as mosi: fingerprint " in out
        assert "  text: series, up to 4 steps x 2 features, 0 % padded (kind sequence), float32\n" in out


def test_arrays(coral, npz):
    status, out, _ = coral("data", "check", npz)
    assert status == 0
    assert "coral train --dataset arrays" in out
    assert "labels of train: 0: 20, 1: 20, 2: 20" in out
    assert "as arrays: fingerprint " in out


def test_nan_is_counted(coral, tmp_path):
    series = np.ones((20, 24, 12))
    series[3, 4, 5] = np.nan
    series[0, 0, 0] = np.inf
    content = {
        "ep_tdata": series, "adm_features_all": np.ones((20, 5)), "adm_labels_all": np.zeros((20, 6)),
        "y_icd9": np.eye(20, dtype=int),
    }  # fmt: skip
    (tmp_path / "im.pk").write_bytes(pickle.dumps(content))
    status, out, _ = coral("data", "check", tmp_path / "im.pk")
    assert status == 0
    assert "ep_tdata  float64  20 x 24 x 12  1 to 1  1 NaN  1 infinite" in out


def test_what_cannot_be_trained_on_is_said_beside_what_it_holds(coral, tmp_path):
    np.savez(tmp_path / "x.npz", **{"train/a": np.array([[1.0, np.nan], [1.0, 2.0]])})
    status, out, err = coral("data", "check", tmp_path / "x.npz")
    assert (status, err) == (1, "")
    assert "train/a  float64  2 x 2  1 to 2  1 NaN" in out
    assert "as arrays it cannot be trained on as it is: x: train/a holds 1 value that is not finite" in out
    assert coral("data", "check", tmp_path / "x.npz", "--dataset", "arrays")[0] == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.pkl", b"<html>", "a web page that was saved instead"),
        ("x.pkl", pickle.dumps({"a": 1}), "a pickle with a, which no data set of this package is kept in"),
        ("x.bin", bytes(range(256)), "of no kind that is known here"),
        ("x.txt", b"hello", "is plain text"),
        ("x.pkl", pickle.dumps({"train": np.ones(999)})[:700], "is cut off"),
    ],
)
def test_what_cannot_be_read_is_one_line(coral, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    status, out, err = coral("data", "check", tmp_path / name)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_what_to_make_of_own_data_is_said(coral, tmp_path):
    np.savez(tmp_path / "x.npz", acc=np.zeros((3, 2)), ecg=np.zeros((3, 2)))
    (tmp_path / "x.csv").write_text("acc,label\n1,0\n")
    for name in ("x.npz", "x.csv"):
        status, _, err = coral("data", "check", tmp_path / name)
        assert (status, err.count("\n")) == (2, 1)
        assert "your own arrays are read from .npz files, such as numpy.savez('mine.npz', **{'train/a': a" in err


def test_trust_is_the_users_decision(coral, tmp_path):
    import collections

    (tmp_path / "x.pkl").write_bytes(pickle.dumps(collections.Counter("ab")))
    assert "wants collections.Counter" in coral("data", "check", tmp_path / "x.pkl")[2]
    assert "which no data set" in coral("data", "check", tmp_path / "x.pkl", "--trust-pickle")[2]


def test_histogram():
    assert histogram(np.array([[1, 0, 1], [0, 0, 1]])) == "set in 1, 0, 2 of 2"
    assert histogram(np.linspace(0, 1, 101)).startswith("101 values, quartiles 0, 0.25, 0.5, 0.75, 1")
