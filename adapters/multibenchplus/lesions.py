"""Skin lesions: dermoscopic pictures with the patient's record (Derm7pt, SIIM-ISIC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from coral_plugin.errors import InputError

from .content import (
    EMPTY_CELLS,
    Content,
    MultibenchPlusSettings,
    SplitRows,
    numbers_of,
    permuted_rows,
    read_table,
    split_arrays,
    whole_numbers,
)
from .pictures import path_inside, read_pictures

_DERM_COLUMNS = ("sex", "location", "elevation", "management")
_SITE = "anatom_site_general_challenge"


def read_derm7pt(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """Derm7pt: a photograph and a dermoscopic picture of a lesion, and the patient's record as categories."""
    path = folder / "meta/meta.csv"
    table = read_table(path, ("diagnosis", "clinic", "derm", *_DERM_COLUMNS))
    rows: SplitRows = {}
    for split in ("train", "valid", "test"):
        listed = folder / f"meta/{split}_indexes.csv"
        index = np.array(whole_numbers(read_table(listed, ("indexes",))["indexes"], str(listed)), dtype=np.int64)
        if ((index < 0) | (index >= len(table["diagnosis"]))).any():
            raise InputError(f"{listed} names rows that {path} does not have.")
        rows = {**rows, split: index}
    values: dict[str, np.ndarray] = {}
    notes = ["categories are those of train; MultiBench++ takes those of all samples"]
    for column in ("clinic", "derm"):
        paths = [path_inside(folder / "images", name) for name in table[column]]
        values[column], values[f"{column}/present"], missing = read_pictures(folder, column, paths, settings.size)
        notes += missing
    values["record"] = _record(table, _DERM_COLUMNS, rows["train"])
    values["labels"] = np.array(table["diagnosis"])
    arrays = {**split_arrays(rows, values, folder), "classes": sorted(set(table["diagnosis"]))}
    return Content(arrays, {"clinic": "image", "derm": "image", "record": "tabular"}, notes)


def read_isic(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """SIIM-ISIC: a dermoscopic picture of a lesion, and the patient's sex, age and site."""
    path = folder / "train.csv"
    table = read_table(path, ("image_name", "sex", "age_approx", _SITE, "target"))
    for column in ("sex", _SITE):
        table[column] = ["unknown" if cell in EMPTY_CELLS else cell for cell in table[column]]
    ages = numbers_of(["nan" if cell in EMPTY_CELLS else cell for cell in table["age_approx"]], f"{path}: age_approx")
    tenth = int(0.1 * len(ages))
    rows = permuted_rows(len(ages), tenth, tenth)
    known = ages[rows["train"]]
    known = known[~np.isnan(known)]
    ages = np.where(np.isnan(ages), known.mean() if len(known) else 0, ages)
    record = np.column_stack([ages, _record(table, ("sex", _SITE), rows["train"])])
    paths = [path_inside(folder / "jpeg/train", f"{name}.jpg") for name in table["image_name"]]
    pixels, present, missing = read_pictures(folder, "image", paths, settings.size)
    values = {"image": pixels, "image/present": present, "record": record}
    values |= {"labels": np.array(whole_numbers(table["target"], f"{path}: target"))}
    notes = ["the mean age and the categories (columns of 0 and 1) are those of train; MultiBench++ takes all samples"]
    return Content(split_arrays(rows, values, folder), {"image": "image", "record": "tabular"}, notes + missing)


def _record(table: Mapping[str, list[str]], columns: Sequence[str], train: np.ndarray) -> np.ndarray:
    """Columns of 0 and 1, one for each category of train."""
    return np.hstack([_one_hot([table[column][row] for row in train], table[column]) for column in columns])


def _one_hot(train: Sequence[str], cells: Sequence[str]) -> np.ndarray:
    """``(N, categories of train)``, in alphabetical order; zeros for a cell that train does not have."""
    categories = sorted(set(train))
    return (np.array(cells)[:, None] == np.array(categories)[None, :]).astype(np.float32)
