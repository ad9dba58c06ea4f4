"""What ``coral data check`` reports about a file: its format, its content, and the data sets that read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.io.npz import read_npz
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import sniff


@dataclass(frozen=True)
class Candidate:
    """A file or folder that some data set may read; its content is read once, however many data sets look at it.

    Attributes:
        path: Path of the file or folder.
        trust_pickle: Whether a pickle may run code.
    """

    path: Path
    trust_pickle: bool = False

    @cached_property
    def kind(self) -> str:
        """A key of :data:`coral_plugin.io.sniff.FILE_KINDS`."""
        return sniff(self.path)

    @cached_property
    def content(self) -> Any:
        """The object in a pickle, the arrays of an ``.npz``; None for any other kind.

        Raises:
            InputError: the file is damaged, or a pickle wants more than arrays and plain containers.
        """
        if self.kind == "pickle":
            return read_pickle(self.path, trust=self.trust_pickle)
        return read_npz(self.path) if self.kind == "npz" else None


@dataclass(frozen=True)
class Inspection:
    """What one data set recognises in a candidate.

    Attributes:
        what: Format and variant, in one line.
        datasets: Names under which ``coral train --dataset`` reads it, the likeliest first.
        arrays: Content as ``{key: array}``.
        labels: ``{split: labels}`` for the histogram.
        notes: Remarks for the user, one line each.
    """

    what: str
    datasets: tuple[str, ...]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
