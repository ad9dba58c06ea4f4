"""Files as they arrive: cut off, saved as a web page, of another data set. Each is one line and status 2."""

import gzip
import pickle
import re

import numpy as np
import pytest

from coral_plugin.io.npz import write_npz

from . import formats

HTML = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"


def pkl(change=None, dataset="mosi"):
    def write(folder):
        content = formats.mimic() if dataset == "mimic" else formats.affect()
        return formats.save(folder / "x.pkl", (change(content) or content) if change else content)

    return write


def blob(content, name="x.pkl"):
    def write(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return write


def tree(change):
    def write(folder):
        place = formats.avmnist(folder / "avmnist")
        change(place)
        return place

    return write


def replace(path, content):
    return lambda place: (place / path).write_bytes(content)


def array(path, values):
    return lambda place: np.save(place / path, values, allow_pickle=True)


def cut(path, size):
    def change(place):
        (place / path).write_bytes((place / path).read_bytes()[:size])

    return change


def changed_bank(**changes):
    def write(folder):
        path = formats.bank(folder / "avmnist_mini.npz")
        with np.load(path) as arrays:
            held = dict(arrays)
        for key, value in changes.items():
            if value is None:
                del held[key]
            else:
                held[key] = value
        write_npz(path, held)
        return path

    return write


def put(split, key, value):
    def change(content):
        content[split][key] = value

    return change


def nan(content):
    content["test"]["vision"][2, 6, 1] = np.nan


def drop(split, key):
    def change(content):
        del content[split][key]

    return change


def half(data):
    return data[: len(data) // 2]


WHOLE = pickle.dumps(formats.affect())
CASES = {
    "no such file": ("mosi", lambda folder: folder / "none.pkl", "There is no file"),
    "empty file": ("mosi", blob(b""), "is empty"),
    "cut off": ("mosi", blob(half(WHOLE)), "is cut off"),
    "web page": ("mosi", blob(HTML), "a web page that was saved instead of the data"),
    "web page behind blanks": ("mimic", blob(b"\r\n  <html>"), "a web page"),
    "LFS pointer": ("mosi", blob(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
    "gzip": ("mosi", blob(gzip.compress(WHOLE)), "compressed with gzip; unpack it first"),
    "HDF5": ("mosei", blob(b"\x89HDF\r\n\x1a\n" + bytes(80)), "is an HDF5 file"),
    "text": ("mosi", blob(b"vision,audio\n1,2\n"), "is plain text"),
    "JSON": ("mosi", blob(b'{"error": "denied"}'), "is JSON text"),
    "folder": ("mosi", lambda folder: folder, "is a folder"),
    "zip of arrays": ("mosi", lambda folder: formats.bank(folder / "x.npz"), "is a zip archive"),
    "list": ("mosi", pkl(lambda content: [content]), "holds a list"),
    "MIMIC as MOSI": ("mosi", pkl(dataset="mimic"), "is MultiBench's MIMIC file; read it with --dataset mimic"),
    "MOSI as MIMIC": ("mimic", pkl(), "holds train, valid, test"),
    "no test split": ("mosi", pkl(lambda content: {k: content[k] for k in ("train", "valid")}), "has no split test"),
    "no labels": ("mosi", pkl(drop("valid", "labels")), "valid lacks labels; it has vision, audio, text, id"),
    "no text in test": ("mosi", pkl(drop("test", "text")), "test lacks text"),
    "other keys": ("mosi", pkl(lambda content: {s: {"raw_text": 1} for s in content}), "train holds raw_text"),
    "NaN": ("mosi", pkl(nan), r"1 value that is not finite \(nan\) at \[2, 6, 1\]"),
    "two dimensions": ("mosi", pkl(put("train", "text", np.ones((12, 5)))), r"train/text has shape \(12, 5\)"),
    "unequal numbers": ("mosi", pkl(put("train", "audio", np.ones((11, 7, 3)))), "unequal numbers of samples"),
    "unequal features": ("mosi", pkl(put("test", "text", np.ones((6, 7, 9)))), "all splits need one size"),
    "steps that are not aligned": ("mosi", pkl(put("train", "audio", np.ones((12, 9, 3)))), "source.align=false"),
    "texts for numbers": ("mosi", pkl(put("train", "text", np.array(["a"] * 12))), "only numbers are admitted"),
    "no text at all": ("mosi", pkl(put("valid", "text", np.zeros((6, 7, 5)))), "no sample of valid has any text"),
    "one class": ("mosi", pkl(put("train", "labels", np.ones((12, 1, 1)))), "one class only"),
    "samples of other sizes": ("mosi", pkl(put("train", "text", [np.ones((2, 5)), np.ones((2, 4))] * 6)), "with one d"),
    "MIMIC of unequal lengths": (
        "mimic",
        pkl(lambda c: c | {"y_icd9": c["y_icd9"][:50]}, "mimic"),
        "unequal numbers of samples: .*y_icd9 50",
    ),
    "MIMIC without groups": ("mimic", pkl(lambda c: c | {"y_icd9": np.ones(60, int)}, "mimic"), "there is no group 7"),
    "folder without arrays": ("avmnist", lambda folder: folder, "holds neither image/train_data.npy nor avmnist_mini"),
    "folder without test labels": ("avmnist", tree(lambda p: (p / "test_labels.npy").unlink()), "There is no file"),
    "array that is cut off": ("avmnist", tree(cut("audio/train_data.npy", 9000)), "is cut off or damaged"),
    "array with a cut header": ("avmnist", tree(cut("train_labels.npy", 40)), "damaged header"),
    "web page for an array": ("avmnist", tree(replace("image/test_data.npy", HTML)), "a web page that was saved"),
    "array of objects": ("avmnist", tree(array("train_labels.npy", np.array([{}] * 40))), "holds Python objects"),
    "array of another size": ("avmnist", tree(array("image/test_data.npy", np.ones((10, 700)))), "expected 28 x 28"),
    "fewer labels": ("avmnist", tree(array("test_labels.npy", np.ones(9, int))), "must be equal and not 0"),
    "labels above nine": ("avmnist", tree(array("test_labels.npy", np.full(10, 12))), "digits from 0 to 9"),
    "grey values above 255": ("avmnist", tree(array("image/test_data.npy", np.full((10, 784), 999.0))), "0 to 255"),
    "NaN among pixels": ("avmnist", tree(array("image/test_data.npy", np.full((10, 784), np.nan))), "grey values are"),
    "gigantic array": (
        "avmnist",
        tree(replace("train_labels.npy", b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, "
                     b"'shape': (999999999999,)}   \n")),
        "claims shape .*cut off or damaged|damaged header",
    ),
    "bank without recordings": ("avmnist", changed_bank(audio_bank=None), "lacks audio_bank"),
    "bank with a wrong index": ("avmnist", changed_bank(test_audio_index_rec=np.full(10, 99)), "rows of audio_bank"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_broken_file_is_one_line(case, tmp_path, coral):
    dataset, write, message = CASES[case]
    path = write(tmp_path)
    output = tmp_path / "run"
    status, out, err = coral("train", "--dataset", dataset, "--data", path, "--output", output, "--quiet")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert str(tmp_path) in err
    assert not output.exists()
    assert re.search(message, err), err


@pytest.mark.parametrize("dataset", ["mosi", "humor", "mimic", "avmnist"])
def test_no_path_says_what_to_give(dataset, coral):
    status, _, err = coral("train", "--dataset", dataset, "--quiet")
    assert status == 2
    assert "give --data" in err
    assert "MultiBench's" in err
