"""Fingerprints of data sets, kept in a file: gigabytes are not loaded only to learn that all runs are complete."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coral_plugin.bench.code import source_hash
from coral_plugin.errors import InputError
from coral_plugin.io.files import read_json, write_json
from coral_plugin.io.paths import files_below
from coral_plugin.registry import DATASETS
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import RunSettings

FINGERPRINTS_FILE = "fingerprints.json"


class Fingerprints:
    """Fingerprints by the settings of a data set, its code, and name, size and time of its files.

    Args:
        folder: Folder of the grid, which gets ``fingerprints.json``.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FINGERPRINTS_FILE
        self._known: dict[str, str] = {}
        if self._path.is_file():
            known = read_json(self._path)
            if not isinstance(known, dict):
                raise InputError(f"{self._path} is damaged; remove it: it only saves time.")
            self._known = known

    def __call__(self, settings: RunSettings) -> str:
        """The fingerprint of the data of a run, which are loaded if they are new or were changed."""
        key = _key(settings)
        if key not in self._known:
            self._known[key] = load_data(settings).fingerprint
            write_json(self._path, self._known)
        return self._known[key]


def _key(settings: RunSettings) -> str:
    decisive: list[Any] = [
        settings.dataset,
        settings.modalities,
        dataclasses.asdict(settings.source),
        source_hash([DATASETS.get(settings.dataset).__module__]),
        list(_files(Path(settings.data))) if settings.data else [],
    ]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of a file, or of all files below a folder."""
    for file in files_below(path) if path.is_dir() else [path]:
        if file.is_file():
            state = file.stat()
            yield str(file.resolve()), state.st_size, state.st_mtime_ns
