"""MultiBench's own noise functions, for the robustness curves of ``coral evaluate``.

They go through samples and entries one by one in Python and draw from NumPy's global generator, which is seeded from
the passed one and given back as it was. Where they are broken or cannot take the values there is a reason instead, and
our own batched noise is used:

* text: they misspell words, and data sets hold vectors;
* audio: they fail at every level (two arguments exchanged) and return zeros for samples that they do not hit;
* visual: pictures have one or three channels. Of pictures that are not square the crop is left out, which exchanges
  height and width.

Series are handed over one sample at a time, without padding, so that "time" is time: MultiBench's affect and MIMIC
loaders hand over all samples together, and noise for a step hits whole samples.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.noise.families import FAMILIES, Noise, NoiseSource
from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.isolation import isolated

_MODULES = {
    "visual": ("robustness.visual_robust", "add_visual_noise"),
    "timeseries": ("robustness.timeseries_robust", "add_timeseries_noise"),
    "tabular": ("robustness.tabular_robust", "add_tabular_noise"),
}
_REASONS = {
    "text": "MultiBench's misspells words, and these are vectors",
    "audio": "MultiBench's fails at every level",
}


def noise_of(checkout: Checkout) -> NoiseSource:
    """Maps a noise family and a modality to MultiBench's noise for it, or to the reason why there is none.

    Raises:
        InputError: the checkout lacks a function, or a package that it needs is not installed.
    """
    functions = {}
    with isolated(checkout):
        for family, (module, name) in _MODULES.items():
            try:
                functions[family] = getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError) as error:
                raise InputError(
                    f"{checkout.root} has no usable {module}.{name} ({error}); give --noise-by own for our own noise."
                ) from error
    return partial(_noise, functions, f"MultiBench {(checkout.commit or 'without git')[:8]}")


def _noise(functions: dict[str, Callable[..., Any]], origin: str, family: str, modality: Modality) -> Noise | str:
    if family in _REASONS:
        return _REASONS[family]
    function, entry = functions[family], FAMILIES[family]
    if family == "visual":
        channels, height, width = modality.shape
        if channels not in (1, 3) or min(height, width) < 3:
            return f"MultiBench's takes pictures of 1 or 3 channels, and these are {channels} x {height} x {width}"
        options = {} if height == width else {"crop": False}
        origin += "" if height == width else ", without its crop, which exchanges height and width"
        return Noise(family=family, origin=origin, apply=partial(_visual, function, options), scaled=entry.scaled)
    apply = _series if family == "timeseries" else _tabular
    return Noise(family=family, origin=origin, apply=partial(apply, function), scaled=entry.scaled)


def _series(
    function: Callable[..., Any], values: Tensor, lengths: Tensor, level: float, generator: torch.Generator
) -> Tensor:
    result = values.cpu().numpy().astype(np.float64)
    with _seeded(generator):
        for row, length in zip(result, lengths.tolist(), strict=True):
            row[:length] = function([row[:length].copy()], noise_level=level)[0]
    return torch.from_numpy(result).to(values)


def _tabular(
    function: Callable[..., Any],
    values: Tensor,
    lengths: Tensor,  # noqa: ARG001
    level: float,
    generator: torch.Generator,
) -> Tensor:
    with _seeded(generator):
        result = function(values.cpu().numpy().astype(np.float64), noise_level=level)
    return torch.from_numpy(np.asarray(result)).to(values)


def _visual(
    function: Callable[..., Any],
    options: dict[str, bool],
    values: Tensor,
    lengths: Tensor,  # noqa: ARG001
    level: float,
    generator: torch.Generator,
) -> Tensor:
    pixels = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    pictures = [image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)) for image in pixels]
    with _seeded(generator):
        noised = function(pictures, noise_level=level, **options)
    result = np.stack(noised)
    result = result[:, None] if result.ndim == 3 else result.transpose(0, 3, 1, 2)
    changed = torch.from_numpy(np.ascontiguousarray(result != pixels)).to(values.device)
    # what was not hit keeps the digits that bytes do not have
    return torch.where(changed, torch.from_numpy(np.ascontiguousarray(result)).to(values) / 255, values)


@contextlib.contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    seed = int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device))
    before = np.random.get_state()  # noqa: NPY002 - theirs
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
