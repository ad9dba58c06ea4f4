"""The files that the tests write are MultiBench's: its own loaders read them, mmsdk's own objects the ``.csd``."""

import numpy as np
import pytest
import torch

from . import formats


def shapes(loader):
    """Shapes and types of the first batch, without the number of samples."""
    return [(tuple(part.shape[1:]), str(part.dtype).removeprefix("torch.")) for part in next(iter(loader))]


@pytest.fixture
def numpy_seed():
    """The robotics loader draws from NumPy's global generator, and fails with some draws (MULTIBENCH.md 6.11)."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.multibench
def test_imdb(tmp_path, multibench):
    path = formats.imdb(tmp_path / "m.hdf5", formats.RELEASED, image=(64, 40), vgg=32, written=4)
    get = multibench("datasets.imdb.get_data").get_dataloader
    for vgg, image in ((True, ((32,), "float32")), (False, ((3, 64, 40), "int32"))):
        loaders = get(str(path), "", num_workers=0, vgg=vgg, no_robust=True, train_shuffle=False)
        assert tuple(len(loader.dataset) for loader in loaders) == formats.RELEASED
        for loader in loaders:
            assert shapes(loader) == [((300,), "float32"), image, ((23,), "int32")]


@pytest.mark.multibench
def test_enrico(tmp_path, multibench):
    (train, valid, test), weights = multibench("datasets.enrico.get_data").get_dataloader(
        str(formats.enrico(tmp_path / "enrico"))
    )
    assert (len(train.dataset), len(valid.dataset), len(weights)) == (39, 9, 20)
    for loader in (train, valid, test["wireframe image"][0]):
        assert shapes(loader) == [((3, 256, 128), "float32"), ((3, 256, 128), "float32"), ((), "int64")]


@pytest.mark.multibench
def test_push(tmp_path, multibench):
    task = multibench("datasets.gentle_push.data_loader").PushTask
    multibench("fannypack").data.set_cache_path(str(formats.push(tmp_path / "cache")))
    train, valid, test = task.get_dataloader(16, batch_size=4)
    # two offsets, 0 and 8, of 40 steps: two windows of 16 each
    assert (len(train.dataset), len(valid.dataset), len(test["haptics"][0].dataset)) == (24, 8, 12)
    for loader in (train, valid, test["image"][0]):
        assert shapes(loader) == [((16, *each), "float32") for each in ((3,), (7,), (32, 32), (7,), (2,))]


@pytest.mark.multibench
@pytest.mark.filterwarnings("ignore:.*pin_memory")
@pytest.mark.parametrize("output", ["contact_next", "ee_yaw_next"])
def test_robotics(tmp_path, multibench, numpy_seed, output):
    folder = formats.robotics(tmp_path / "data", steps=6, side=32)
    configs = {"dataset": f"{folder}/", "val_ratio": 0.2, "batch_size": 4, "num_workers": 0, "ep_length": 6,
               "training_type": "selfsupervised", "action_dim": 4}  # fmt: skip
    train, valid, _ = multibench("datasets.robotics.get_data").get_data(torch.device("cpu"), configs, output=output)
    for loader in (train, valid):
        sizes = ((32, 32, 3), (6, 32), (8,), (1, 32, 32), (4,), (1,) if output == "contact_next" else (4,))
        assert shapes(loader) == [(size, "float32") for size in sizes]


@pytest.mark.multibench
def test_stocks(tmp_path, multibench, monkeypatch):
    pytest.importorskip("pandas")
    folder = formats.stocks(tmp_path / "stocks", days=4300)
    answer = type("Answer", (), {})

    def get(url, headers):
        symbol = url.split("/")[-1].split("?")[0]
        return type("Answer", (answer,), {"text": (folder / f"{symbol}.csv").read_text()})

    monkeypatch.setattr(multibench("requests"), "get", get)
    names = list(formats.FOOD)
    loaders = multibench("datasets.stocks.get_data").get_dataloader(names, names, ["MCD"], cuda=False)
    assert [len(loader.dataset) for loader in loaders[:2]] == [3200, 500]
    assert shapes(loaders[0]) == [((500,), "float32")] * 4 + [((1,), "float32")]


@pytest.mark.multibench
@pytest.mark.parametrize(("kind", "scores"), [("mosi", (-2.0, 0.0, 3.0)), ("humor", (0.0, 1.0))])
def test_affect(tmp_path, multibench, kind, scores):
    path = formats.save(tmp_path / "x.pkl", formats.affect(scores=scores))
    get = multibench("datasets.affect.get_data").get_dataloader
    values, lengths, index, labels = next(iter(get(str(path), num_workers=0, data_type=kind, batch_size=4)[0]))
    assert [tuple(value.shape[2:]) for value in values] == [(4,), (3,), (5,)]
    assert [len(length) for length in lengths] == [4, 4, 4]
    assert (index.shape, labels.shape) == ((4, 1), (4, 1))
    padded = get(str(path), num_workers=0, data_type=kind, max_pad=True, max_seq_len=9)[0]
    assert [shape for shape, _ in shapes(padded)] == [(9, 4), (9, 3), (9, 5), (1,)]


def test_computational_sequences(tmp_path):
    """mmsdk aligns to words, then to opinions, and makes tensors of its folds."""
    mmdatasdk = pytest.importorskip("mmsdk.mmdatasdk")
    folder, names = formats.sequences(tmp_path / "csd")
    files = {path.stem.removeprefix("CMU_MOSI_"): str(path) for path in sorted(folder.glob("*.csd"))}
    labels = {"labels": files.pop("Opinion_Segment_Labels")}
    dataset = mmdatasdk.mmdataset(files)
    dataset.align("glove_vectors", collapse_functions=[lambda _, features: np.average(features, axis=0)])
    dataset.impute("glove_vectors")
    dataset.add_computational_sequences(labels, None)
    dataset.align("labels")
    tensors = dataset.get_tensors(seq_len=10, non_sequences=["labels"], folds=[names[:8], names[8:]])
    assert tensors[0]["glove_vectors"].shape == (32, 10, 12)
    assert tensors[1]["labels"].shape == (12, 1, 1)  # the last video has no face at all
