"""What MultiBench's loaders import and this environment lacks: the few functions of it that they call, written anew.

``install(monkeypatch)`` puts them where the real module is not there. Torchvision cannot be imported beside
a CPU build of torch.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch


class Compose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, value):
        for step in self.steps:
            value = step(value)
        return value


def resize(size):
    from PIL import Image

    return lambda picture: picture.resize(size[::-1], Image.Resampling.BILINEAR)


def to_tensor(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


class Slices:
    """fannypack's ``SliceWrapper``: an array, or a dictionary of them, cut and walked through by rows."""

    def __init__(self, held):
        self.held = held

    def __len__(self):
        return len(next(iter(self.held.values())) if isinstance(self.held, dict) else self.held)

    def __getitem__(self, index):
        return {key: value[index] for key, value in self.held.items()} if isinstance(self.held, dict) else (
            self.held[index]
        )  # fmt: skip

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    def map(self, function):
        return {key: function(value) for key, value in self.held.items()} if isinstance(self.held, dict) else (
            function(self.held)
        )  # fmt: skip


class Trajectories:
    """fannypack's ``TrajectoriesFile``, for reading."""

    def __init__(self, path):
        import h5py

        self.file = h5py.File(path, "r")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __iter__(self):
        for number in range(len(self.file)):
            yield {key: np.array(value) for key, value in self.file[f"trajectory{number}"].items()}


class Drive:
    """fannypack's cache of Google Drive: ``ID-NAME`` in a folder."""

    folder = Path()

    @classmethod
    def set_cache_path(cls, folder):
        cls.folder = Path(folder)

    @classmethod
    def cached_drive_file(cls, name, url):
        return str(cls.folder / f"{url.split('/')[-2]}-{name}")


def _modules():
    transforms = {"Compose": Compose, "Resize": resize, "ToTensor": lambda: to_tensor, "Normalize": None}
    data = {
        "TrajectoriesFile": Trajectories,
        "set_cache_path": Drive.set_cache_path,
        "cached_drive_file": Drive.cached_drive_file,
    }
    return {
        "torchtext": {},
        "torchvision": {},
        "torchvision.transforms": transforms,
        "gensim": {},
        "gensim.models": {"KeyedVectors": None},
        "datasets.imdb.vgg": {"VGGClassifier": None},  # wants theano
        "fannypack": {},
        "fannypack.data": data,
        "fannypack.utils": {"SliceWrapper": Slices},
        "requests": {"get": None},
    }


def install(monkeypatch):
    """Put the modules that are missing, and the names that NumPy has given up."""
    there = {name for name in ("gensim", "fannypack", "requests") if importlib.util.find_spec(name)}
    for name, attributes in _modules().items():
        if name.partition(".")[0] in there:
            continue
        module = types.ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, last = name.rpartition(".")
        if parent in sys.modules and parent in _modules():
            setattr(sys.modules[parent], last, module)
    for name, value in (("float", float), ("string_", np.bytes_)):
        if not hasattr(np, name):
            monkeypatch.setattr(np, name, value, raising=False)
