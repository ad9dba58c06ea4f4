"""torch.load of whole models: MultiBench's classes and ours come through, nothing else does."""

import importlib
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.multibench import multibench


class Reduced:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def whole(checkout):
    """A network as MultiBench saves it, with what its classes hold beside tensors."""
    structure = importlib.import_module("training_structures.Supervised_Learning")
    models = importlib.import_module("unimodals.common_models")
    fusion = importlib.import_module("fusions.common_fusions").Concat()
    model = structure.MMDL([models.MLP(3, 4, 5), models.GRU(2, 3)], fusion, models.MLP(5, 4, 2))
    model.reps = [torch.ones(2, 2)]
    model.best = [np.float64(0.5), np.int64(3), 0.25]
    model.arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "names": np.array([["b", "c"]], dtype=object)}
    model.activation = torch.nn.functional.relu
    model.inner = nn.TransformerEncoderLayer(4, 2)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.pt"


def test_a_whole_model_comes_back(checkout, path):
    with multibench(checkout):
        model = whole(checkout)
        torch.save(model, path)
        loaded = torch.load(path)
        with path.open("rb") as file:
            again = torch.load(file)
    assert type(loaded) is type(model)
    assert loaded.best == [0.5, 3, 0.25]
    assert isinstance(loaded.best[0], np.float64)
    assert loaded.arrays["a"].tolist() == again.arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert loaded.arrays["names"].tolist() == [["b", "c"]]
    with multibench(checkout):  # what was loaded is saved and loaded again
        torch.save(loaded, path)
        assert torch.load(path).arrays["a"].sum() == 15
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
        assert torch.equal(again.state_dict()[name], tensor)


def test_classes_of_the_running_script_are_admitted(double, path, monkeypatch):
    script = types.ModuleType("__main__")
    exec("import torch\nclass Mine(torch.nn.Module):\n  pass\nclass Numbers:\n  width = 4\n", vars(script))
    monkeypatch.setitem(sys.modules, "__main__", script)
    model = script.Mine()
    model.numbers = script.Numbers
    with multibench(double):
        torch.save(model, path)
        assert torch.load(path).numbers.width == 4


@pytest.mark.parametrize(
    "payload",
    [
        Reduced(os.mkdir, "ran"),
        Reduced(eval, "__import__('os').mkdir('ran')"),
        Reduced(torch.hub.load, "a/b", "c"),
        Reduced(torch.utils.collect_env.run, "mkdir ran"),
        Reduced(getattr, nn.Linear, "__init__"),
        Reduced(importlib.import_module, "os"),
        Reduced(np.load, "x.npy"),
    ],
    ids=lambda payload: payload.call[0].__name__,
)
def test_anything_else_is_refused_by_name(double, path, payload, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with multibench(double):
        model = whole(double)
        model.payload = payload
        torch.save(model, path)
        with pytest.raises(
            InputError, match=rf"{payload.call[0].__name__}, which is neither a network nor MultiBench's"
        ):
            torch.load(path)
    assert not (tmp_path / "ran").exists()


def test_functions_and_imports_of_the_checkout_are_no_classes_of_it(double, path):
    with multibench(double):
        helper = importlib.import_module("utils.helper_modules")
        for thing in (importlib.import_module("eval_scripts.performance").accuracy, Reduced(helper.nn.Module)):
            model = whole(double)
            model.thing = thing
            torch.save(model, path)
            if isinstance(thing, Reduced):
                assert isinstance(torch.load(path).thing, nn.Module)  # a network, whoever imports it
            else:
                with pytest.raises(InputError, match="accuracy"):
                    torch.load(path)


def test_what_the_caller_says_is_left_to_him(double, path):
    with multibench(double):
        torch.save(whole(double), path)
        with pytest.raises(Exception, match="Weights only load failed"):
            torch.load(path, weights_only=True)
        assert torch.load(path, weights_only=False).best == [0.5, 3, 0.25]


def test_what_is_no_checkpoint_is_torchs_to_say(double, path):
    path.write_bytes(b"no checkpoint")
    with multibench(double):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path)
        with pytest.raises(FileNotFoundError):
            torch.load(path.with_name("none.pt"))


def test_plain_tensors_load(double, path):
    torch.save({"a": torch.arange(3)}, path)
    with multibench(double):
        assert torch.load(path)["a"].tolist() == [0, 1, 2]


@pytest.mark.multibench
def test_the_pretrained_models_of_the_real_one_load(checkout):
    found = sorted((checkout.root / "pretrained").glob("*/*.pt"))
    with multibench(checkout):
        assert all(isinstance(torch.load(path), nn.Module) for path in found)
