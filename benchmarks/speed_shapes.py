"""Samples of the shapes whose training speed is measured; values are random, as only shapes and lengths matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from coral_plugin.bench.grid import MethodRow, run_settings
from coral_plugin.data import Modality, ModalityColumn, MultimodalData, Split, from_arrays
from coral_plugin.registry import OBJECTIVES
from coral_plugin.reproduce.trifeature import SMALL, trifeature_column
from coral_plugin.runs.run import load_data
from coral_plugin.runs.settings import RunSettings, make_settings

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def sentence_lengths(count: int, seed: int = 0) -> np.ndarray:
    """12 steps on average, at most 50: CMU-MOSI has 26,295 words in 2,199 segments."""
    rng = np.random.default_rng(seed)
    return np.clip(np.round(rng.lognormal(np.log(10.0), 0.65, count)), 1, 50).astype(int)


def mosi() -> MultimodalData:
    """1,284 sentences."""
    rng, lengths, arrays = np.random.default_rng(1), sentence_lengths(1284), {}
    for name, features in (("vision", 20), ("text", 300)):
        values = rng.standard_normal((1284, 50, features), dtype=np.float32)
        values[np.arange(50)[None, :] >= lengths[:, None]] = 0
        arrays[f"train/{name}"] = values
    return from_arrays(arrays, standardise=False)


def mimic() -> MultimodalData:
    """8,000 stays of 5 static features and 24 hours of 12 measurements."""
    rng = np.random.default_rng(0)
    arrays = {
        "train/tabular": rng.standard_normal((8000, 5), dtype=np.float32),
        "train/series": rng.standard_normal((8000, 24, 12), dtype=np.float32),
    }
    return from_arrays(arrays, standardise=False)


def trifeature() -> MultimodalData:
    """10,000 pairs out of 400 images of 224 px."""
    bank = torch.randint(0, 256, (400, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    modalities = tuple(Modality(name=f"image{i}", kind="image", shape=(3, 224, 224), **IMAGENET) for i in (1, 2))
    rows = torch.randint(0, 400, (2, 10_000), generator=torch.Generator().manual_seed(1))
    columns = {m.name: ModalityColumn(bank, rows=rows[i]) for i, m in enumerate(modalities)}
    return MultimodalData("trifeature-shaped", modalities, (), Split(columns, {}))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Samples and recipe of one shape.

    Attributes:
        words: Description for the table.
        build: Function that makes the samples; None takes the generated pairs of ``coral demo``.
        chosen: Settings that differ from the defaults, as ``{"group.key": value}``.
        steps: Steps that are measured in a row.
        threads: Threads of torch.
    """

    words: str
    build: Callable[[], MultimodalData] | None
    chosen: Mapping[str, Any]
    steps: int
    threads: int = 2


SHAPES = {
    "mosi": Shape(
        words="1,284 sentences of 12 steps on average (20 and 300 features), five transformer layers of width 40",
        build=mosi,
        chosen={
            "network.width": 40,
            "network.encoders": dict.fromkeys(("vision", "text"), "affect_transformer"),  # as in the papers
            "augmentations": "drop+noise",
        },
        steps=4,
    ),
    "mimic": Shape(
        words="8,000 stays of 5 features and of 24 hours with 12, a GRU, width 512",
        build=mimic,
        chosen={
            "network.width": 512,
            "network.encoders": {"series": "gru"},
            "augmentations": {"tabular": "noise", "series": "drop+noise"},
        },
        steps=6,
    ),
    "trifeature": Shape(
        words="10,000 pairs of images of 224 px, AlexNet, width 512",
        build=trifeature,
        chosen={"network.width": 512, "augmentations": "simclr"},
        steps=1,
    ),
    "demo": Shape(
        words="pairs of images of 32 px as in `coral demo`, one thread", build=None, chosen={}, steps=20, threads=1
    ),
}


def settings_of(shape: str, method: str, chosen: Mapping[str, Any]) -> RunSettings:
    """Run settings of a method on a shape, ``chosen`` over what the shape chooses."""
    if shape == "demo":
        column = trifeature_column(SMALL)
        few = {"source.pairs": 2000, "source.probe_pairs": 100, **chosen}
        return run_settings(MethodRow(name=method, objective=method, chosen=few), column, "unbiased", 0)
    preset = shape if shape in OBJECTIVES.get(method).presets else ""
    return make_settings(method, "arrays", preset=preset, seeds=(0,), **{**SHAPES[shape].chosen, **chosen})


def data_of(shape: str, settings: RunSettings) -> MultimodalData:
    """The samples of a shape."""
    build = SHAPES[shape].build
    return load_data(settings) if build is None else build()
