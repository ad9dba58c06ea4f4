"""Files of one's own on the command line: read as ``arrays``, and distinguished from the name of a data set."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from coral_plugin.errors import InputError, UnknownNameError, short
from coral_plugin.io.paths import home_expanded
from coral_plugin.registry import DATASETS

OWN_DATA = "arrays"  # the data set that reads files of one's own
OWN_FORMAT = (
    "your own arrays are read from .npz files, such as numpy.savez('mine.npz', **{'train/a': a, 'train/b': b, "
    "'train/labels': y})"
)


def check_own_data(path: Any, *, name_it: str) -> None:
    """Check that a file whose data set is not named can be read as one's own arrays.

    Args:
        path: File or folder.
        name_it: Flags that name the data set of a file of another kind, for the message.

    Raises:
        InputError: there is no such file, or it is of another kind.
    """
    from coral_plugin.data.inspection import Candidate
    from coral_plugin.io.paths import is_path
    from coral_plugin.io.sniff import FILE_KINDS

    if not is_path(path):
        raise InputError(f"--data must name a file or folder, got {short(path)}.")
    candidate = Candidate(Path(home_expanded(path)))
    if candidate.kind != "npz" and (candidate.kind != "folder" or DATASETS.get(OWN_DATA).inspect(candidate) is None):
        if candidate.kind not in ("pickle", "hdf5", "mat", "folder"):
            raise InputError(f"{path} is {FILE_KINDS[candidate.kind]}; {OWN_FORMAT}.")
        raise InputError(
            f"{path} is {FILE_KINDS[candidate.kind]}: if it is a known data set, which "
            f"{shlex.join(['coral', 'data', 'check', path])} finds out, name that with {name_it}; {OWN_FORMAT}."
        )


def refuse_file(name: str) -> None:
    """Refuse a file in place of the name of a data set.

    Raises:
        UnknownNameError: no data set has this name, and a file has; the message says which flag takes it.
    """
    if name in DATASETS.names():
        return
    for path in (name, f"{name}.npz"):
        if path.endswith(".npz") and os.path.isfile(path):  # noqa: PTH113 - False for no path
            raise UnknownNameError(f"Unknown dataset {short(name)}. Did you mean --data {shlex.quote(path)}?")
