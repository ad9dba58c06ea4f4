"""Features in tables: multi-omics CSV (BRCA, ROSMAP, TCGA), MIMIC-III's pickle, MIRFlickr's MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data.modality import Kind
from coral_plugin.data.values import as_array
from coral_plugin.errors import CoralError, InputError, one_line
from coral_plugin.io.hdf5 import dataset_of, open_hdf5, read_array
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind
from coral_plugin.machine import require_memory

from ..mimic import Mimic, mimic_arrays, mimic_task, without_infinities
from .content import (
    Content,
    MultibenchPlusSettings,
    numbers_of,
    read_table,
    shuffled_rows,
    split_arrays,
    stratified_rows,
    text_of,
)

_VIEWS = ("1", "2", "3")
_TCGA = ("cnv", "meth", "mirna", "rnaseq", "rppa")
CELLS = "*_cell_composition.csv"
_FLICKR = "Cleared-Set/{0}All/mirflickr25k-{1}all.mat"


def read_brca(folder: Path, _: MultibenchPlusSettings) -> Content:
    """BRCA: three views of a patient, split 75, 5 and 20 %."""
    return _read_omics(folder, test_first=True)


def read_rosmap(folder: Path, _: MultibenchPlusSettings) -> Content:
    """ROSMAP: three views of a brain, split 55, 25 and 20 %."""
    return _read_omics(folder, test_first=False)


def _read_omics(folder: Path, *, test_first: bool) -> Content:
    """The parts ``_tr`` and ``_te`` are joined and split anew, as MultiBench++ does."""
    values = {f"omics_{view}": _joined(folder, view) for view in _VIEWS}
    labels = _joined(folder, "labels")[:, 0]
    counts = {key: len(value) for key, value in {**values, "labels": labels}.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"{folder}: unequal numbers of samples: {counts}.")
    rows = shuffled_rows(len(labels), 10, test_first=test_first)
    kinds: dict[str, Kind] = dict.fromkeys(values, "tabular")
    return Content(split_arrays(rows, {**values, "labels": labels.astype(np.int64)}, folder), kinds)


def _joined(folder: Path, stem: str) -> np.ndarray:
    """The rows of both parts of a table."""
    parts = [_numbers(folder, f"{stem}_{part}") for part in ("tr", "te")]
    if parts[0].shape[1] != parts[1].shape[1]:
        raise InputError(f"{folder}: {stem}_tr.csv has {parts[0].shape[1]} columns, {stem}_te.csv {parts[1].shape[1]}.")
    return np.concatenate(parts)


def _numbers(folder: Path, stem: str) -> np.ndarray:
    """``(N, d)`` of a CSV without a first line of names."""
    path = folder / f"{stem}.csv"
    lines = text_of(path).splitlines()
    try:
        return np.loadtxt(lines, delimiter=",", ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} is no table of numbers ({one_line(error)}).") from error


def read_tcga(folder: Path, _: MultibenchPlusSettings) -> Content:
    """One type of cancer of TCGA: five omics and the composition of cells of the patients that have all of them."""
    composition = sorted(folder.glob(CELLS))
    if len(composition) != 1:
        raise InputError(f"{folder} has {len(composition)} files {CELLS}; give the folder of one type of cancer.")
    paths = {**{name: folder / f"{name}.csv" for name in _TCGA}, "cells": composition[0]}
    tables = {name: _patients(path) for name, path in paths.items()}
    clinical = folder / "survival_clinical.csv"
    survival = read_table(clinical, ("Patient Identifier", "Death"))
    deaths = dict(zip(survival["Patient Identifier"], numbers_of(survival["Death"], f"{clinical}: Death"), strict=True))
    common = [patient for patient in tables["cnv"] if all(patient in t for t in (*tables.values(), deaths))]
    rows = shuffled_rows(len(common), 42, test_first=False)
    values = {name: np.array([table[patient] for patient in common]) for name, table in tables.items()}
    values["labels"] = np.array([deaths[patient] > 0 for patient in common], dtype=np.int64)
    kinds: dict[str, Kind] = dict.fromkeys(paths, "tabular")
    content = Content({**split_arrays(rows, values, folder), "classes": ["alive", "dead"]}, kinds)
    if left := len(set().union(*tables.values(), deaths)) - len(common):
        content.notes.append(f"{left} patients without all six tables and a survival are left out")
    return content


def _patients(path: Path) -> dict[str, np.ndarray]:
    """``{patient: numbers}`` of a CSV whose first column names the patients."""
    table = read_table(path, ())
    names, *columns = table.items()
    if not columns:
        raise InputError(f"{path} has {len(table)} columns; a patient and numbers are expected.")
    patients, values = names[1], np.stack([numbers_of(cells, f"{path}: {name}") for name, cells in columns], axis=1)
    if len(set(patients)) < len(patients):
        raise InputError(f"{path} names a patient twice.")
    return dict(zip(patients, values, strict=True))


def read_mimic(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """MIMIC-III: MultiBench's ``im.pk``, split 75, 5 and 20 %."""
    path = folder / "im.pk"
    require_kind(path, "pickle", Mimic.expects)
    arrays = mimic_arrays(read_pickle(path, trust=settings.trust_pickle), str(path))
    notes = ["MultiBench++ scales the features with statistics of all samples, test included; here with those of train"]
    task, labels = mimic_task(settings.group, arrays, str(path))
    values = {
        "static": without_infinities(arrays["adm_features_all"], "static", notes),
        "series": without_infinities(arrays["ep_tdata"], "series", notes),
        "labels": labels,
    }
    rows = shuffled_rows(len(labels), 10, test_first=True)
    content = split_arrays(rows, values, folder)
    return Content({**content, "classes": list(task.classes)}, {"static": "tabular", "series": "timeseries"}, notes)


def read_mirflickr(folder: Path, _: MultibenchPlusSettings) -> Content:
    """MIRFlickr: pictures (or features of them) and tags; the first of a picture's labels is its class."""
    flags = as_array(read_mat(folder / _FLICKR.format("L", "l"), "LAll"), "LAll", str(folder))
    tags = as_array(read_mat(folder / _FLICKR.format("Y", "y"), "YAll"), "YAll", str(folder))
    path = folder / _FLICKR.format("I", "i")
    with open_hdf5(path, "MIRFlickr's pictures (IAll, MATLAB 7.3)") as file:
        pictures = read_array(dataset_of(file, "IAll", str(path)), f"{path}: IAll")
    if flags.ndim != 2 or tags.ndim != 2 or len({len(pictures), len(tags), len(flags)}) > 1:
        raise InputError(f"{folder}: IAll {pictures.shape}, YAll {tags.shape} and LAll {flags.shape} do not fit.")
    labels = flags.argmax(axis=1).astype(np.int64)
    values = {"image": pictures, "tags": tags, "labels": labels}
    kind: Kind = "image" if pictures.ndim == 4 else "tabular"
    note = "a picture with several labels counts for the first of them, as in MultiBench++"
    notes = [note] if (flags.sum(axis=1) > 1).any() else []
    arrays = split_arrays(stratified_rows(labels, folder), values, folder)
    names = [str(number) for number in range(flags.shape[1])]
    return Content({**arrays, "classes": names}, {"image": kind, "tags": "tabular"}, notes)


def read_mat(path: Path, key: str, *, structure: bool = False) -> Any:
    """A variable of a MATLAB file up to version 7.2.

    Args:
        path: File.
        key: Name of the variable.
        structure: Whether it is a structure, whose fields become attributes; else an array of two dimensions or more.

    Raises:
        InputError: the file is missing, damaged, or has no such variable.
        MachineError: the variable does not fit into memory.
    """
    from scipy.io import loadmat, whosmat

    require_kind(path, "mat", f"a MATLAB file (.mat) with {key}")
    try:
        shapes = {name: shape for name, shape, _ in whosmat(path)}
        if key in shapes:
            require_memory(int(np.prod(shapes[key], dtype=np.float64)) * 8, f"{path}: {key} of shape {shapes[key]}")
            return loadmat(path, variable_names=[key], squeeze_me=structure, struct_as_record=not structure)[key]
    except CoralError:
        raise
    except Exception as error:  # damaged files make SciPy raise a dozen types
        reason = one_line(error, 120, with_type=True)
        raise InputError(f"{path} is no MATLAB file that can be read ({reason}); fetch it again.") from error
    raise InputError(f"{path} lacks {key}; it has {', '.join(shapes)[:200] or 'nothing'}.")
