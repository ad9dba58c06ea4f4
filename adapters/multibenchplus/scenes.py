"""Rooms with depth: NYU Depth v2 and SUN RGB-D, pictures of both halves in folders by class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import InputError
from coral_plugin.machine import require_memory

from ..shared import open_picture, pixels_of, require_folder, with_progress
from .content import Content, MultibenchPlusSettings

_PICTURES = (".png", ".jpg", ".jpeg")
_WHOLE, _CROP = 256, 224  # MultiBench++ resizes to the first and crops to the second
_CROPS = "pictures of train are cropped at their centre, too; MultiBench++ crops and flips the two at random, apart"


def read_scenes(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """``SPLIT/CLASS/PICTURE``: the left half of each picture is the colours, the right half the depth.

    Raises:
        InputError: a split has no picture, or a class that train lacks.
        MachineError: the pictures do not fit into memory.
    """
    folders = {"train": "train", "valid": "val", "test": "test"}
    with_valid = (folder / "val").is_dir()
    files = {split: _files(folder / name) for split, name in folders.items() if split != "valid" or with_valid}
    count = sum(map(len, files.values()))
    require_memory(6 * settings.size**2 * count, f"{folder}: {count} pictures", "Set --source.size lower.")
    classes = sorted({name for _, name in files["train"]})
    arrays: dict[str, Any] = {"classes": classes}
    for split, entries in files.items():
        if strange := sorted({name for _, name in entries} - set(classes)):
            raise InputError(f"{folder}: {split} has class {strange[0]!r}, which train lacks.")
        pairs = [_halves(path, settings.size) for path, _ in with_progress(entries, split)]
        arrays[f"{split}/rgb"], arrays[f"{split}/depth"] = map(np.stack, zip(*pairs, strict=True))
        arrays[f"{split}/labels"] = [name for _, name in entries]
    return Content(arrays, {"rgb": "image", "depth": "image"}, [_CROPS], valid_is_test=not with_valid)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """``(picture, class)``, by class and name."""
    require_folder(folder, "a folder of classes with pictures (SPLIT/CLASS/NAME.png)")
    entries = [
        (Path(root) / name, kind.name)
        for kind in sorted(path for path in folder.iterdir() if path.is_dir())
        for root, _, names in sorted(os.walk(kind))
        for name in sorted(names)
        if name.lower().endswith(_PICTURES)
    ]
    if not entries:
        raise InputError(f"{folder} has no picture in a folder of a class (CLASS/NAME.png).")
    return entries


def _halves(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours and depth ``(3, size, size)``: the centre of each half of the picture."""
    from PIL import Image

    whole = open_picture(path, "a picture with colours on the left and depth on the right")
    width, height = whole.width // 2, whole.height
    halves = []
    for left, right in ((0, width), (width, whole.width)):
        half = whole.crop((left, 0, right, height))
        if width > _WHOLE or min(half.size) < _CROP:
            half = half.resize((_WHOLE, _WHOLE), Image.Resampling.BICUBIC)
        top, start = round((half.height - _CROP) / 2), round((half.width - _CROP) / 2)
        halves.append(pixels_of(half.crop((start, top, start + _CROP, top + _CROP)), (size, size)))
    return halves[0], halves[1]
