"""Computational sequences: aligned by overlap in time, cut by the labels, split by lists of videos."""

import json
import sys

import h5py
import numpy as np
import pytest
import torch

from coral_plugin.adapters.mmsdk import Mmsdk, MmsdkSettings, from_mmsdk
from coral_plugin.adapters.mmsdk.align import overlapping, pool
from coral_plugin.adapters.mmsdk.folds import standard
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError, PluginError
from coral_plugin.registry import DATASETS

from . import formats

NAMES = ("COVAREP", "FACET_4.2", "glove_vectors")


@pytest.fixture
def folder(tmp_path):
    folder, names = formats.sequences(tmp_path / "csd", videos=9)
    (folder / "folds.json").write_text(json.dumps({"train": names[:5], "valid": names[5:7], "test": names[7:]}))
    return folder


def read(folder, name, video):
    """Intervals and features, as they are in the file."""
    with h5py.File(folder / f"CMU_MOSI_{name.replace(' ', '_')}.csd") as file:
        entry = file[name]["data"][video]
        return entry["intervals"][()], entry["features"][()]


def shared(first, second):
    return min(first[1], second[1]) - max(first[0], second[0])


def expected(folder, video, segment, pooling):
    """``{modality: (T, d)}`` of one segment, by looking at every pair of intervals."""
    span = read(folder, formats.csd_hdf5.LABELS, video)[0][segment]
    steps = [step for step in read(folder, "glove_vectors", video)[0] if shared(step, span) > 1e-5]
    found = {}
    for name in NAMES:
        intervals, features = read(folder, name, video)
        rows = []
        for step in steps:
            if name == "glove_vectors":
                near = [at for at, each in enumerate(intervals) if (each == step).all()]
            else:
                near = [at for at, each in enumerate(intervals) if shared(each, step) > 1e-5]
            rows.append(pooling(features[near]) if near else np.zeros(features.shape[1]))
        found[name] = np.where(np.isfinite(rows), rows, 0)
    return found


@pytest.mark.parametrize(
    ("how", "pooling"),
    [
        ("mean", lambda x: x.mean(0)), ("max", lambda x: x.max(0)), ("sum", lambda x: x.sum(0)),
        ("first", lambda x: x[0]), ("last", lambda x: x[-1]),
    ],
)  # fmt: skip
def test_alignment(folder, how, pooling):
    assert DATASETS.get("mmsdk") is Mmsdk
    data = Mmsdk.load(str(folder), MmsdkSettings(pooling=how))
    assert [(m.name, m.kind) for m in data.modalities] == [(name, "sequence") for name in NAMES]
    # video_08 has no face at all, and the second segment of video_00 has none
    assert [len(split) for split in data.splits().values()] == [19, 8, 4]
    train = [("video_00", 0), ("video_00", 2), ("video_00", 3), ("video_02", 1)]
    for row, (video, segment) in zip((0, 1, 2, 8), train, strict=True):
        batch = data.train.batch(torch.tensor([row]))
        for name, values in expected(folder, video, segment, pooling).items():
            assert data.train.columns[name].lengths[row] == len(values)
            np.testing.assert_allclose(batch[name][0], values, atol=1e-5)


def test_a_feature_far_from_zero_keeps_its_digits(folder):
    plain = Mmsdk.load(str(folder))
    with h5py.File(folder / "CMU_MOSI_glove_vectors.csd", "r+") as file:
        for entry in file["glove_vectors"]["data"].values():
            features = entry["features"][()].astype(np.float64)
            features[:, 3] += 1.7e9
            del entry["features"]
            entry["features"] = features
    far = Mmsdk.load(str(folder))
    at = [m.name for m in far.modalities].index("glove_vectors")
    assert far.modalities[at].offset is not None
    assert far.modalities[at].mean[3] == pytest.approx(plain.modalities[at].mean[3] + 1.7e9, rel=1e-12)
    for label, split in far.splits().items():
        one, other = (
            data.modalities[at].standardise(own.columns["glove_vectors"].values)
            for data, own in ((plain, plain.splits()[label]), (far, split))
        )
        inside = torch.arange(one.shape[1]) < split.columns["glove_vectors"].lengths[:, None]
        assert torch.allclose(one[inside], other[inside], atol=1e-4)


def test_notes_say_what_was_decided(folder):
    notes = Mmsdk.load(str(folder)).notes
    assert "labels are those of Opinion Segment Labels" in notes
    assert "all are aligned to the steps of glove_vectors" in notes
    assert "1 of 9 videos lack one of the sequences and are left out" in notes
    assert "1 segments lack a modality and are left out" in notes
    assert "1 values are not finite and become 0" in notes
    assert any(note.startswith("folds of ") for note in notes)


def test_weights_are_the_time_that_is_shared():
    intervals = np.array([[0.0, 1.0], [1.0, 1.5], [1.5, 4.0]])
    features = np.array([[1.0], [10.0], [100.0]])
    pooled, there = pool(intervals, features, np.array([[0.5, 2.0], [4.0, 5.0]]), "weighted")
    assert pooled[0, 0] == pytest.approx((0.5 * 1 + 0.5 * 10 + 0.5 * 100) / 1.5)
    assert there.tolist() == [True, False]
    assert pooled[1, 0] == 0


def test_overlap_of_intervals_that_overlap_each_other():
    intervals = np.array([[0.0, 9.0], [1.0, 2.0], [3.0, 3.0], [3.0, 4.0], [8.0, 9.0]])
    assert overlapping(intervals, 3.5, 5.0).tolist() == [0, 3]
    assert overlapping(intervals, 4.0, 5.0).tolist() == [0]
    assert overlapping(intervals, 9.0, 10.0).tolist() == []


def test_absent_modalities(folder):
    data = Mmsdk.load(str(folder), MmsdkSettings(missing="absent"))
    assert [len(split) for split in data.splits().values()] == [20, 8, 8]
    face = data.train.columns["FACET_4.2"]
    assert face.presence().tolist() == [True, False] + [True] * 18
    assert data.test.columns["FACET_4.2"].presence().sum() == 4


def test_a_video_without_any_step_of_a_modality(folder):
    with h5py.File(folder / "CMU_MOSI_COVAREP.csd", "a") as file:
        entry = file["COVAREP/data/video_03"]
        for key, width in (("intervals", 2), ("features", 6)):
            del entry[key]
            entry[key] = np.zeros((0, width))
    data = Mmsdk.load(str(folder))
    assert len(data.train) == 15
    assert "5 segments lack a modality and are left out" in data.notes


def test_other_label_columns_and_single_steps(folder):
    """MOSEI has several scores a segment; data that mmsdk has aligned may have one step without its own dimension."""
    with h5py.File(folder / "CMU_MOSI_Opinion_Segment_Labels.csd", "a") as file:
        data = file["Opinion Segment Labels/data"]
        for video in list(data):
            intervals, scores = data[video]["intervals"][()], data[video]["features"][()]
            del data[video]
            for at, (span, score) in enumerate(zip(intervals, scores, strict=True)):
                entry = data.create_group(f"{video}[{at}]")
                entry["intervals"], entry["features"] = span, np.array([0.0, score[0]])
    again = Mmsdk.load(str(folder), MmsdkSettings(label_column=1, label_rule="score"))
    assert again.train.targets["label"][:3].tolist() == [2.0, 0.5, -2.5]


@pytest.mark.parametrize(
    ("rule", "classes", "count"),
    [("positive", 2, 36), ("seven", 7, 36), ("score", 1, 36), ("nonzero", 2, 29), ("nonnegative", 2, 36)],
)
def test_label_rules(folder, rule, classes, count):
    data = Mmsdk.load(str(folder), MmsdkSettings(label_rule=rule, missing="absent"))
    assert len(data.tasks[0].classes) == classes
    assert sum(len(split) for split in data.splits().values()) == count
    if rule == "score":
        assert data.train.targets["label"][:4].tolist() == [2.0, -1.5, 0.5, -2.5]


def test_other_reference_inputs_and_lengths(folder):
    data = Mmsdk.load(
        str(folder), MmsdkSettings(reference="FACET_4.2", inputs=("glove_vectors", "COVAREP"), max_length=7)
    )
    assert [m.name for m in data.modalities] == ["glove_vectors", "COVAREP"]
    assert max(m.shape[0] for m in data.modalities) == 7
    span = read(folder, formats.csd_hdf5.LABELS, "video_03")[0][0]
    steps = [step for step in read(folder, "FACET_4.2", "video_03")[0] if shared(step, span) > 1e-5]
    assert len(steps) > 7


def test_without_labels_a_video_is_a_sample(folder):
    (folder / "CMU_MOSI_Opinion_Segment_Labels.csd").unlink()
    data = Mmsdk.load(str(folder), MmsdkSettings(max_length=1000))
    assert data.tasks == ()
    assert [len(split) for split in data.splits().values()] == [5, 2, 1]
    assert data.train.columns["glove_vectors"].lengths[0] == len(read(folder, "glove_vectors", "video_00")[0])


def test_words_are_a_clock_and_no_modality(folder):
    intervals = {f"video_{at:02d}": read(folder, "glove_vectors", f"video_{at:02d}")[0] for at in range(9)}
    words = {video: (times, np.full((len(times), 1), b"word", "S32")) for video, times in intervals.items()}
    formats.csd(folder / "words.csd", "words", words)
    by_glove = Mmsdk.load(str(folder))
    by_words = Mmsdk.load(str(folder), MmsdkSettings(reference="words"))
    assert [m.name for m in by_words.modalities] == list(NAMES)
    assert by_words.fingerprint == by_glove.fingerprint
    with pytest.raises(InputError, match="words holds text, and is no modality"):
        Mmsdk.load(str(folder), MmsdkSettings(inputs=("words",)))


def test_folds_are_dealt_out_where_none_are_given(folder):
    (folder / "folds.json").unlink()
    data = Mmsdk.load(str(folder))
    assert "no folds.json: videos are split 70 / 10 / 20 % at random (seed 0)" in data.notes
    assert data.fingerprint != Mmsdk.load(str(folder), MmsdkSettings(seed=1)).fingerprint


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([], "must give the videos of each fold"),
        ({"train": ["video_00"], "valid": ["video_01"]}, "must give the videos of each fold"),
        ({"train": ["video_00"], "valid": ["video_00"], "test": ["video_01"]}, "video_00 is in two folds"),
        ({"train": ["video_00"], "valid": [3], "test": ["video_01"]}, "valid must be a list of ids"),
        ({"train": ["video_00"], "valid": ["x"], "test": ["video_01"]}, "no video of the fold valid is present"),
    ],
)
def test_folds_that_are_none(folder, folds, message):
    (folder / "folds.json").write_text(json.dumps(folds))
    with pytest.raises(InputError, match=message):
        Mmsdk.load(str(folder))


def test_standard_folds_come_with_mmsdk(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mmsdk.mmdatasdk", None)
    with pytest.raises(PluginError, match=r"come with mmsdk .*, which is not installed .*write them into folds\.json"):
        Mmsdk.load(str(folder), MmsdkSettings(folds="cmu_mosi"))


@pytest.mark.parametrize(
    "settings",
    [{"pooling": "median"}, {"missing": "zero"}, {"label_rule": "x"}, {"max_length": 0}, {"label_column": -1},
     {"seed": -1}],
)  # fmt: skip
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(MmsdkSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reference": "glove_vector"}, r"Unknown sequence of .* 'glove_vector'\. Did you mean 'glove_vectors'"),
        ({"label_column": 1}, "has 1 columns; column 1 must hold numbers"),
        ({"inputs": ("Opinion Segment Labels",)}, "holds the labels, and is no modality"),
    ],
)
def test_names_that_are_not_there(folder, settings, message):
    with pytest.raises(InputError, match=message):
        Mmsdk.load(str(folder), MmsdkSettings(**settings))


class Held:
    """What this package uses of mmsdk's ``computational_sequence``."""

    def __init__(self, data):
        self.data = data


def test_objects_of_mmsdk(folder):
    videos = [f"video_{at:02d}" for at in range(8)]
    dataset = {
        name: Held({v: dict(zip(("intervals", "features"), read(folder, name, v), strict=True)) for v in videos})
        for name in (*NAMES, formats.csd_hdf5.LABELS)
    }
    folds = {"train": videos[:5], "valid": videos[5:7], "test": videos[7:]}
    assert from_mmsdk(dataset, folds).fingerprint == Mmsdk.load(str(folder)).fingerprint
    with pytest.raises(InputError, match="'x' is no computational sequence of mmsdk"):
        from_mmsdk({"x": 3}, folds)
    with pytest.raises(InputError, match="Give an mmdataset of mmsdk"):
        from_mmsdk([], folds)


def test_mmsdk_aligns_the_same(folder):
    """Its own objects, aligned by itself to the words: the same features at every word."""
    mmdatasdk = pytest.importorskip("mmsdk.mmdatasdk")
    names = {name: str(folder / f"CMU_MOSI_{name}.csd") for name in NAMES}
    raw = mmdatasdk.mmdataset(names)
    data = from_mmsdk(raw, {"train": ["video_02"], "valid": ["video_03"], "test": ["video_04"]},
                      MmsdkSettings(max_length=1000))  # fmt: skip
    aligned = mmdatasdk.mmdataset(names)
    aligned.align("glove_vectors", collapse_functions=[lambda _, features: features.mean(axis=0)])
    aligned.impute("glove_vectors")
    for split, video in zip(data.splits().values(), ("video_02", "video_03", "video_04"), strict=True):
        batch = split.batch(torch.tensor([0]))
        for name in NAMES:
            theirs = [aligned[name][f"{video}[{step}]"]["features"][0] for step in range(batch[name].shape[1])]
            np.testing.assert_allclose(batch[name][0], theirs, atol=1e-5)
    again = from_mmsdk(aligned, {"train": ["video_02"], "valid": ["video_03"], "test": ["video_04"]},
                       MmsdkSettings(max_length=1000))  # fmt: skip
    torch.testing.assert_close(again.train.columns["COVAREP"].values, data.train.columns["COVAREP"].values)
    assert len(standard("cmu_mosi")["test"]) == 31
