"""ENRICO: MultiBench's split and its pictures; the topic of a screen."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from coral_plugin.adapters.enrico import Enrico, EnricoSettings, screens, split_screens
from coral_plugin.errors import InputError, MachineError
from coral_plugin.registry import DATASETS

from . import formats


@pytest.fixture
def folder(tmp_path):
    return formats.enrico(tmp_path / "enrico", count=40)


def test_pictures_topics_and_split(folder):
    assert DATASETS.get("enrico") is Enrico
    data = Enrico.load(str(folder), EnricoSettings(height=64))
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("screenshot", "image", (3, 64, 32)), ("wireframe", "image", (3, 64, 32))
    ]  # fmt: skip
    assert [len(split) for split in data.splits().values()] == [26, 6, 8]
    assert data.tasks[0].classes == tuple(sorted(formats.enrico_folder.TOPICS))
    damaged, absent = data.notes
    assert damaged == "screens 50105 are left out, their wireframes are damaged"
    assert absent.endswith("(topic: 12 of 20); scores and chance are over the 8 that occur")
    kept = [row for row in screens(folder) if row[0] != "50105"]
    for label, index in split_screens(40).items():
        batch = data.splits()[label].batch(torch.arange(len(index)))
        for row, at in enumerate(index):
            screen, topic = kept[at]
            with Image.open(folder / "screenshots" / f"{screen}.jpg") as picture:
                whole = np.asarray(picture.resize((32, 64), Image.Resampling.BILINEAR))
            assert torch.equal((batch["screenshot"][row] * 255).round().byte(), torch.tensor(whole).permute(2, 0, 1))
            assert data.tasks[0].classes[batch.targets["topic"][row]] == topic


@pytest.mark.parametrize("height", [8, 33, 4096])
def test_settings_out_of_range(height):
    with pytest.raises(InputError):
        EnricoSettings(height=height)


def test_too_large_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr("coral_plugin.machine.memory", lambda: 10_000)
    with pytest.raises(MachineError, match=r"40 screens: this takes .*Set --source.height lower"):
        Enrico.load(str(folder))


def test_a_picture_that_claims_more_pixels_than_any_screen(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # a larger claim is refused before it is unpacked
    with pytest.raises(InputError, match=r"is no picture that can be read .*exceeds limit"):
        Enrico.load(str(folder), EnricoSettings(height=64))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("screen_id", "topic"), ("../../etc/passwd", "bare")], "line 2 does not name a screen"),
        ([("screen_id", "topic"), ("1", "bare"), ("2", "")], "line 3 does not name a screen"),
        ([("screen_id", "topic"), ("1", "bare"), ("1", "chat")], "names a screen twice"),
        ([("id", "topic"), ("1", "bare")], "has no columns screen_id and topic"),
        ([("screen_id", "topic")], "or no rows"),
        ([("screen_id", "topic"), ("1", "bare"), ("2", "bare")], "has one topic only"),
        ([("screen_id", "topic"), ("1", "bare"), ("2", "chat")], "too few to split"),
    ],
)
def test_tables(folder, rows, message):
    with (folder / "design_topics.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(InputError, match=message):
        Enrico.load(str(folder), EnricoSettings(height=64))


@pytest.mark.multibench
def test_the_samples_are_multibenchs(folder, multibench):
    own = multibench("datasets.enrico.get_data").EnricoDataset
    data = Enrico.load(str(folder))
    for split, mode in zip(data.splits().values(), ("train", "val", "test"), strict=True):
        theirs = own(str(folder), mode=mode)
        assert len(theirs) == len(split)
        batch = split.batch(torch.arange(len(split)))
        for row, (screenshot, wireframe, topic) in enumerate(theirs[at] for at in range(len(theirs))):
            assert torch.equal(batch["screenshot"][row], screenshot)
            assert torch.equal(batch["wireframe"][row], wireframe)
            assert int(batch.targets["topic"][row]) == topic
