"""``--data`` in place of the paths that scripts hold: true formats, through MultiBench's own loaders."""

import contextlib
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.redirect.loaders import redirect
from coral_plugin.multibench.redirect.request import DataRequest

from ...adapters import formats

SCRIPT = Path("/scripts/some_script.py")


@pytest.fixture
def loader(checkout):
    """A function that gives a loader function of the checkout, redirected, and the lines that it said."""
    with contextlib.ExitStack() as stack:

        def get(name, data=None, function="get_dataloader", **options):
            lines = []
            scope = stack.enter_context(multibench(checkout, say=lines.append))
            data = None if data is None else Path(data)
            redirect(
                DataRequest(
                    **{"script": SCRIPT, "data": data, "limit": None, "fit_widths": True, "scope": scope, **options}
                )
            )
            return getattr(importlib.import_module(f"datasets.{name}"), function), lines

        yield get


def rows(loader):
    return sum(len(batch[-1]) for batch in loader)


def test_affect_by_file_or_folder(loader, tmp_path):
    formats.save(tmp_path / "some.pkl", formats.affect())
    for data in (tmp_path / "some.pkl", tmp_path):  # the only pickle of a folder
        get, lines = loader("affect.get_data", data)
        train, valid, test = get("/home/pliang/multibench/affect/pack/mosi/mosi_raw.pkl", robust_test=False)
        assert [rows(each) for each in (train, valid, test)] == [12, 6, 6]
        assert [x.shape[2] for x in next(iter(valid))[0]] == [4, 3, 5]  # the script cannot be read: nothing is fitted
        assert lines == []


def test_affect_in_the_widths_of_the_script(loader, tmp_path):
    content = formats.affect(sizes={"vision": 40, "audio": 74, "text": 10})
    script = tmp_path / "late.py"
    script.write_text("encoders = [GRU(35, 70), GRU(74, 200), GRU(300, 600)]\n")
    formats.save(tmp_path / "own.pkl", content)
    get, lines = loader("affect.get_data", tmp_path / "own.pkl", script=script)
    _, valid, _ = get("/home/x/mosi_raw.pkl", max_pad=True, max_seq_len=7)
    vision, audio, text, _ = next(iter(valid))
    assert (vision.shape[2], audio.shape[2], text.shape[2]) == (35, 74, 300)
    assert (text[:, :, 10:] == 0).all()
    assert len(lines) == 1
    assert "vision 40 -> 35 (leading directions of train" in lines[0]
    assert "text 10 -> 300 (zeros behind)" in lines[0]
    assert "audio" not in lines[0].partition("fitted to it")[2]
    get, lines = loader("affect.get_data", tmp_path / "own.pkl", script=script, fit_widths=False)
    assert next(iter(get("mosi_raw.pkl", max_pad=True)[1]))[0].shape[2] == 40
    assert lines == []


def test_mimic_as_multibench_reads_it(loader, tmp_path):
    formats.save(tmp_path / "im.pk", formats.mimic(50))
    get, _ = loader("mimic.get_data", tmp_path)
    train, valid, test = get(7, imputed_path="/home/pliang/yiwei/im.pk")
    assert [rows(each) for each in (train, valid, test["timeseries"][0])] == [40, 5, 5]
    assert [tuple(x.shape[1:]) for x in next(iter(valid))[:2]] == [(5,), (24, 12)]


def test_avmnist_of_any_size(loader, tmp_path):
    formats.avmnist(tmp_path / "av", train=40, test=10)
    get, lines = loader("avmnist.get_data", tmp_path / "av")
    train, valid, test = get("/home/pliang/yiwei/avmnist/_MFAS/avmnist", batch_size=8, train_shuffle=False)
    assert [rows(each) for each in (train, valid, test)] == [36, 4, 10]
    assert len(lines) == 1
    assert "has 40 and 10 rows" in lines[0]
    assert "the last 4 of train are valid" in lines[0]
    raw = np.load(tmp_path / "av/image/train_data.npy").reshape(40, 1, 28, 28) / 255
    images = torch.cat([batch[0] for loader_ in (train, valid) for batch in loader_])
    assert torch.allclose(images, torch.tensor(raw, dtype=images.dtype))


def test_imdb_of_any_size_and_noise_on_its_features(loader, tmp_path):
    pytest.importorskip("h5py")
    path = formats.imdb(tmp_path / "multimodal_imdb.hdf5", (60, 10, 30), image=None, vgg=16, text=12)
    get, lines = loader("imdb.get_data", tmp_path)
    train, valid, test = get("../video/multimodal_imdb.hdf5", "../video/mmimdb", vgg=True, batch_size=16)
    assert [rows(each) for each in (train, valid)] == [60, 10]  # the published shares
    assert {name: len(levels) for name, levels in test.items()} == {"image": 11, "text": 11}
    import h5py

    with h5py.File(path) as file:
        text, image, genres = (torch.tensor(file[key][70:]) for key in ("features", "vgg_features", "genres"))
    clean, noisy = ([torch.cat(parts) for parts in zip(*test["image"][level], strict=True)] for level in (0, 10))
    assert all(torch.equal(a, b) for a, b in zip(clean, (text, image, genres), strict=True))
    assert torch.equal(noisy[0], text)
    assert not torch.equal(noisy[1], image)
    assert torch.equal(torch.cat([batch[1] for batch in test["text"][5]]), image)
    assert [word in " ".join(lines) for word in ("100 rows", "Gaussian noise", "not the published one")] == [True] * 3


def test_imdb_noise_that_multibench_has_cached_is_used(loader, tmp_path):
    pytest.importorskip("h5py")
    formats.imdb(tmp_path / "m.hdf5", (60, 10, 30), image=None, vgg=16, text=12)
    for level in range(11):
        np.save(tmp_path / f"vgg_features_{level}.npy", np.full((30, 16), level, dtype=np.float32))
        np.save(tmp_path / f"text_features_{level}.npy", np.full((30, 12), -level, dtype=np.float32))
    get, lines = loader("imdb.get_data", tmp_path / "m.hdf5")
    test = get("x.hdf5", "y", vgg=True)[2]
    assert float(next(iter(test["image"][4]))[1].unique()) == 4
    assert float(next(iter(test["text"][4]))[0].unique()) == -4
    assert not any("Gaussian" in line for line in lines)


def test_enrico_with_its_weights(loader, tmp_path):
    formats.enrico(tmp_path / "e", 60, topics=4)
    get, _ = loader("enrico.get_data", tmp_path / "e", limit=6)
    (train, valid, test), weights = get("datasets/enrico/dataset")
    assert sum(weights) == pytest.approx(1)
    assert [rows(each) for each in (train, valid, test["image"][3])] == [6, 6, 6]
    assert [tuple(x.shape[1:]) for x in next(iter(valid))[:2]] == [(3, 256, 128)] * 2


def test_stocks_from_files_of_any_length(loader, tmp_path):
    formats.stocks(tmp_path / "s", ("HSY", "MCD"), days=700)
    get, lines = loader("stocks.get_data", tmp_path / "s")
    train, valid, test = get(["HSY", "MCD"], ["HSY", "MCD"], ["MCD"])
    windows = 700 - 1 - 500
    sizes = [rows(each) for each in (train, valid, test["timeseries"][0])]
    assert sum(sizes) == windows
    assert min(sizes) > 10
    assert f"{windows} windows" in lines[0]
    assert next(iter(valid))[0].shape[1:] == (500,)


def test_gentle_push_under_either_name(loader, tmp_path):
    pytest.importorskip("h5py")
    for folder, cached in (("cached", True), ("plain", False)):
        formats.push(tmp_path / folder, (2, 1, 1), steps=48, cached=cached)
        task, _ = loader("gentle_push.data_loader", tmp_path / folder, function="PushTask", limit=2)
        train, valid, test = task.get_dataloader(16, batch_size=2, drop_last=True)
        assert [rows(each) for each in (train, valid, test["image"][0])] == [2, 2, 2]
        assert next(iter(valid))[-1].shape[1:] == (16, 2)


def test_robotics_through_its_settings(loader, tmp_path):
    pytest.importorskip("h5py")
    formats.robotics(tmp_path / "r", 3, 2, side=16)
    get, _ = loader("robotics.get_data", tmp_path / "r", function="get_data", limit=32)
    configs = {"dataset": "/home/pliang/", "val_ratio": 0.2, "ep_length": 50, "batch_size": 16, "num_workers": 8}
    configs |= {"training_type": "selfsupervised", "action_dim": 4}
    train, valid, _ = get("cpu", configs, "/home/pliang/")
    assert [rows(each) for each in (train, valid)] == [32, 32]
    assert train.dataset.dataset_path  # what the scripts write down
    assert configs["dataset"] == "/home/pliang/"


CALLS = {
    "affect.get_data": (("/home/x/mosi_raw.pkl",), {}),
    "mimic.get_data": ((7,), {"imputed_path": "/home/x/im.pk"}),
    "avmnist.get_data": (("/home/x/avmnist",), {}),
    "imdb.get_data": (("/home/x/i.hdf5", "y"), {}),
    "enrico.get_data": (("datasets/enrico/dataset",), {}),
    "stocks.get_data": ((["A"], ["A"], ["A"]), {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_path_that_is_not_there_is_one_line(loader, name):
    get, _ = loader(name)
    args, options = CALLS[name]
    with pytest.raises(InputError, match=r"^some_script\.py .*--data PATH: ") as told:
        get(*args, **options)
    assert "\n" not in str(told.value)


# MultiBench leaves the file open when it fails
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["absent", "empty folder", "web page"])
def test_data_that_are_none_are_one_line(loader, tmp_path, name, kind):
    path = tmp_path / ("page.html" if kind == "web page" else "folder")
    if kind == "empty folder":
        path.mkdir()
    elif kind == "web page":
        path.write_text("<!doctype html><html>not found</html>")
    get, _ = loader(name, path)
    args, options = CALLS[name]
    with pytest.raises(InputError, match=str(path)) as told:
        get(*args, **options)
    assert "\n" not in str(told.value)


def test_the_scripts_own_path_is_used_where_it_is_there(loader, tmp_path):
    path = formats.save(tmp_path / "mosi_raw.pkl", formats.affect())
    get, _ = loader("affect.get_data")
    assert rows(get(str(path))[0]) == 12
