"""Checkpoints that survive a kill or a power cut at any moment."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from coral_plugin.errors import one_line
from coral_plugin.io.files import write_aside

CHECKPOINT, PREVIOUS = "last.ckpt", "previous.ckpt"
_SCHEMA = 1
_KEYS = {"schema", "seed", "step", "steps", "processes", "weights", "optimiser", "scaler", "log", "peak_memory_bytes"}
# names of the files that write_aside leaves when it is killed
_ASIDE = re.compile(r"\..+\.\d+-[0-9a-f]{8}(\.\w+)?")


class Checkpoints:
    """The newest checkpoint of a training and the one before it.

    A checkpoint is a file of ``torch.save`` that holds plain containers, numbers and tensors only. It is written aside,
    flushed to the disk and renamed, so each is whole; the checksums in it expose one that the disk has damaged.

    Args:
        folder: Folder of the seed.
        say: Function that gets a warning, one line, that a checkpoint was damaged.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.newest, self.previous = folder / CHECKPOINT, folder / PREVIOUS
        self._say = say

    def save(self, state: dict[str, Any]) -> None:
        """Write the newest checkpoint; the newest so far becomes the previous one.

        Raises:
            MachineError: no space or no rights; the former checkpoints are as they were.
        """
        with write_aside(self.newest) as aside:
            torch.save({"schema": _SCHEMA, **state}, aside)
            # between this and the end of the block there is no newest one, and load takes the previous one
            if self.newest.exists():
                self.newest.replace(self.previous)
        sync_folder(self.newest.parent)

    def load(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, on the CPU; None where there is none. Damaged ones are reported and removed."""
        for path in (self.newest, self.previous):
            try:
                return _read(path)
            except FileNotFoundError:
                continue
            except Exception as error:
                instead = "the checkpoint before it" if path == self.newest else "the start"
                self._say(f"{path} is damaged ({one_line(error, 120)}); going on from {instead}")
                # it must not become the previous one, in place of a whole one
                path.unlink(missing_ok=True)
        return None

    def remove(self) -> None:
        """Remove both checkpoints, and half-written files that a kill has left."""
        self.newest.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)
        clear_asides(self.newest.parent)


def kept_weights(epochs: int) -> str:
    """Name of the file with the weights after so many epochs (``training.keep_every``), in the folder of the seed."""
    return f"epoch-{epochs}.safetensors"


def clear_asides(folder: Path) -> None:
    """Remove the half-written files that a killed run left in ``folder``."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _ASIDE.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to the disk, so that a renaming survives a power cut."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        raise ValueError("no file")
    with zipfile.ZipFile(path) as archive:
        # torch's reader compares no checksums
        if bad := archive.testzip():
            raise ValueError(f"wrong checksum of {bad}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or set(state) != _KEYS:
        raise ValueError("not a checkpoint of this program")
    if state["schema"] != _SCHEMA:
        raise ValueError(f"schema {state['schema']}, not {_SCHEMA}")
    return state
