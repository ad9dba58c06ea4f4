"""MM-IMDb: one HDF5 file of any number of rows, and its noisy test sets without the raw posters and plots.

MultiBench makes eleven noisy copies of the test set from raw posters (through a VGG on Theano, which is dead) and raw
plots (through word vectors of 3.6 GB). Where its cached results lie beside the file (``vgg_features_0.npy`` ...) they
are read. Otherwise the noise is put on the features that the HDF5 file holds, and a note says so: such a curve starts
at the same figure, and is not the published one.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from coral_plugin.io.hdf5 import dataset_of, open_hdf5
from coral_plugin.multibench.redirect.request import ArgumentChange, DataRequest, Loader
from coral_plugin.multibench.redirect.rows import with_rows

_FIT, _VALID, _ALL = 15_552, 18_160, 25_959  # where train ends, where valid ends, rows of the published file
_LEVELS = 11
_FILE = "MM-IMDb's multimodal_imdb.hdf5"
_KEYS = ("features", "vgg_features", "genres")


def imdb_loader(request: DataRequest, module: ModuleType) -> ArgumentChange:
    """The user's file, its rows and its features."""
    original: Loader = module.get_dataloader

    def change(arguments: dict[str, Any]) -> Loader:
        path = Path(request.file("path", arguments["path"], _FILE, "multimodal_imdb.hdf5"))
        noisy = not arguments["no_robust"]
        arguments |= {"path": str(path), "no_robust": True}
        total, cut = _rows(path)
        if total != _ALL:
            request.scope.say(
                f"{path} has {total} rows, MultiBench's loader is written for {_ALL}: its code runs with the same "
                f"shares of the file ({cut[_FIT]} train, {cut[_VALID] - cut[_FIT]} valid)."
            )
        loader = with_rows(original, cut) if total != _ALL else original

        def load(*args: Any, **options: Any) -> Any:
            train, valid, test = loader(*args, **options)
            return (train, valid, _noisy(request, module, path, cut, test) if noisy else test)

        return load

    return change


def _rows(path: Path) -> tuple[int, dict[int, int]]:
    with open_hdf5(path, _FILE) as file:
        total = min(len(dataset_of(file, key, str(path))) for key in _KEYS)
    return total, {size: round(size * total / _ALL) for size in (_FIT, _VALID, _ALL)}


def _noisy(
    request: DataRequest, module: ModuleType, path: Path, cut: dict[int, int], clean: Any
) -> dict[str, list[Any]]:
    """Eleven loaders of the test rows for each modality, as MultiBench's function returns them."""
    import h5py

    with h5py.File(path, "r") as file:
        parts = {key: file[key][cut[_VALID] : cut[_ALL]] for key in _KEYS}
    features = {name: _cached(path.parent, name, len(parts["genres"])) for name in ("vgg", "text")}
    if not all(features.values()):
        request.scope.say(
            "MM-IMDb's noisy test sets come from raw posters and plots, which MultiBench reads with Theano and 3.6 GB "
            "of word vectors. Here Gaussian noise of 0, 0.1, ... 1 standard deviations is put on the features of the "
            "file: the first figure is MultiBench's, the curve is not the published one."
        )
        features = {"vgg": _noise(parts["vgg_features"]), "text": _noise(parts["features"])}

    def loaders(images: list[np.ndarray], texts: list[np.ndarray]) -> list[Any]:
        rows = [list(zip(t, i, parts["genres"], strict=True)) for t, i in zip(texts, images, strict=True)]
        return [
            module.DataLoader(
                module.IMDBDataset_robust(samples, 0, len(samples)), shuffle=False, batch_size=clean.batch_size
            )
            for samples in rows
        ]

    same_text, same_image = [parts["features"]] * _LEVELS, [parts["vgg_features"]] * _LEVELS
    return {
        "image": loaders(features["vgg"], same_text),
        "text": loaders(same_image, features["text"]),
    }


def _cached(folder: Path, name: str, rows: int) -> list[np.ndarray]:
    """MultiBench's own noisy features beside the file; none where one lacks or has another number of rows."""
    files = [folder / f"{name}_features_{level}.npy" for level in range(_LEVELS)]
    if not all(os.path.isfile(file) for file in files):  # noqa: PTH113 - False for what no path can be
        return []
    arrays = [np.load(file, allow_pickle=False) for file in files]
    return arrays if all(len(array) == rows for array in arrays) else []


def _noise(features: np.ndarray) -> list[np.ndarray]:
    """``features`` (N, d) with noise of 0, 0.1, ... 1 of each column's standard deviation."""
    generator = np.random.default_rng(0)
    scale = features.std(axis=0, keepdims=True)
    return [
        (features + level / 10 * scale * generator.standard_normal(features.shape)).astype(features.dtype)
        for level in range(_LEVELS)
    ]
