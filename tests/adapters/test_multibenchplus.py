"""MultiBench++: 27 of its data sets, from files written as its loaders expect them."""

import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.adapters.multibenchplus.content import MultibenchPlusSettings
from coral_plugin.adapters.multibenchplus.dataset import MEMBERS, NOT_COVERED, MultibenchPlus
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS
from coral_plugin.testing import check_dataset

from . import formats

OMICS = {"omics_1": (6,), "omics_2": (5,), "omics_3": (4,)}
SIMS = {"text": (7, 6), "audio": (9, 4), "vision": (5, 3)}
# shapes of the modalities, and sizes of the splits
EXPECTED = {
    "BRCA": (OMICS, (45, 3, 12)),
    "ROSMAP": (OMICS, (33, 15, 12)),
    "TCGA": ({"cnv": (3,), "meth": (4,), "mirna": (5,), "rnaseq": (6,), "rppa": (7,), "cells": (8,)}, (24, 10, 8)),
    "MIMIC_III": ({"static": (5,), "series": (24, 12)}, (45, 3, 12)),
    "mirflickr": ({"image": (3, 12, 10), "tags": (9,)}, (42, 6, 12)),
    "SIMS": (SIMS, (60, 20, 20)),
    "SIMSv2": (SIMS, (60, 20, 20)),
    "iemocap": ({"text": (6,), "audio": (8,), "vision": (5,)}, (45, 9, 12)),
    "meld": ({"audio": (8,), "text": (6,)}, (59, 19, 19)),
    "houston2018": ({"hsi": (6, 5, 5), "lidar": (1, 5, 5)}, (51, 9, 524)),
    "berlin": ({"hsi": (6, 5, 5), "sar": (4, 5, 5)}, (51, 9, 524)),
    "augsburg": ({"hsi": (6, 5, 5), "sar": (4, 5, 5)}, (51, 9, 524)),
    "trento": ({"hsi": (6, 5, 5), "lidar": (2, 5, 5)}, (255, 45, 300)),
    "muufl": ({"hsi": (6, 5, 5), "lidar": (2, 5, 5)}, (255, 45, 300)),
    "nyud2": ({"rgb": (3, 16, 16), "depth": (3, 16, 16)}, (10, 10, 10)),
    "sun_rgbd": ({"rgb": (3, 16, 16), "depth": (3, 16, 16)}, (8, 2, 10)),
    "MAMI": ({"image": (3, 16, 16), "text": (13,)}, (60, 20, 20)),
    "Memo": ({"image": (3, 16, 16), "text": (10,)}, (48, 6, 6)),
    "mvsa_single": ({"image": (3, 16, 16), "text": (10,)}, (60, 20, 20)),
    "food101": ({"image": (3, 16, 16), "text": (10,)}, (60, 20, 20)),
    "multioff": ({"image": (3, 16, 16), "text": (12,)}, (60, 20, 20)),
    "metmeme_c": ({"image": (3, 16, 16), "text": None}, (40, 5, 13)),
    "metmeme_e": ({"image": (3, 16, 16), "text": (10,)}, (40, 5, 13)),
    "tw15": ({"image": (3, 16, 16), "text": (11,)}, (59, 19, 19)),
    "tw17": ({"image": (3, 16, 16), "text": (10,)}, (41, 6, 12)),
    "Derm7pt": ({"clinic": (3, 16, 16), "derm": (3, 16, 16), "record": (9,)}, (30, 21, 9)),
    "SIIM-ISIC": ({"image": (3, 16, 16), "record": (6,)}, (48, 6, 6)),
}


def load(path, name="", **settings):
    return MultibenchPlus.load(str(path), MultibenchPlusSettings(dataset=name, **settings))


@pytest.mark.parametrize("name", MEMBERS)
def test_contract(tmp_path, name):
    data = check_dataset("multibenchplus", formats.plus(name, tmp_path / name), MultibenchPlusSettings(size=16))
    shapes, sizes = EXPECTED[name]
    assert [modality.name for modality in data.modalities] == list(shapes)
    assert all(shapes[m.name] in (None, m.shape) for m in data.modalities)
    assert tuple(len(split) for split in data.splits().values()) == sizes
    assert data.notes[0] == f"{name} of MultiBench++"


def test_every_data_set_of_the_repository_is_covered_or_refused_with_a_reason():
    assert DATASETS.get("multibenchplus") is MultibenchPlus
    assert set(MEMBERS) == set(EXPECTED)
    assert not set(MEMBERS) & set(NOT_COVERED)
    root = os.environ.get("MULTIBENCHPLUS_ROOT")
    if root:
        folders = {path.parent.name for path in Path(root).glob("dataset/*/get_data.py")}
        assert folders == set(MEMBERS) | set(NOT_COVERED)


@pytest.mark.parametrize("name", ["gamma", "MURA"])
def test_a_data_set_that_is_not_covered(tmp_path, name):
    with pytest.raises(InputError, match=r"of MultiBench\+\+ is not covered: .* Covered: BRCA, ROSMAP, .*") as caught:
        load(tmp_path, name)
    assert "\n" not in str(caught.value)


def test_names_and_folders_that_nobody_knows(tmp_path):
    with pytest.raises(InputError, match=r"Unknown data set of MultiBench\+\+ 'BRCAA'.*BRCA"):
        load(tmp_path, "BRCAA")
    with pytest.raises(InputError, match=r"the files of no data set of MultiBench\+\+ that is covered: BRCA"):
        load(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        load(tmp_path / "none")


def test_two_data_sets_with_the_same_files_are_told_apart_by_the_folder_or_by_the_user(tmp_path, coral):
    path = formats.plus("BRCA", tmp_path / "omics")
    with pytest.raises(InputError, match=r"may be BRCA or ROSMAP; give --source\.dataset"):
        load(path)
    assert len(load(path, "brca").train) == 45
    assert len(load(path, "ROSMAP").train) == 33
    status, out, _ = coral("data", "check", path)
    assert status == 1
    assert "BRCA or ROSMAP of MultiBench++" in out
    assert "give --source.dataset" in out


@pytest.mark.parametrize("name", ["BRCA", "trento", "mvsa_single", "meld", "sun_rgbd"])
def test_data_check_recognises_the_folder(tmp_path, coral, name):
    status, out, err = coral("data", "check", formats.plus(name, tmp_path / name))
    assert (status, err) == (0, "")
    assert f"{name} of MultiBench++" in out
    assert "cannot be trained" not in out


@pytest.mark.parametrize("settings", [{"size": 4}, {"words": 0}, {"patch": 4}, {"patch": 65}, {"group": 20}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        MultibenchPlusSettings(**settings)


def test_valid_is_test_only_on_demand(tmp_path):
    path = formats.plus("trento", tmp_path / "trento")
    assert any("here valid is set aside from train" in note for note in load(path).notes)
    theirs = load(path, valid="test")
    assert any("what is chosen on valid is chosen on test" in note for note in theirs.notes)
    assert (len(theirs.train), len(theirs.valid)) == (300, 300)
    assert torch.equal(theirs.valid.columns["hsi"].values, theirs.test.columns["hsi"].values)


def test_validation_videos_of_iemocap_are_not_in_train(tmp_path):
    data = load(formats.plus("iemocap", tmp_path / "iemocap"))
    whole = load(tmp_path / "iemocap", valid="test")
    both = torch.cat([data.train.columns["text"].values, data.valid.columns["text"].values])
    assert torch.equal(both, whole.train.columns["text"].values)


def test_statistics_words_and_categories_are_those_of_train(tmp_path):
    path = formats.plus("SIIM-ISIC", tmp_path / "isic")
    rows = (path / "train.csv").read_text().splitlines()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(42))
    last = int(order[-1])  # in test
    cells = rows[1 + last].split(",")
    rows[1 + last] = ",".join([*cells[:2], "another", "", *cells[4:]])
    (path / "train.csv").write_text("\n".join(rows) + "\n")
    data = load(path, size=16)
    record = data.test.batch(torch.arange(6))["record"]
    ages = [float(row.split(",")[3]) for number, row in enumerate(rows[1:]) if number in order[:48].tolist() and
            row.split(",")[3]]  # fmt: skip
    assert record[-1, 0].item() == pytest.approx(np.mean(ages), rel=1e-5)
    assert record[-1, 1:4].sum() <= 1  # no column for the sex that train does not have
    text = formats.plus("mvsa_single", tmp_path / "mvsa_single")
    lines = (text / "test.jsonl").read_text().replace("friend", "stranger")
    (text / "test.jsonl").write_text(lines)
    assert load(text, size=16).modalities[1].shape == (10,)
    assert load(text, size=16, words=4).modalities[1].shape == (4,)


def test_pictures_that_are_missing_or_damaged_are_flagged(tmp_path):
    path = formats.plus("Memo", tmp_path / "Memo")
    (path / "all_images/image_7.png").write_bytes(b"\x89PNG and nothing more")
    data = load(path, size=16)
    missing = sum(int((~flags).sum()) for split in data.splits().values() for flags in split.presence().values())
    assert missing == 1
    assert any("pictures missing or damaged: 1, the first image_7.png" in note for note in data.notes)


def replaced(path, old, new):
    return lambda folder: (folder / path).write_text((folder / path).read_text().replace(old, new, 1))


def written(path, content):
    return lambda folder: (folder / path).write_bytes(content)


def cut(path):
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:200])


def repeated(path):
    return lambda folder: (folder / path).write_text((text := (folder / path).read_text()) + text.partition("\n")[2])


def changed(path, change):
    return lambda folder: formats.save(folder / path, change(pickle.loads((folder / path).read_bytes())))


def copied(source, path):
    return lambda folder: (folder / path).write_bytes((folder / source).read_bytes())


def removed(path):
    return lambda folder: (folder / path).unlink()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def harmful(path):
    return lambda folder: (folder / path).write_bytes(pickle.dumps(Touch(folder / "touched")))


BROKEN = {
    "no number in a view": ("BRCA", replaced("1_tr.csv", "e+00", "e+xx"), "1_tr.csv is no table of numbers"),
    "view of other length": ("BRCA", replaced("2_te.csv", "\n", "\n1,2,3,4,5\n"), "unequal numbers of samples"),
    "parts of other widths": ("BRCA", written("3_te.csv", b"1,2\n"), "3_tr.csv has 4 columns, 3_te.csv 2"),
    "label that is not numbered": ("meld", changed("features/data_sentiment.p", lambda c: [*c[:5], {"neutral": 0}]),
                                   "unknown label positive"),
    "labels with gaps": ("meld", changed("features/data_sentiment.p", lambda c: [*c[:5], {**c[5], "other": 7}]),
                         "not numbered from 0 on"),
    "video without a step": ("iemocap", changed("IEMOCAP_features_raw.pkl",
                             lambda c: (*c[:3], {**c[3], "Ses01_00": c[3]["Ses01_00"][:1]}, *c[4:])), "lacks features"),
    "no videos of train": ("iemocap", changed("IEMOCAP_features_raw.pkl", lambda c: (*c[:7], 5, c[8])),
                           "train lists no video"),
    "heading over two lines": ("MAMI", replaced("test.tsv", "file_name", '"file\nname'), "has no column 'file_name'"),
    "three samples": ("Memo", lambda f: (f / "all_data.tsv").write_text("\n".join(
        (f / "all_data.tsv").read_text().splitlines()[:4])), "Memo has too few samples: none are left for valid"),
    "one picture of a class": ("tw17", replaced("Twitter1517_texts_and_labels.csv", ",0\n", ",9\n"),
                               "tw17: 60 samples cannot be split by class"),
    "web page for a table": ("TCGA", written("cnv.csv", b"<html>"), "a web page that was saved"),
    "patient twice": ("TCGA", repeated("cnv.csv"), "names a patient twice"),
    "word among numbers": ("TCGA", replaced("meth.csv", "-0.", "x0."), "which is no number"),
    "no column Death": ("TCGA", replaced("survival_clinical.csv", "Death", "Alive"), "has no column 'Death'"),
    "pickle that runs code": ("SIMS", harmful("Processed/unaligned_39.pkl"), "could run code"),
    "pickle of IEMOCAP that runs code": ("iemocap", harmful("IEMOCAP_features_raw.pkl"), "could run code"),
    "pickle that is cut off": ("meld", cut("features/data_sentiment.p"), "cut off|damaged"),
    "labels of another layout": ("meld", written("features/data_sentiment.p", b"\x80\x02}."), "holds no list of six"),
    "map that is cut off": ("trento", cut("Italy_hsi.mat"), "is no MATLAB file that can be read"),
    "map that is text": ("trento", written("Italy_hsi.mat", b"not found\n"), "is plain text. Expected a MATLAB file"),
    "map of another data set": ("berlin", copied("berlin_hsi.mat", "berlin_gt.mat"),
                                "lacks berlin_gt; it has berlin_hsi"),
    "pictures of MIRFlickr cut off": ("mirflickr", lambda f: os.truncate(
        f / "Cleared-Set/IAll/mirflickr25k-iall.mat", 2000), "cut off or damaged"),
    "no folder of classes": ("sun_rgbd", lambda f: (f / "test").rename(f / "tests"), "is no folder"),
    "room that is no picture": ("nyud2", written("train/bedroom/000.png", b"<html>"), "a web page that was saved"),
    "line that is no JSON": ("mvsa_single", replaced("train.jsonl", "{", "["), "train.jsonl: line 1 is no JSON"),
    "picture outside the folder": ("Memo", replaced("all_data.tsv", "image_0.png", "../../secret.png"),
                                   "does not lie in"),
    "label that is no number": ("MAMI", replaced("train.tsv", "\t0\n", "\tmaybe\n"), "holds 'maybe'"),
    "no table of labels": ("metmeme_e", removed("label_E.csv"), "There is no file"),
    "index outside the table": ("Derm7pt", replaced("meta/test_indexes.csv", "0,", "0,9"), "names rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_one_line(tmp_path, case, coral):
    name, change, message = BROKEN[case]
    path = formats.plus(name, tmp_path / name)
    change(path)
    status, out, err = coral("train", "--dataset", "multibenchplus", "--source.dataset", name, "--source.size", 16,
                             "--data", path, "--output", tmp_path / "run", "--quiet")  # fmt: skip
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err), err
    assert not (path / "touched").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("BRCA", 0.6), ("trento", 0.6), ("MAMI", 0.0)])
def test_omics_maps_and_memes_train_and_score(tmp_path, coral, name, least):
    """Views and maps tell the class; pictures and texts of MAMI do not, and one picture is missing."""
    status, _, err = coral(
        "train", "--dataset", "multibenchplus", "--data", formats.plus(name, tmp_path / name), "--source.size", 32,
        "--output", tmp_path / "run", "--training.epochs", 2, "--network.width", 16, "--network.heads", 2,
        "--probe.matched_width", "false", "--quiet",
    )  # fmt: skip
    assert (status, err) == (0, "")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["dataset"] == "multibenchplus"
    assert least < metrics["tasks"]["label"]["mean"] <= 1
