"""Shards of webdataset as a map-style data set: ``KEY.<modality>.npy``, ``KEY.cls``, ``KEY.json``, pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data.items import LABEL_KEYS
from coral_plugin.errors import CoralError, InputError, PluginError, one_line
from coral_plugin.io.npy import check_header
from coral_plugin.io.tars import index_of, read_member

LABEL = LABEL_KEYS[0]
_PICTURES = ("jpg", "jpeg", "png", "ppm", "pgm", "webp", "tif", "tiff")
_PICKLES = ("pyd", "pickle", "pkl", "pth", "pt")


class Shards:
    """Samples of tar files, read by number: ``{modality: value}`` and ``labels``; None for what a sample lacks.

    A member ``KEY.left.npy`` is the value of modality ``left``, ``KEY.npy`` that of ``npy``; pictures likewise, as
    (H, W, 3) of bytes. The label is ``KEY.cls``, ``KEY.labels.npy`` or ``label`` in ``KEY.json``. Other members are not
    read (``unused``).

    Args:
        paths: Shards, in order, or a folder with them.

    Raises:
        InputError: no such files, an address or a pipe, a damaged archive, or one that holds pickles.
        PluginError: pictures, where webdataset or Pillow is not installed.
    """

    def __init__(self, paths: str | Path | Sequence[Path]) -> None:
        if isinstance(paths, str):
            refuse_address(paths)
        if isinstance(paths, str | Path):
            folder = Path(paths)
            paths = sorted(folder.glob("*.tar")) if folder.is_dir() else [folder]
            if not paths:
                raise InputError(f"{folder} has no shard (*.tar).")
        self.paths = list(paths)
        self.index = index_of(self.paths)
        self.members: dict[int, tuple[str, Callable[[bytes], Any]]] = {}
        unused = []
        for column, extension in enumerate(self.index.extensions):
            if (member := _member(extension, self.paths[0])) is None:
                unused.append(extension)
            else:
                self.members[column] = member
        self._label_in_json(unused)
        self.unused = tuple(unused)
        if not any(name != LABEL for name, _ in self.members.values()):
            raise InputError(
                f"{self.paths[0]} has members KEY.{', KEY.'.join(self.index.extensions)} and none of a modality; "
                "call them KEY.<modality>.npy."
            )

    def _label_in_json(self, unused: list[str]) -> None:
        """Leave KEY.json out where another member is the label, or the first one has none."""
        extensions = self.index.extensions
        column = extensions.index("json") if "json" in extensions else -1
        if column not in self.members:
            return
        first = int(np.argmax(self.index.start[:, column] >= 0))
        place = int(self.index.start[first, column]), int(self.index.size[first, column])
        labels = [name for name, _ in self.members.values() if name == LABEL]
        if len(labels) > 1 or _label(read_member(self.paths[self.index.shard[first]], *place)) is None:
            del self.members[column]
            unused.append("json")

    def __len__(self) -> int:
        return len(self.index.shard)

    def __getitem__(self, number: int) -> dict[str, Any]:
        path = self.paths[self.index.shard[number]]
        item: dict[str, Any] = dict.fromkeys((name for name, _ in self.members.values()), None)
        for column, (name, decode) in self.members.items():
            start, size = int(self.index.start[number, column]), int(self.index.size[number, column])
            if start < 0:
                continue
            content = read_member(path, start, size)
            try:
                value = decode(content)
            except CoralError:
                raise
            except Exception as error:
                member = f"{self.index.extensions[column]} at byte {start}"
                raise InputError(f"{path}: {member} is damaged ({one_line(error)}); write the shard again.") from error
            item[name] = value
        return item


def refuse_address(path: str) -> None:
    """Refuse the address of a shard, a pipe or a pattern, which webdataset takes.

    Raises:
        InputError: it is none of a file or folder.
    """
    if "://" in path or path.startswith("pipe:") or "{" in path:
        raise InputError(
            f"{path} is an address, a pipe or a pattern, but samples are read by index, from files: fetch the shards "
            "into FOLDER/train/ (and valid/, test/) and give FOLDER."
        )


def _member(extension: str, path: Path) -> tuple[str, Callable[[bytes], Any]] | None:
    """Name and decoder of members; None for those that are not read."""
    stem, _, kind = extension.lower().rpartition(".")
    stem = extension[: len(stem)]
    name = LABEL if stem in LABEL_KEYS else stem or kind
    if kind == "npy":
        return name, _array
    if kind == "cls":
        return LABEL, int
    if kind == "json" and not stem:
        return LABEL, _label
    if kind == "txt" and name == LABEL:
        return LABEL, _text
    if kind in _PICTURES:
        return name, _picture(kind)
    if kind in _PICKLES:
        raise InputError(f"{path} holds pickles (KEY.{extension}), which can run code; write arrays as KEY.NAME.npy.")
    return None


def _array(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    check_header(file, len(content), "a member")
    file.seek(0)
    array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _text(content: bytes) -> str:
    return content.decode().strip()


def _label(content: bytes) -> Any:
    """The label in a JSON object; None without."""
    value = json.loads(content)
    return next((value[key] for key in LABEL_KEYS if key in value), None) if isinstance(value, dict) else None


def _picture(kind: str) -> Callable[[bytes], Any]:
    """The decoder of webdataset for a picture: (H, W, 3) of bytes."""
    try:
        import PIL.Image  # noqa: F401
        from webdataset.autodecode import imagehandler
    except ImportError as error:
        raise PluginError(
            "The shards hold pictures: pip install 'coral-multibench[stream]' (webdataset, pillow) to decode them."
        ) from error
    return partial(_pixels, partial(imagehandler("rgb8"), kind))


def _pixels(decode: Callable[[bytes], Any], content: bytes) -> Any:
    """The decoded picture; values of more than 8 bits (depth in millimetres) as they are, (H, W, 1)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)[..., None] if picture.mode.startswith(("I", "F")) else decode(content)
