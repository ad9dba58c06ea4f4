"""HDF5 files, folders and tables as they arrive: each is one line and status 2, in training and in the check."""

import re

import h5py
import numpy as np
import pytest

from . import formats

HTML = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"


def imdb(change=None):
    def write(folder):
        path = formats.imdb(folder / "multimodal_imdb.hdf5", (6, 2, 2), vgg=4, text=5, image=(8, 5))
        if change:
            edit(path, change)
        return path

    return write


def push(change=None, file="1000", folder_change=None):
    def write(folder):
        place = formats.push(folder / "push", counts=(1, 1, 1), steps=24, cached=False)
        if change:
            edit(place / f"gentle_push_{file}.hdf5", change)
        if folder_change:
            folder_change(place)
        return place

    return write


def robotics(change=None, **sizes):
    def write(folder):
        place = formats.robotics(folder / "data", **{"trajectories": 3, "chunks": 1, "steps": 4, "side": 16, **sizes})
        if change:
            change(sorted(place.iterdir())[-1])
        return place

    return write


def mmsdk(change):
    def write(folder):
        place, _ = formats.sequences(folder / "csd", videos=6, holes=False)
        change(place)
        return place

    return write


def enrico(change):
    def write(folder):
        place = formats.enrico(folder / "enrico", count=20, topics=2, corrupt=False)
        change(place)
        return place

    return write


def stocks(change):
    def write(folder):
        place = formats.stocks(folder / "stocks", days=40)
        change(place)
        return place

    return write


def edit(path, change):
    with h5py.File(path, "a") as file:
        change(file)


def put(key, values):
    def change(file):
        if key in file:
            del file[key]
        file[key] = values

    return change


def drop(key):
    def change(file):
        del file[key]

    return change


def blob(content, name="multimodal_imdb.hdf5"):
    def write(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return write


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def halved(write, name=None):
    def again(folder):
        path = write(folder)
        half(next(path.glob(name)) if name else path)
        return path

    return again


def over(name, content):
    return lambda place: (place / name).write_bytes(content)


def claim(file):
    del file["features"]
    file.create_dataset("features", (10, 10**12), np.float64, chunks=(1, 1000))


def external(file):
    del file["features"]
    file.create_dataset("features", (10, 2), np.uint8, external=[("/etc/passwd", 0, 20)])


def linked(file):
    del file["features"]
    file["features"] = h5py.ExternalLink("/etc/passwd", "features")


def virtual(file):
    layout = h5py.VirtualLayout((10, 5), np.float32)
    layout[:] = h5py.VirtualSource("other.hdf5", "x", (10, 5))
    del file["features"]
    file.create_virtual_dataset("features", layout)


def cut_split(file):
    table = file.attrs["split"]
    table["stop"] = 99
    file.attrs["split"] = table


def backwards(file):
    key = "COVAREP/data/video_00/intervals"
    put(key, file[key][()][:, ::-1])(file)


def narrower(file):
    key = "COVAREP/data/video_02/features"
    put(key, file[key][()][:, :2])(file)


def rename(old, new):
    return lambda place: (place / old).rename(place / new)


def copy(old, new):
    return lambda place: (place / new).write_bytes((place / old).read_bytes())


# data set, what is written, what training says, what the check says where it is something else
CASES = {
    "no such file": ("imdb", lambda folder: folder / "none.hdf5", "There is no file", None),
    "web page": ("imdb", blob(HTML), "a web page that was saved instead of the data", None),
    "LFS pointer": ("imdb", blob(LFS), "git lfs pull", None),
    "empty file": ("imdb", blob(b""), "is empty", None),
    "a signature alone": ("imdb", blob(b"\x89HDF\r\n\x1a\n" + bytes(200)), "is cut off or damaged", None),
    "cut off": ("imdb", halved(imdb()), "is cut off or damaged", None),
    "pickle": ("imdb", lambda f: formats.save(f / "x", {"genres": 1}), "is a pickle. Expected MM-IMDb's", "a pickle"),
    "other HDF5": ("imdb", blob(b"", "y") and (lambda f: formats.push(f / "p") and next((f / "p").iterdir())),
                   "lacks genres; it has trajectory0", "gentle push"),
    "no genres": ("imdb", imdb(drop("genres")), "lacks genres; it has features, images", "no data set of this"),
    "genres of two": ("imdb", imdb(put("genres", np.full((10, 3), 2))), "genres must be 0 or 1, got 2 to 2", None),
    "names that do not fit": ("imdb", imdb(lambda f: f["genres"].attrs.__setitem__("target_names", '["a"]')),
                              "does not give 23 different names", None),
    "splits past the end": ("imdb", imdb(cut_split), "its attribute 'split' gives", None),
    "fewer features": ("imdb", imdb(put("features", np.ones((9, 5)))), r"features has shape \(9, 5\), exp", None),
    "words for numbers": ("imdb", imdb(put("features", np.full((10, 5), b"a"))), "only numbers are admitted", None),
    "gigantic claim": ("imdb", imdb(claim), r"claims shape \(10, 1000000000000\).*was not written to its end", None),
    "values of another file": ("imdb", imdb(external), "takes its values from other files, which are not read", None),
    "link to another file": ("imdb", imdb(linked), "is a link to somewhere else, which is not followed", None),
    "virtual values": ("imdb", imdb(virtual), "takes its values from other files", None),
    "a file for a folder": ("push", blob(b"x", "push"), "is no folder", "is plain text"),
    "empty folder": ("push", lambda folder: folder, "lacks gentle_push_1000.hdf5, .*it has nothing", "is a folder"),
    "no test file": ("push", push(folder_change=lambda p: (p / "gentle_push_300.hdf5").unlink()),
                     "lacks gentle_push_300.hdf5; it has gentle_push_10.hdf5", ""),
    "real pushes": ("push", push(folder_change=lambda p: [
                        rename(f"gentle_push_{n}.hdf5", f"kloss_{n}.hdf5")(p) for n in (10, 300, 1000)]),
                    "have no test split", "is a folder"),
    "web page among files": ("push", push(folder_change=over("gentle_push_300.hdf5", HTML)), "a web page", None),
    "cut off among files": ("push", halved(push(), "*_1000.hdf5"), "is cut off or damaged", None),
    "no trajectory": ("push", push(lambda f: [f.__delitem__("trajectory0"), f.create_group("t")]),
                      "has no group 'trajectory0'", "is a folder"),
    "no force": ("push", push(drop("trajectory0/force")), "trajectory0 lacks force; it has Cylinder0_pos", None),
    "unequal steps": ("push", push(put("trajectory0/contact", np.ones(7))), "unequal numbers of steps: ", None),
    "small pictures": ("push", push(put("trajectory0/image", np.ones((24, 8, 8)))), "expected any x 32 x 32", None),
    "NaN in a force": ("push", push(put("trajectory0/force", np.full((24, 6), np.nan)), "10"),
                       r"force holds values that are not finite, the first at \[0, 0\]", ""),
    "two trajectories": ("robotics", robotics(trajectories=2), "files of 2 trajectories", ""),
    "no chunks": ("robotics", lambda folder: folder, r"files of 0 trajectories \(it holds nothing\)", "is a folder"),
    "damaged chunk": ("robotics", robotics(half), "is cut off or damaged", None),
    "saved page as chunk": ("robotics", robotics(lambda path: path.write_bytes(HTML)), "a web page", None),
    "fewer actions": ("robotics", robotics(lambda path: edit(path, put("action", np.ones((3, 4))))),
                      "numbers of steps must be equal", None),
    "short forces": ("robotics", robotics(lambda path: edit(path, put("ee_forces_continuous", np.ones((4, 9, 6))))),
                     "expected at least 32 x 6", None),
    "two channels": ("robotics", robotics(lambda path: edit(path, put("image", np.ones((4, 16, 16, 2))))),
                     r"image has shape \(4, 16, 16, 2\), expected", ""),
    "NaN in a place": ("robotics", robotics(lambda path: edit(path, put("proprio", np.full((4, 8), np.nan)))),
                       "proprio holds values that are not finite", None),
    "no sequences": ("mmsdk", lambda folder: folder, "has no .csd file; it holds nothing", "is a folder"),
    "damaged sequence": ("mmsdk", mmsdk(lambda p: half(p / "CMU_MOSI_COVAREP.csd")), "is cut off or damaged", None),
    "a page as sequence": ("mmsdk", mmsdk(over("CMU_MOSI_COVAREP.csd", HTML)), "a web page that was saved", None),
    "two roots": ("mmsdk", mmsdk(lambda p: edit(p / "CMU_MOSI_COVAREP.csd", put("other", 1))), "at its root", None),
    "no data": ("mmsdk", mmsdk(lambda p: edit(p / "CMU_MOSI_COVAREP.csd", drop("COVAREP/data"))),
                "has no group 'data'; it has metadata", None),
    "one sequence twice": ("mmsdk", mmsdk(copy("CMU_MOSI_COVAREP.csd", "x.csd")), "another file of the sequence", None),
    "intervals that end early": ("mmsdk", mmsdk(lambda p: edit(p / "CMU_MOSI_COVAREP.csd", backwards)),
                                 "intervals that end before they begin", None),
    "more features than intervals": ("mmsdk", mmsdk(lambda p: edit(p / "CMU_MOSI_COVAREP.csd", put(
                                         "COVAREP/data/video_01/features", np.ones((3, 6))))),
                                     r"expected \(n, 2\) and \(n, d\)", None),
    "changing width": ("mmsdk", mmsdk(lambda p: edit(p / "CMU_MOSI_COVAREP.csd", narrower)),
                       "video_02 has 2 features, the videos before it 6", ""),
    "no table": ("enrico", enrico(lambda p: (p / "design_topics.csv").unlink()), "There is no file", "is a folder"),
    "a page as table": ("enrico", enrico(over("design_topics.csv", HTML)), "a web page that was saved", None),
    "missing wireframe": ("enrico", enrico(lambda p: (p / "wireframes" / "100.png").unlink()), "There is no file", ""),
    "damaged screenshot": ("enrico", enrico(over("screenshots/107.jpg", b"\xff\xd8\xff\xe0 damaged")),
                           "is no picture that can be read", ""),
    "picture as LFS pointer": ("enrico", enrico(over("wireframes/114.png", LFS)), "git lfs pull", ""),
    "no stock": ("stocks", lambda folder: folder, "has 0 files of stocks; two are needed", "is a folder"),
    "an answer of the server": ("stocks", stocks(over("MCD.csv", b'{"finance": {"error": "Unauthorized"}}')),
                                "is JSON text", ""),
    "cut line": ("stocks", stocks(lambda p: half(p / "HSY.csv")), "it is cut off", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_broken_file_is_one_line(case, tmp_path, coral):
    dataset, write, message, other = CASES[case]
    path = write(tmp_path)
    output = tmp_path / "run"
    status, out, err = coral("train", "--dataset", dataset, "--data", path, "--output", output, "--quiet")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err), err
    assert not output.exists()
    status, out, err = coral("data", "check", path)
    if other == "":  # what is there is told, though it cannot be trained on
        assert status == 1, err
        assert f"--dataset {dataset}" in out
    elif status == 2:
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert re.search(other or message, err), err
    else:
        assert other, out
        assert other in out


@pytest.mark.parametrize("dataset", ["imdb", "push", "robotics", "enrico", "stocks", "mmsdk"])
def test_no_path_says_what_to_give(dataset, coral):
    status, _, err = coral("train", "--dataset", dataset, "--quiet")
    assert (status, err.count("\n")) == (2, 1)
    assert "give --data" in err
