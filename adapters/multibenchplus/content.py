"""What the readers of MultiBench++'s files share: settings, samples, splits, text tables."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from coral_plugin.data import SPLITS
from coral_plugin.data.arrays import VALID_SHARE
from coral_plugin.data.modality import Kind
from coral_plugin.errors import InputError, one_line
from coral_plugin.io.files import MOST_TEXT, read_bytes
from coral_plugin.io.sniff import FILE_KINDS, sniff

SplitRows = Mapping[str, np.ndarray]  # {split: rows of its samples}
# what pandas reads as no value
EMPTY_CELLS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MultibenchPlusSettings:
    """How a folder of MultiBench++ is read.

    Attributes:
        dataset: Name of the data set, as MultiBench++ calls it (``BRCA``, ``tw15``); empty recognises its files.
        valid: Origin of the validation samples where MultiBench++ validates on test: ``train`` sets 15 % of train
            aside, ``test`` takes the samples of test, as its loaders do.
        size: Height and width of pictures in pixels.
        words: Number of words of train whose weights represent a text.
        patch: Height and width of a patch of a map in pixels.
        labels: Labels of MELD.
        group: Number of the group of ICD-9 codes that MIMIC_III predicts; -1 is mortality.
        trust_pickle: Whether pickles are loaded with Python's own unpickler, which runs any code that they hold.
    """

    dataset: str = ""
    valid: Literal["train", "test"] = "train"
    size: int = 224
    words: int = 1000
    patch: int = 5
    labels: Literal["sentiment", "emotion"] = "sentiment"
    group: int = 7
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise InputError(f"size must be from 8 to 1024 pixels, got {self.size}.")
        if self.words < 1:
            raise InputError(f"words must be at least 1, got {self.words}.")
        if not 1 <= self.patch <= 63 or self.patch % 2 == 0:
            raise InputError(f"patch must be an odd number of pixels from 1 to 63, got {self.patch}.")
        if not -1 <= self.group <= 19:
            raise InputError(f"group must be from -1 (mortality) to 19, got {self.group}.")


@dataclass(frozen=True)
class Content:
    """The samples of a data set, as :func:`coral_plugin.data.from_arrays` takes them.

    Attributes:
        arrays: ``{"train/NAME": (N, ...), "train/labels": (N,), "classes": names}``.
        kinds: ``{modality: kind}``.
        notes: Decisions made for the user, one line each.
        valid_is_test: Whether MultiBench++ validates on test; there is no valid split then.
    """

    arrays: dict[str, Any]
    kinds: dict[str, Kind]
    notes: list[str] = field(default_factory=list)
    valid_is_test: bool = False


def split_arrays(rows: SplitRows, values: Mapping[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    """``{"<split>/<key>": values[key][rows]}``.

    Args:
        rows: Rows of each split.
        values: ``{key: (N, ...)}`` of all samples.
        folder: Folder of the data set, for messages.

    Raises:
        InputError: a split has no sample.
    """
    if empty := [label for label in rows if not len(rows[label])]:
        counts = ", ".join(f"{label} {len(index)}" for label, index in rows.items())
        raise InputError(f"{folder} has too few samples: none are left for {empty[0]} ({counts}).")
    return {f"{label}/{key}": value[rows[label]] for label in SPLITS if label in rows for key, value in values.items()}


def shuffled_rows(count: int, seed: int, *, test_first: bool) -> SplitRows:
    """Rows of each split after Python's shuffle, in one of two orders of MultiBench++.

    Args:
        count: Number of samples.
        seed: Seed of the shuffle.
        test_first: Whether test is the first fifth, valid what follows up to a quarter, train the rest; else valid has
            a quarter, test a fifth, and both follow train.
    """
    shuffled = list(range(count))
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    order = np.array(shuffled, dtype=np.int64)
    fifth, quarter = count // 5, count // 4
    if test_first:
        return {"train": order[quarter:], "valid": order[fifth:quarter], "test": order[:fifth]}
    end = count - fifth - quarter
    return {"train": order[:end], "valid": order[end : end + quarter], "test": order[end + quarter :]}


def permuted_rows(count: int, valid: int, test: int) -> SplitRows:
    """Rows of each split as ``torch.utils.data.random_split`` draws them with seed 42, train first."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(42)).numpy()
    end = count - valid - test
    return {"train": order[:end], "valid": order[end : end + valid], "test": order[end + valid :]}


def stratified_rows(labels: Sequence[Any] | np.ndarray, folder: Path) -> SplitRows:
    """Rows of each split, 70, 10 and 20 % by class, as scikit-learn draws them with seed 42.

    Args:
        labels: Labels of all samples.
        folder: Folder of the data set, for messages.

    Raises:
        InputError: a class has too few samples.
    """
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    try:
        train, rest = train_test_split(np.arange(len(labels)), test_size=0.3, random_state=42, stratify=labels)
        valid, test = train_test_split(rest, test_size=2 / 3, random_state=42, stratify=labels[rest])
    except ValueError as error:
        raise InputError(f"{folder}: {len(labels)} samples cannot be split by class: {one_line(error)}.") from error
    return {"train": train, "valid": valid, "test": test}


def last_groups(groups: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of train and of valid: the last groups (videos) go to valid until it has 15 % of the samples.

    Raises:
        InputError: there is one group only.
    """
    order = list(dict.fromkeys(groups))
    if len(order) < 2:
        raise InputError(f"train has {len(order)} videos; two are needed to set a valid split aside.")
    held: set[Any] = set()
    while len(held) < len(order) - 1 and sum(group in held for group in groups) < VALID_SHARE * len(groups):
        held.add(order[-1 - len(held)])
    flags = np.array([group in held for group in groups])
    return np.flatnonzero(~flags), np.flatnonzero(flags)


def read_table(path: Path, columns: Iterable[str], delimiter: str = ",") -> dict[str, list[str]]:
    """Columns of a text table with a first line of names, in UTF-8 or Latin-1.

    Args:
        path: File.
        columns: Names of columns that it must have.
        delimiter: Character between two cells.

    Returns:
        ``{column: cells}`` of all columns; a name that comes twice gets ``.1``, as pandas has it.

    Raises:
        InputError: the file is missing or another kind of file, a column is missing, or a row has more cells.
    """
    lines = csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter)
    try:
        rows = [row for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{path} is no table of text ({one_line(error)}).") from error
    head: list[str] = []
    for cell in rows[0] if rows else []:
        name = cell.strip()
        head.append(f"{name}.{head.count(name)}" if name in head else name)
    if missing := [column for column in columns if column not in head]:
        present = " ".join(", ".join(head).split())[:200] or "nothing"
        raise InputError(f"{path} has no column {missing[0]!r}; it has {present}.")
    if longer := next((number for number, row in enumerate(rows, start=1) if len(row) > len(head)), 0):
        raise InputError(f"{path}: row {longer} has more cells than the first, which names {len(head)} columns.")
    # cells that a row lacks at its end are empty, as pandas reads them
    return {name: [row[place] if place < len(row) else "" for row in rows[1:]] for place, name in enumerate(head)}


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, or else in Latin-1.

    Raises:
        InputError: there is no such file, or it is of another kind.
    """
    if (kind := sniff(path)) not in ("text", "json", "unknown"):  # unknown: Latin-1
        raise InputError(f"{path} is {FILE_KINDS[kind]}. Expected text.")
    content = read_bytes(path, MOST_TEXT)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def numbers_of(cells: Sequence[str], place: str) -> np.ndarray:
    """Cells of a table as numbers.

    Raises:
        InputError: one is no number; the message gives its row.
    """
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        for number, cell in enumerate(cells, start=2):
            try:
                float(cell)
            except ValueError as error:
                raise InputError(f"{place}: row {number} holds {cell[:40]!r}, which is no number.") from error
        raise


def whole_numbers(cells: Sequence[str], place: str) -> list[int]:
    """Cells of a table as whole numbers.

    Raises:
        InputError: one is no whole number.
    """
    numbers = numbers_of(cells, place)
    if not (numbers == np.round(numbers)).all():
        raise InputError(f"{place} holds labels that are no whole numbers.")
    return [int(number) for number in numbers]
