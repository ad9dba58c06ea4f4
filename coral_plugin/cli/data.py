"""``coral data check``: what a file is and holds, before an hour is spent on it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coral_plugin.cli.flags import CommandParser
from coral_plugin.cli.own_data import OWN_FORMAT
from coral_plugin.errors import DefectError, InputError, PluginError
from coral_plugin.io.paths import files_below

if TYPE_CHECKING:
    from coral_plugin.data.inspection import Candidate, Inspection

_MOST_VALUES = 24  # different labels up to which each is counted; above, they are numbers in bins


def main(argv: list[str]) -> int:
    """Run ``coral data``; returns the exit status: 1 for a file that was read and cannot be trained on."""
    parser = CommandParser(
        prog="coral data",
        usage="coral data check PATH [FLAGS]",
        description="Say what a file or folder is, and whether it can be trained on.",
        examples=("coral data check mine.npz", "coral data check mosi_raw.pkl --dataset mosi"),
    )
    parser.add_argument(
        "action",
        choices=("check",),
        help="check: kind, sizes, shapes, NaN, splits, labels, sha256, and how training would read it",
    )
    parser.add_argument("path", metavar="PATH", help="file or folder")
    parser.add_argument("--dataset", metavar="NAME", help="read it as this data set (by default the likeliest)")
    parser.add_argument(
        "--trust-pickle", action="store_true", help="load a pickle with Python's unpickler, which runs what it says"
    )
    parser.add_argument("--verbose", action="store_true", help="list every file of a folder with its sha256")
    if argv and argv[0] != "check" and not argv[0].startswith("-"):
        raise InputError(f"coral data has one action, check: {shlex.join(['coral', 'data', 'check', *argv])}")
    arguments = parser.parse_args(argv)
    from coral_plugin.data.inspection import Candidate
    from coral_plugin.registry import DATASETS

    if arguments.dataset:
        DATASETS.get(arguments.dataset)  # an unknown name is refused before the report
    candidate = Candidate(Path(arguments.path), trust_pickle=arguments.trust_pickle)
    inspection = inspect(candidate)
    for line in (*files(candidate.path, verbose=arguments.verbose), *report(inspection)):
        print(line)
    dataset = arguments.dataset or inspection.datasets[0]
    del candidate, inspection  # what training would see is read anew
    try:
        for line in loaded(dataset, arguments.path, arguments.trust_pickle):
            print(line)
    except InputError as error:
        if arguments.dataset:
            raise
        print(f"as {dataset} it cannot be trained on as it is: {error}")
        return 1
    return 0


def inspect(candidate: Candidate) -> Inspection:
    """The report of the first registered data set that knows files of this format.

    A broken data set is named on standard error, and the others are asked.

    Raises:
        DefectError: an inspection failed, and no other data set knows the file.
        InputError: the file is damaged, or no data set knows it; the message says what it is instead.
    """
    from coral_plugin.data.adapter import blaming
    from coral_plugin.io.sniff import FILE_KINDS
    from coral_plugin.registry import DATASETS

    if candidate.kind not in ("pickle", "npz", "npy", "hdf5", "folder", "text"):
        raise InputError(f"{candidate.path} is {FILE_KINDS[candidate.kind]}.")
    content = candidate.content
    defect: DefectError | None = None
    for name in DATASETS.names():
        inspection: Inspection | None = None
        try:
            dataset = DATASETS.get(name)
        except PluginError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        try:
            with blaming(dataset):
                inspection = dataset.inspect(candidate)
        except DefectError as error:
            sys.stderr.write(f"left out: {error}\n")
            defect = error
        if inspection is not None:
            return inspection
    if defect is not None:
        raise defect
    keys = f" with {', '.join(map(str, list(content)[:8]))}" if isinstance(content, Mapping) else ""
    raise InputError(
        f"{candidate.path} is {FILE_KINDS[candidate.kind]}{keys}, which no data set of this package is kept in "
        f"(coral list datasets); {OWN_FORMAT}."
    )


def files(path: Path, *, verbose: bool) -> Iterator[str]:
    """Size and sha256 of a file; number and size of the files of a folder, or each as a file where ``verbose``."""
    content = files_below(path) if path.is_dir() else [path]
    if path.is_dir() and not verbose:
        size = sum(file.stat().st_size for file in content)
        yield f"{path}  {len(content):,} files  {size:,} bytes  (--verbose lists them with their sha256)"
        return
    for file in content:
        yield f"{file}  {file.stat().st_size:,} bytes  sha256 {_sha256(file)}"


def report(inspection: Inspection) -> Iterator[str]:
    """The lines of one inspection."""
    yield f"{inspection.what}: coral train --dataset {' or '.join(inspection.datasets)}"
    for key, array in inspection.arrays.items():
        yield f"  {key}  {array.dtype}  {' x '.join(map(str, array.shape))}{_values(array)}"
    for label, values in inspection.labels.items():
        yield f"  labels of {label}: {histogram(values)}"
    for note in inspection.notes:
        yield f"  note: {note}"


def loaded(dataset: str, path: str, trust: bool) -> Iterator[str]:
    """What a training on ``dataset`` would see: every split, how every modality and the labels are read, and notes."""
    from coral_plugin.data.dataset import describe_modalities
    from coral_plugin.registry import DATASETS

    adapter = DATASETS.get(dataset)
    trusting = trust and any(field.name == "trust_pickle" for field in fields(adapter.Settings))
    data = adapter.load(path, adapter.Settings(trust_pickle=True) if trusting else None)
    yield f"as {dataset}: fingerprint {data.fingerprint}"
    for label, split in data.splits().items():
        yield f"  {label}: {len(split)} samples"
    for line in describe_modalities(data):
        yield f"  {line}"
    for task in data.tasks:
        yield f"  {task.name}: {task.kind}, {', '.join(task.classes)}"
    for note in data.notes:
        yield f"  note: {note}"


def histogram(values: np.ndarray) -> str:
    """How often each label occurs; numbers of many values by quartiles, several labels a sample by column.

    >>> histogram(np.array([0, 1, 1, 2]))
    '0: 1, 1: 2, 2: 1'
    """
    if values.ndim > 1 and values.shape[1] > 1:
        return "set in " + ", ".join(str(int(count)) for count in (values != 0).sum(axis=0)) + f" of {len(values)}"
    values = values.ravel()
    seen, counts = np.unique(values, return_counts=True)
    if len(seen) <= _MOST_VALUES:
        names = [f"{value:g}" if values.dtype.kind in "fiub" else str(value) for value in seen]
        return ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
    if values.dtype.kind not in "fiub":
        return f"{len(seen)} texts, {counts.min()} to {counts.max()} samples each"
    quartiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return f"{len(seen)} values, quartiles " + ", ".join(f"{value:.3g}" for value in quartiles)


def _values(array: np.ndarray) -> str:
    """Least and greatest value, and how many are not finite."""
    if array.dtype.kind not in "fiub" or not array.size:
        return ""
    if array.dtype.kind != "f":
        return f"  {array.min()} to {array.max()}"
    from coral_plugin.io.mapped import pieces

    nan = infinite = 0
    low, high = np.inf, -np.inf
    for _, piece in pieces(array):
        finite = piece[np.isfinite(piece)]
        missing = int(np.isnan(piece).sum())
        nan, infinite = nan + missing, infinite + piece.size - finite.size - missing
        low, high = min(low, finite.min(initial=np.inf)), max(high, finite.max(initial=-np.inf))
    span = f"  {low:.4g} to {high:.4g}" if low <= high else ""
    return span + (f"  {nan} NaN" if nan else "") + (f"  {infinite} infinite" if infinite else "")


def _sha256(file: Path) -> str:
    import hashlib

    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
