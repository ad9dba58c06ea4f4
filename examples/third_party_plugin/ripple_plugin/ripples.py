"""A data set: ripples that a sensor sees as a wave and a meter as numbers, in classes of frequency and strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from coral_plugin.data import DatasetAdapter, MultimodalData, from_arrays
from coral_plugin.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RipplesSettings:
    """How the ripples are drawn.

    Attributes:
        samples: Number of training samples; valid and test have a quarter as many.
        classes: Number of frequencies.
        noise: Standard deviation of the noise of both sensors.
        seed: Seed of all random numbers.
    """

    samples: int = 400
    classes: int = 4
    noise: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 4 * self.classes or self.classes < 2:
            raise InputError(f"ripples needs 2 classes and 4 samples of each, got {self.classes} and {self.samples}.")


class Ripples(DatasetAdapter):
    """Ripples that a sensor sees as a wave and a meter as numbers, in classes of frequency and strength."""

    name = "ripples"
    source = "drawn at random, nothing is downloaded"
    licence = "MIT"
    Settings = RipplesSettings
    recipe: ClassVar[Mapping[str, Any]] = {"network.width": 32}

    @classmethod
    def read(cls, path: str, settings: RipplesSettings) -> MultimodalData:
        """The splits, drawn one after the other; ``path`` is empty."""
        rng = np.random.default_rng(settings.seed)
        arrays: dict[str, np.ndarray] = {}
        for split, count in (
            ("train", settings.samples),
            ("valid", settings.samples // 4),
            ("test", settings.samples // 4),
        ):
            labels = np.arange(count) % settings.classes
            phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
            time = np.linspace(0, 2 * np.pi, 32, endpoint=False)[None, :, None]
            wave = np.sin((1 + labels)[:, None, None] * time + phase + np.array([0.0, np.pi / 2]))
            meter = np.stack([labels, labels**2, np.cos(phase[:, 0, 0])], axis=1)
            arrays[f"{split}/wave"] = wave + settings.noise * rng.standard_normal(wave.shape)
            arrays[f"{split}/meter"] = meter + settings.noise * rng.standard_normal(meter.shape)
            arrays[f"{split}/labels"] = labels
        return from_arrays(arrays, name=cls.name)
