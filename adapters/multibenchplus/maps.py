"""Remote sensing: patches of a hyperspectral map and of a height or radar map around labelled pixels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data.values import as_array
from coral_plugin.errors import InputError
from coral_plugin.machine import require_memory

from .content import Content, MultibenchPlusSettings
from .tables import read_mat

TRENTO = ("Italy_hsi.mat", "Italy_lidar.mat", "allgrd.mat")
MUUFL = "MUUFLGulfportSceneLabels/muufl_gulfport_campus_1_hsi_220_label.mat"
_PER_CLASS, _SEED = 100, 0x0D00  # training pixels of Trento and MUUFL, as rs_fusion_datasets draws them
_SCALE = "MultiBench++ scales each band to [0, 1] over the whole map, test included; here statistics of train scale it"

Pixels = tuple[np.ndarray, np.ndarray]  # rows and columns


def read_ouc(folder: Path, settings: MultibenchPlusSettings, *, name: str, other: str) -> Content:
    """``NAME_hsi.mat``, ``NAME_lidar.mat`` or ``NAME_sar.mat``, ``NAME_gt.mat``, ``NAME_index.mat``."""
    spectra, heights, labels = (
        _map(read_mat(folder / f"{name}_{part}.mat", f"{name}_{part}"), f"{folder}: {name}_{part}")
        for part in ("hsi", other, "gt")
    )
    pixels = {}
    for split in ("train", "test"):
        places = as_array(read_mat(folder / f"{name}_index.mat", f"{name}_{split}"), f"{name}_{split}", str(folder))
        if places.ndim != 2 or places.shape[1] != 2 or (places < 0).any() or (places >= labels.shape[:2]).any():
            raise InputError(f"{folder}: {name}_{split} holds places outside the map of {labels.shape[:2]} pixels.")
        # each pixel once, row by row, as SciPy's sparse arrays order them for rs_fusion_datasets
        rows, columns = np.unique(places.astype(np.int64), axis=0).T
        marked = labels[rows, columns, 0] > 0
        pixels[split] = rows[marked], columns[marked]
    if other == "sar":
        heights = heights[:, :, ::-1]  # as rs_fusion_datasets does: the last channel first
    return _content(folder, settings, {"hsi": spectra, other: heights}, labels, pixels)


houston2018 = partial(read_ouc, name="houston", other="lidar")
berlin = partial(read_ouc, name="berlin", other="sar")
augsburg = partial(read_ouc, name="augsburg", other="sar")


def read_trento(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """Trento: 100 pixels of each class train, all others test."""
    keys = ("data", "data", "mask_test")
    spectra, heights, labels = (
        _map(read_mat(folder / file, key), f"{folder / file}: {key}") for file, key in zip(TRENTO, keys, strict=True)
    )
    return _content(folder, settings, {"hsi": spectra, "lidar": heights}, labels, _drawn(labels, folder))


def read_muufl(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """MUUFL Gulfport: 100 pixels of each class train, all others test."""
    path = folder / MUUFL
    scene = read_mat(path, "hsi", structure=True)
    try:
        spectra, heights, labels = scene.Data, scene.Lidar[0].z, scene.sceneLabels.labels
    except (AttributeError, TypeError, IndexError) as error:
        raise InputError(f"{path}: hsi is no structure with Data, Lidar.z and sceneLabels.labels.") from error
    labels = np.maximum(_map(labels, f"{path}: labels"), 0)
    maps = {"hsi": _map(spectra, f"{path}: Data"), "lidar": _map(heights, f"{path}: Lidar")}
    return _content(folder, settings, maps, labels, _drawn(labels, folder))


def _map(value: Any, place: str) -> np.ndarray:
    """``(height, width, channels)``."""
    array = as_array(value, "the map", place)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3:
        raise InputError(f"{place} has shape {array.shape}; a map is (height, width) or (height, width, channels).")
    return array


def _drawn(labels: np.ndarray, folder: Path) -> dict[str, Pixels]:
    """Pixels of train, drawn from each class, and all others that have a label, row by row."""
    rng = np.random.default_rng(_SEED)
    truth = labels[:, :, 0].astype(np.int64)
    train = np.zeros(truth.shape, dtype=bool)
    for number in range(1, int(truth.max()) + 1):
        rows, columns = np.nonzero(truth == number)
        if len(rows) <= _PER_CLASS:
            raise InputError(f"{folder}: class {number} has {len(rows)} pixels; {_PER_CLASS} train, and one tests.")
        chosen = rng.choice(len(rows), _PER_CLASS, replace=False)
        train[rows[chosen], columns[chosen]] = True
    return {"train": np.nonzero(train), "test": np.nonzero((truth > 0) & ~train)}  # type: ignore[dict-item]


def _content(
    folder: Path,
    settings: MultibenchPlusSettings,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    pixels: dict[str, Pixels],
) -> Content:
    """Patches ``(N, channels, patch, patch)`` around the pixels; the maps are mirrored at their edges."""
    sizes = {name: value.shape[:2] for name, value in {**maps, "labels": labels}.items()}
    radius, count = settings.patch // 2, sum(len(rows) for rows, _ in pixels.values())
    if len(set(sizes.values())) > 1 or min(labels.shape[:2]) <= radius:
        raise InputError(f"{folder}: maps of {sizes} do not fit each other, or are smaller than a patch.")
    values = count * settings.patch**2 * sum(value.shape[2] for value in maps.values())
    require_memory(8 * values, f"{folder}: {count} patches", "Set --source.patch lower.")
    arrays: dict[str, Any] = {"classes": [str(number) for number in range(1, int(labels.max()) + 1)]}
    for name, value in maps.items():
        edges = ((0, 0), (radius, radius), (radius, radius))
        padded = np.pad(value.transpose(2, 0, 1).astype(np.float32), edges, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (settings.patch, settings.patch), axis=(1, 2))
        for split, (rows, columns) in pixels.items():
            arrays[f"{split}/{name}"] = windows[:, rows, columns].swapaxes(0, 1)
    for split, (rows, columns) in pixels.items():
        if not len(rows):
            raise InputError(f"{folder}: no labelled pixel of {split}.")
        arrays[f"{split}/labels"] = labels[rows, columns, 0].astype(np.int64)
    return Content(arrays, dict.fromkeys(maps, "image"), [_SCALE], valid_is_test=True)
