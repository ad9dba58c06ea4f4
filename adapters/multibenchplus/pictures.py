"""Pictures that a table lists: those that are missing or damaged are flagged, and the others resized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coral_plugin.errors import InputError, one_line
from coral_plugin.machine import require_memory

from ..shared import open_picture, pixels_of, with_progress


def read_pictures(
    folder: Path, name: str, paths: Sequence[Path], size: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pixels ``(N, 3, size, size)``, which pictures can be read ``(N,)``, and a note on those that cannot.

    Raises:
        InputError: none can be read.
        MachineError: the pictures do not fit into memory.
    """
    require_memory(6 * size**2 * len(paths), f"{folder}: {len(paths)} pictures", "Set --source.size lower.")
    pixels, present, first = np.zeros((len(paths), 3, size, size), np.uint8), np.zeros(len(paths), bool), ""
    for row, path in enumerate(with_progress(paths, name)):
        try:
            pixels[row] = pixels_of(open_picture(path, "a picture"), (size, size))
            present[row] = True
        except InputError as error:
            first = first or one_line(error)
    if not present.any():
        raise InputError(f"{folder}: none of {len(paths)} pictures can be read; the first: {first}.")
    missing = [path.name for path, flag in zip(paths, present, strict=True) if not flag]
    return pixels, present, [f"pictures missing or damaged: {len(missing)}, the first {missing[0]}"] if missing else []


def path_inside(folder: Path, name: str) -> Path:
    """The file ``name`` of a folder.

    Raises:
        InputError: the name leads out of the folder.
    """
    name = name.strip()
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"A table names the picture {name[:60]!r}, which does not lie in {folder}.")
    return folder / name
