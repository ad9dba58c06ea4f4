"""What ``coral data check`` tells of a file: what it is, what it holds, and as which data sets it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.io.npz import read_npz
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import FILE_KINDS, sniff


@dataclass(frozen=True)
class Source:
    """A path of the user's, whose content is read once, however many data sets look at it.

    Attributes:
        path: Of a file or folder.
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
    """What one data set recognises in a source.

    Attributes:
        what: One line: which format, which variant.
        datasets: Names under which ``coral train --dataset`` reads it, the likeliest first.
        arrays: ``{key: array}`` of what it holds.
        labels: ``{split: labels}`` for the histogram.
        notes: What the user should know, one line each.
    """

    what: str
    datasets: tuple[str, ...]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def unreadable(source: Source) -> InputError:
    """The error for a source of a kind that no data set is kept in."""
    return InputError(f"{source.path} is {FILE_KINDS[source.kind]}.")
