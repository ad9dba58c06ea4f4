"""The small shims one by one: NumPy, YAML, workers, memory, CUDA, absent libraries, relative paths, warnings."""

import contextlib
import importlib
import mmap
import os
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from coral_plugin.errors import InputError, PluginError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.shims import memory
from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS
from coral_plugin.multibench.shims.memory import memory_usage

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU: nothing is mapped")


@pytest.fixture
def inside(double):
    with multibench(double, also=SCRIPT_SHIMS, say=lambda _: None) as scope:
        yield scope


def test_names_that_numpy_removed(inside):
    assert np.zeros(2, dtype=float).dtype == np.float64
    assert np.bytes_ is np.bytes_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert importlib.import_module("numpy.core.numeric").zeros_like([1, 2]).tolist() == [0, 0]


def test_yaml_without_a_loader_reads_plain_values_only(inside):
    assert yaml.load("a: [1, 2.5, x]") == {"a": [1, 2.5, "x"]}
    with pytest.raises(yaml.YAMLError):
        yaml.load("!!python/object/apply:os.system ['true']")
    assert yaml.load("a: 1", yaml.FullLoader) == {"a": 1}


def test_loaders_load_in_the_process_itself(inside, monkeypatch):
    if "loader-workers" not in inside.shims:
        pytest.skip("this machine may have workers")
    loader = DataLoader([1, 2, 3], batch_size=2, num_workers=8, prefetch_factor=4, persistent_workers=True)
    assert loader.num_workers == 0
    assert [batch.tolist() for batch in loader] == [[1, 2], [3]]


def test_a_short_training_is_run_once(inside):
    calls = []
    usage = importlib.import_module("memory_profiler").memory_usage(proc=lambda: calls.append(1))
    assert calls == [1]
    assert max(usage) > 1  # MiB
    bound = importlib.import_module("eval_scripts.complexity").memory_usage
    assert bound((lambda a, b: calls.append(a + b), (1,), {"b": 2}), max_usage=True) > 1
    assert calls == [1, 3]
    assert memory_usage((lambda: 5,), retval=True)[1] == 5


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("x")])
def test_what_leaves_a_training_comes_through(inside, error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        memory_usage(fail)


def test_memory_is_looked_at_while_the_training_runs(monkeypatch):
    looked, measure = [], memory._mebibytes
    monkeypatch.setattr(memory, "_mebibytes", lambda: (looked.append(measure()), looked[-1])[1])

    def fill():
        with mmap.mmap(-1, 40 << 20) as block:  # 40 MiB, not from a heap that was that large before
            block.write(b"x" * (40 << 20))
            looked[1:] = []  # what was looked at while it was written
            while len(looked) < 3:  # one before the training, one that may have begun before the block was full
                time.sleep(0.01)

    seen = memory_usage(fill)
    assert max(seen) > seen[0] + 30


@no_gpu
def test_a_gpu_is_asked_for_where_there_is_none(inside):
    module = torch.nn.Linear(2, 2)
    assert module.cuda() is module
    assert module.to("cuda:1").weight.device.type == "cpu"
    assert module.to(device=torch.device("cuda")).weight.device.type == "cpu"
    tensor = torch.ones(2)
    assert tensor.cuda(0) is tensor
    assert tensor.to("cuda").device.type == "cpu"
    assert tensor.to("cuda", torch.float64).dtype == torch.float64
    assert tensor.to(torch.int64).dtype == torch.int64
    assert torch.tensor([1.0], device="cuda").device.type == "cpu"
    assert torch.zeros(2, device=torch.device("cuda:0")).device.type == "cpu"
    assert torch.empty(2, device="meta").device.type == "meta"


def test_libraries_that_are_hardly_used_say_what_needs_them(inside):
    for name in ("requests", "pmdarima"):
        if name in inside.shims:
            with pytest.raises(PluginError, match=f"{name} is not installed.*pip install {name}"):
                importlib.import_module(name).get("x")


def test_dead_libraries_say_what_needed_them(inside):
    if "torchtext" in inside.shims:
        with pytest.raises(PluginError, match="GloVe"):
            importlib.import_module("torchtext").vocab.GloVe(name="840B", dim=300)
    if "imdb-vgg" in inside.shims:
        with pytest.raises(PluginError, match="Theano"):
            importlib.import_module("datasets.imdb.vgg").VGGClassifier(model_path="x")
    if "gensim" in inside.shims:
        with pytest.raises(PluginError, match="pip install gensim"):
            importlib.import_module("gensim.models").KeyedVectors.load_word2vec_format("x")


def test_relative_paths_are_read_from_the_checkout_and_written_here(double, inside, tmp_path):
    with contextlib.chdir(tmp_path):
        assert "traindata" in Path("examples/affect/late_fusion.py").read_text()
        for name in ("README.md", "../README.md", "utils/none.py"):  # a bare name may be an old model in the checkout
            with pytest.raises(FileNotFoundError):
                Path(name).read_text()
        torch.save([1], "examples/affect/best.pt")
        Path("utils/notes.txt").write_text("x")
        with pytest.raises(FileNotFoundError):
            Path("no_such_folder/notes.txt").write_text("x")
    assert (tmp_path / "examples/affect/best.pt").is_file()
    assert (tmp_path / "utils/notes.txt").read_text() == "x"
    assert not (double.root / "utils/notes.txt").exists()


def test_a_file_here_comes_first(inside, tmp_path):
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "helper_modules.py").write_text("mine")
    with contextlib.chdir(tmp_path):
        assert Path("utils/helper_modules.py").read_text() == "mine"


def test_warnings_of_every_batch_are_not_given(inside):
    torch.nn.Softmax()(torch.ones(2, 2))
    with pytest.raises(UserWarning):  # as this suite has it
        warnings.warn("something else", UserWarning, stacklevel=1)


def test_old_names_of_modules_are_found(checkout):
    with multibench(checkout) as scope:
        old = importlib.import_module("training_structures.Simple_Late_Fusion")
        assert old is importlib.import_module("training_structures.Supervised_Learning")
        loader = importlib.import_module("datasets.robotics.data_loader")
        real = importlib.import_module("datasets.robotics.get_data")
        scope.patch(real, "get_data", lambda *a, **o: ("train", "valid", "test"))
        assert loader.get_data(None, {}) == ("train", "valid")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_pickle_is_said(checkout, tmp_path):
    path = tmp_path / "mosi_raw.pkl"
    path.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    with multibench(checkout), pytest.raises(InputError, match=r"mosi_raw.pkl is a web page .* Expected a pickle as"):
        importlib.import_module("datasets.affect.get_data").get_dataloader(filepath=str(path))


# MultiBench leaves the file open when it fails
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_hostile_pickles_are_refused(checkout, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "mosi_raw.pkl"
    path.write_bytes(pickle.dumps({"train": Evil()}))
    with multibench(checkout):
        for name, argument in (("affect", {"filepath": str(path)}), ("mimic", {"task": 1, "imputed_path": str(path)})):
            get = importlib.import_module(f"datasets.{name}.get_data").get_dataloader
            with pytest.raises(InputError, match=r"mkdir, which is not read from a pickle because it could run code"):
                get(**argument)
    assert not (tmp_path / "ran").exists()
