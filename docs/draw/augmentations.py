"""A sample before and after each augmentation: ``python docs/draw/augmentations.py`` writes pictures/augmentations/."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from catalogue import names
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from coral_plugin.adapters.trifeature.render import render
from coral_plugin.augmentations.base import Augmentation
from coral_plugin.evaluation.pictures.figure import GREY, PALETTE
from coral_plugin.registry import AUGMENTATIONS

FOLDER = Path(__file__).parents[1] / "pictures" / "augmentations"
WINDOW = Path(__file__).with_name("window.csv")  # one second of a smartwatch at 50 Hz, m/s² and rad/s, CC BY 4.0
# of the accelerometer and the gyroscope over all windows that it was taken from
MEAN = torch.tensor([-8.525, -3.380, 1.200, -0.047, -0.051, 0.003])
DEVIATION = torch.tensor([3.217, 2.341, 3.412, 1.603, 0.987, 1.343])
IMAGE = [0, 1, 8]  # indices of shape, texture and colour
FIXED = ("flip", "grayscale", "negate", "none")  # nothing is drawn
SEEDS = (13, 0, 5, 15)  # small, middling, large and small shares where a share is drawn first


def draw(name: str) -> Figure:
    """The picture of one augmentation: a row for each kind of sample that it is for."""
    entry: Augmentation = AUGMENTATIONS.get(name)
    rows = [kind for kind in ("timeseries", "tabular", "image") if kind in entry.kinds]
    if entry.shared:
        rows = ["timeseries", "second"]
    images = rows == ["image"]
    count = 2 if name in FIXED else 5 if images else 4
    figure = Figure(figsize=(1.62 * count if images else 8.0, 1.82 if images else 1.55 * len(rows)))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.06)
    FigureCanvasAgg(figure)
    for axes, kind in zip(figure.subplots(len(rows), count, squeeze=False), rows, strict=True):
        _row(axes, kind, name, entry)
    return figure


def _row(axes: Sequence[Any], kind: str, name: str, entry: Augmentation) -> None:
    before, show = _SAMPLES[kind](name, entry)
    views = [before]
    for place in range(len(axes) - 1):
        generator = torch.Generator().manual_seed(SEEDS[place])
        lengths = None if kind == "image" else torch.tensor([before.shape[1]])
        views.append(entry(before, lengths, generator))
    limit = 1.05 * max(view.abs().max().item() for view in views)
    for place, (panel, view) in enumerate(zip(axes, views, strict=True)):
        show(panel, view[0], limit)
        after = "after" if len(views) == 2 else f"draw {place}"
        if panel.get_subplotspec().is_first_row():
            panel.set_title("before" if place == 0 else after, fontsize=10, color="black" if place == 0 else GREY)
        if place and kind != "image":
            panel.tick_params(labelleft=False)


def _series(columns: slice) -> Callable[[str, Augmentation], tuple[Tensor, Callable[..., None]]]:
    def sample(name: str, entry: Augmentation) -> tuple[Tensor, Callable[..., None]]:  # noqa: ARG001
        values = torch.from_numpy(np.loadtxt(WINDOW, delimiter=",", skiprows=1)).float()
        if entry.scaled:
            values = (values - MEAN) / DEVIATION
        sensor = "acceleration" if columns.start == 0 else "gyroscope"
        unit = f"{sensor}, sd" if entry.scaled else f"{sensor}, m/s²"

        def show(panel: Any, view: Tensor, limit: float) -> None:
            seconds = np.arange(len(view)) / 50
            panel.axhline(0, color="#BBBBBB", linewidth=0.6)
            for channel, colour in zip(view.T.numpy(), PALETTE, strict=False):
                panel.plot(seconds, channel, color=colour, linewidth=1.1)
            panel.set(ylim=(-limit, limit), xticks=(0, 0.5, 1), xticklabels=("0", "0.5", "1 s"))
            _plain(panel, unit)

        return values[None, :, columns], show

    return sample


def _table(name: str, entry: Augmentation) -> tuple[Tensor, Callable[..., None]]:  # noqa: ARG001
    from sklearn.datasets import load_wine

    rows: Any = load_wine().data
    values = torch.from_numpy(((rows - rows.mean(axis=0)) / rows.std(axis=0))[20]).float()

    def show(panel: Any, view: Tensor, limit: float) -> None:
        panel.bar(np.arange(len(view)), view[:, 0].numpy(), color=PALETTE[0], width=0.75)
        panel.axhline(0, color="#BBBBBB", linewidth=0.6)
        panel.set(ylim=(-limit, limit), xticks=(0, 12), xticklabels=("1", "13"))
        _plain(panel, "table row, sd")

    return values[None, :, None], show


def _image(name: str, entry: Augmentation) -> tuple[Tensor, Callable[..., None]]:  # noqa: ARG001
    pixels = (
        _chirp()
        if name == "spectrogram_warp"
        else render(torch.tensor([IMAGE]), 128, 7, shape_share=0.65).float() / 255
    )

    def show(panel: Any, view: Tensor, limit: float) -> None:  # noqa: ARG001
        panel.imshow(view.permute(1, 2, 0).squeeze(2).numpy(), cmap="magma", vmin=0, vmax=1, interpolation="nearest")
        panel.set(xticks=(), yticks=())
        for spine in panel.spines.values():
            spine.set_visible(False)

    return pixels, show


def _chirp() -> Tensor:
    """A spectrogram ``(1, 1, 96, 96)`` of three rising and falling tones."""
    time = torch.linspace(0, 1, 96)
    tone = 0.25 + 0.12 * torch.sin(2 * math.pi * 1.3 * time)
    heights = 1 - torch.linspace(0, 1, 96)
    image = torch.zeros(96, 96)
    for harmonic in (1, 2, 3):
        image += torch.exp(-(((heights[:, None] - harmonic * tone) / 0.025) ** 2)) / harmonic
    image *= ((time > 0.12) & (time < 0.85)).float()
    return image.clamp(0, 1)[None, None]


def _plain(panel: Any, unit: str) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(GREY)
    panel.tick_params(colors=GREY, labelsize=8)
    if panel.get_subplotspec().is_first_col():
        panel.set_ylabel(unit, fontsize=8, color=GREY)


_SAMPLES: dict[str, Callable[[str, Augmentation], tuple[Tensor, Callable[..., None]]]] = {
    "timeseries": _series(slice(0, 3)),
    "second": _series(slice(3, 6)),
    "tabular": _table,
    "image": _image,
}


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names(AUGMENTATIONS):
        drawn = io.BytesIO()
        draw(name).savefig(drawn, dpi=110)
        # few colours make a third of the size
        colours = 64 if name == "noise" else 192
        Image.open(drawn).convert("RGB").quantize(colours).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
