"""ENRICO: screens of mobile apps and their wireframes, by design topic (MultiBench's HCI data set)."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from coral_plugin.data import SPLITS, DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.io.files import read_text
from coral_plugin.io.sniff import require_kind
from coral_plugin.machine import require_memory

from .shared import open_picture, pixels_of, require_folder, with_progress

TABLE = "design_topics.csv"
_PLACES = {"screenshot": ("screenshots", ".jpg"), "wireframe": ("wireframes", ".png")}
# their wireframes are damaged in the release
_DAMAGED = frozenset({"50105", "50109"})
_SHARES, _SHUFFLE_SEED = (0.65, 0.15), 42  # MultiBench's


@dataclass(frozen=True, kw_only=True)
class EnricoSettings:
    """How ENRICO is read.

    Attributes:
        height: Height of both pictures in pixels; they become half as wide. MultiBench takes 256.
    """

    height: int = 256

    def __post_init__(self) -> None:
        if not 16 <= self.height <= 2048 or self.height % 2:
            raise InputError(f"height must be an even number of pixels from 16 to 2048, got {self.height}.")


class Enrico(DatasetAdapter):
    """ENRICO: screens of mobile apps and their wireframes, by design topic (MultiBench's HCI data set)."""

    name = "enrico"
    source = "Leiva, Hota & Oulasvirta 2020: https://github.com/luileito/enrico"
    licence = "unknown; ask the authors"
    Settings = EnricoSettings
    # a mirrored screen is none, and half of one still shows its topic
    recipe: ClassVar[Mapping[str, Any]] = {
        "augmentations": {"screenshot": "plain_crop+color_jitter+noise", "wireframe": "plain_crop+noise"}
    }
    expects = f"ENRICO's folder ({TABLE}, screenshots/ID.jpg, wireframes/ID.png)"

    @classmethod
    def read(cls, path: str, settings: EnricoSettings) -> MultimodalData:
        """Screenshots and wireframes 3 x 256 x 128 with the topic of the screen, split as MultiBench splits them.

        The test split is that of MultiBench's data set; its loaders test on the training screens by mistake.

        Raises:
            InputError: a table or picture that is missing or damaged.
            MachineError: the pictures do not fit into memory.
        """
        folder, size = require_folder(path, cls.expects), (settings.height, settings.height // 2)
        rows = screens(folder)
        kept = [row for row in rows if row[0] not in _DAMAGED]
        topics = sorted({topic for _, topic in kept})
        if len(topics) < 2:
            raise InputError(f"{folder / TABLE} has one topic only ({', '.join(topics)}); a probe needs two.")
        index_of = split_screens(len(kept))
        if not all(index_of.values()):
            raise InputError(f"{folder / TABLE} has {len(kept)} screens, too few to split them.")
        require_memory(6 * size[0] * size[1] * len(kept), f"{path}: {len(kept)} screens", "Set --source.height lower.")
        task = Task(name="topic", kind="classification", classes=tuple(topics))
        splits: dict[str, Split] = {}
        for label, index in index_of.items():
            ids = [kept[row][0] for row in index]
            columns = {name: ModalityColumn(_pictures(folder, name, ids, size)) for name in _PLACES}
            splits[label] = Split(columns, {task.name: torch.tensor([topics.index(kept[row][1]) for row in index])})
        notes = []
        if damaged := {screen for screen, _ in rows} & _DAMAGED:
            notes.append(f"screens {', '.join(sorted(damaged))} are left out, their wireframes are damaged")
        modalities = (Modality(name=name, kind="image", shape=(3, *size)) for name in _PLACES)
        return cls.assemble(modalities, (task,), splits, notes)

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """ENRICO's folder."""
        if candidate.kind != "folder" or not (candidate.path / TABLE).exists():
            return None
        rows = screens(candidate.path)
        kept = [row for row in rows if row[0] not in _DAMAGED]
        topics = sorted({topic for _, topic in kept})
        missing = {
            subfolder: [name for name, _ in kept if not (candidate.path / subfolder / f"{name}{suffix}").is_file()]
            for subfolder, suffix in _PLACES.values()
        }
        notes = [f"topics in this order: {', '.join(topics)}"]
        notes += [f"{subfolder} lacks {len(ids)}, the first {ids[0]}" for subfolder, ids in missing.items() if ids]
        labels = {
            label: np.array([topics.index(kept[row][1]) for row in index])
            for label, index in split_screens(len(kept)).items()
        }
        return Inspection(f"ENRICO, {len(kept)} screens of {len(topics)} topics", (cls.name,), {}, labels, tuple(notes))


def screens(folder: Path) -> list[tuple[str, str]]:
    """``(screen, topic)`` of each row of the table.

    Raises:
        InputError: the table is missing or of another kind, or names a screen that is no plain name, or one twice.
    """
    path = folder / TABLE
    require_folder(folder, Enrico.expects)
    require_kind(path, "text", Enrico.expects)
    try:
        rows = list(csv.DictReader(read_text(path).splitlines()))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table ({error}).") from error
    if not rows or not {"screen_id", "topic"} <= set(rows[0]):
        raise InputError(f"{path} has no columns screen_id and topic, or no rows. Expected {Enrico.expects}.")
    listed = [(row["screen_id"] or "", (row["topic"] or "").strip()) for row in rows]
    for number, (screen, topic) in enumerate(listed, start=2):
        if not re.fullmatch(r"\w{1,64}", screen) or not 0 < len(topic) <= 100:
            raise InputError(f"{path}: line {number} does not name a screen and its topic.")
    if len({screen for screen, _ in listed}) < len(listed):
        raise InputError(f"{path} names a screen twice.")
    return listed


def split_screens(count: int) -> dict[str, list[int]]:
    """Rows of each split: shuffled by Python's generator, 65 % train, 15 % valid, the rest test."""
    order = list(range(count))
    random.Random(_SHUFFLE_SEED).shuffle(order)  # noqa: S311
    ends = int(count * _SHARES[0]), int(count * sum(_SHARES))
    return dict(zip(SPLITS, (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]), strict=True))


def _pictures(folder: Path, name: str, ids: Sequence[str], size: tuple[int, int]) -> torch.Tensor:
    subfolder, suffix = _PLACES[name]
    pixels = np.empty((len(ids), 3, *size), dtype=np.uint8)
    for row, screen in enumerate(with_progress(ids, subfolder)):
        pixels[row] = picture(folder / subfolder / f"{screen}{suffix}", size)
    return torch.from_numpy(pixels)


def picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    """``(3, *size)`` of bytes, resized bilinearly as MultiBench does.

    Raises:
        InputError: as of :func:`~.shared.open_picture`.
    """
    return pixels_of(open_picture(path, f"a picture of {Enrico.expects}"), size)
