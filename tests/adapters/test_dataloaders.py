"""MultiBench's own loaders as a data set of ours: the same tensors, and a training on them."""

import numpy as np
import pytest
import torch

from coral_plugin import fit
from coral_plugin.adapters.dataloaders import Dataloaders, from_loaders, read_loaders
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS

from . import formats
from .test_formats import numpy_seed  # noqa: F401


def rows(split, loaded, size, start=0):
    """A batch of ours, as its loader would give it."""
    batch = split.batch(torch.arange(start, min(start + size, len(split))))
    return [loaded.layouts[name].to_theirs(batch[name]) for name in loaded.layouts]


def equal(loaded, label, loader, size, places):
    """Whether all batches of a loader that does not shuffle come back, modality by modality."""
    split, start = loaded.data.splits()[label], 0
    for batch in loader:
        truth = batch[-1]
        for ours, at in zip(rows(split, loaded, size, start), range(places), strict=True):
            theirs = batch[0][at] if loaded.timed else batch[at]
            assert torch.equal(ours, theirs.float())
        assert torch.equal(loaded.truths[label][start : start + len(truth)], truth)
        start += len(truth)
    assert start == len(split)


def test_the_command_line_is_told_that_it_is_for_python(coral):
    assert DATASETS.get("dataloaders") is Dataloaders
    status, out, err = coral("train", "--dataset", "dataloaders", "--quiet")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "is for Python: fit(from_loaders(train, valid, test))" in err
    with pytest.raises(InputError, match="for Python"):
        Dataloaders.load("x.pkl")


def test_a_training_on_loaders(tmp_path):
    rng = np.random.default_rng(0)

    def loader(count):
        labels = np.arange(count) % 2
        series = rng.normal(0, 1, (count, 6, 3)) + labels[:, None, None]
        series[: count // 2, 4:] = 0
        return [(rng.normal(0, 1, (count, 4)) - labels[:, None], series, labels)]

    fitted = fit(
        from_loaders(loader(64), loader(16), loader(32), modalities=["table", "series"]),
        seeds=(1,), epochs=2, output=tmp_path / "run", quiet=True,
    )  # fmt: skip
    assert fitted.metrics["modalities"] == ["table", "series"]
    assert 0 <= fitted.metrics["tasks"]["label"]["mean"] <= 1


@pytest.mark.multibench
@pytest.mark.parametrize("padded", [False, True])
def test_affect(tmp_path, multibench, padded):
    path = formats.save(tmp_path / "x.pkl", formats.affect())
    train, valid, test = multibench("datasets.affect.get_data").get_dataloader(
        str(path), num_workers=0, batch_size=4, train_shuffle=False, max_pad=padded, task="classification"
    )
    loaded = read_loaders(train, valid, test, modalities=["vision", "audio", "text"])
    assert [m.kind for m in loaded.data.modalities] == ["sequence"] * 3
    assert loaded.timed != padded
    assert loaded.data.tasks[0].kind == "classification"
    for label, loader in (("train", train), ("valid", valid), ("test", test)):
        equal(loaded, label, loader, 4, 3)


@pytest.mark.multibench
def test_mimic(tmp_path, multibench):
    path = formats.save(tmp_path / "im.pk", formats.mimic(), protocol=2)
    train, valid, test = multibench("datasets.mimic.get_data").get_dataloader(
        7, batch_size=16, num_workers=0, imputed_path=str(path)
    )
    loaded = read_loaders(train, valid, test, modalities=["static", "series"])
    assert [(m.kind, m.shape) for m in loaded.data.modalities] == [("tabular", (5,)), ("timeseries", (24, 12))]
    equal(loaded, "valid", valid, 16, 2)
    equal(loaded, "test", test["timeseries"][0], 16, 2)
    # the shuffled loader is read in the order of its data set
    assert torch.equal(rows(loaded.data.train, loaded, 1)[1][0], torch.tensor(train.dataset[0][1]).float())


@pytest.mark.multibench
def test_enrico(tmp_path, multibench):
    (train, valid, test), _ = multibench("datasets.enrico.get_data").get_dataloader(
        str(formats.enrico(tmp_path / "enrico", count=40)), batch_size=8
    )
    loaded = read_loaders(train, valid, test, modalities=["screenshot", "wireframe"])
    assert [(m.kind, m.shape) for m in loaded.data.modalities] == [("image", (3, 256, 128))] * 2
    assert loaded.data.notes == ("the loader of train draws samples by weight; here each is taken once",)
    equal(loaded, "valid", valid, 8, 2)


@pytest.mark.multibench
def test_push(tmp_path, multibench):
    task = multibench("datasets.gentle_push.data_loader").PushTask
    multibench("fannypack").data.set_cache_path(str(formats.push(tmp_path / "cache", counts=(4, 2, 2))))
    train, valid, test = task.get_dataloader(16, batch_size=4)
    names = ["position", "sensors", "image", "control"]
    loaded = read_loaders(train, valid, test, modalities=names)
    assert [(m.kind, m.shape) for m in loaded.data.modalities] == [
        ("timeseries", (16, 3)), ("timeseries", (16, 7)), ("timeseries", (16, 1024)), ("timeseries", (16, 7))
    ]  # fmt: skip
    assert loaded.data.tasks[0].kind == "regression"
    assert loaded.data.train.targets["label"].shape == (16, 32)  # a place of two numbers at each step
    equal(loaded, "test", test["image"][0], 4, 4)


@pytest.mark.multibench
@pytest.mark.filterwarnings("ignore:.*pin_memory")
def test_robotics(tmp_path, multibench, numpy_seed):  # noqa: F811
    folder = formats.robotics(tmp_path / "data", steps=6, side=32)
    configs = {"dataset": f"{folder}/", "val_ratio": 0.2, "batch_size": 4, "num_workers": 0, "ep_length": 6,
               "training_type": "selfsupervised", "action_dim": 4}  # fmt: skip
    loaders = multibench("datasets.robotics.get_data").get_data(torch.device("cpu"), configs)
    names = ["image", "force", "proprio", "depth", "action"]
    loaded = read_loaders(*loaders, modalities=names, task="classification")
    assert {m.name: (m.kind, m.shape) for m in loaded.data.modalities} == {
        "image": ("image", (3, 32, 32)),
        "force": ("timeseries", (6, 32)),
        "proprio": ("tabular", (8,)),
        "depth": ("image", (1, 32, 32)),
        "action": ("tabular", (4,)),
    }
    assert loaded.data.train.columns["image"].values.dtype == torch.uint8
    first = loaders[0].dataset[0]
    for ours, theirs in zip(rows(loaded.data.train, loaded, 1), first[:-1], strict=True):
        assert torch.equal(ours[0], theirs)
