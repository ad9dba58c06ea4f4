"""Which augmentations there are by name, and which of them apply to a modality."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from coral_plugin.augmentations import colour, images, inertial, sequences
from coral_plugin.data import KINDS, Modality
from coral_plugin.errors import InputError


def _everywhere(modality: Modality) -> bool:  # noqa: ARG001
    return True


def _temporal(modality: Modality) -> bool:
    return modality.temporal


def _triples(modality: Modality) -> bool:
    return modality.temporal and modality.features % 3 == 0


def _colour(modality: Modality) -> bool:
    return modality.features == 3


@dataclass(frozen=True)
class Operation:
    """One augmentation and how it is used.

    Attributes:
        function: ``(values, lengths, generator, **settings)``, for images ``(values, generator, **settings)``.
        probability: With which a sample gets it when a specification says nothing else.
        fits: Whether it applies to a modality of its kinds.
        scaled: Whether it works in units of the modality's mean and std where these are known: an amplitude of 0.1
            and a gap filled with 0 mean something only there.
        shared: Whether all modalities of a joint specification lose the same steps (``multi_drop`` alone).
    """

    function: Callable[..., Tensor]
    probability: float = 0.5
    fits: Callable[[Modality], bool] = _everywhere
    scaled: bool = True
    shared: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Names of the settings with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _identity(values: Tensor, *_: object) -> Tensor:
    return values.clone()


_STEPS = {
    "none": Operation(_identity, probability=1.0, scaled=False),
    "noise": Operation(sequences.noise),
    "drop": Operation(sequences.drop),
    "multi_drop": Operation(sequences.drop, shared=True),
    "permute": Operation(sequences.permute),
    "drop_consecutive": Operation(sequences.drop_consecutive),
    "crop": Operation(sequences.crop),
    "mixup": Operation(sequences.mixup),
    "jitter": Operation(inertial.jitter, fits=_temporal),
    "scale": Operation(inertial.scale, fits=_temporal),
    # a rotation of axes that were scaled one by one would not be one
    "rotate": Operation(inertial.rotate, fits=_triples, scaled=False),
    "time_warp": Operation(inertial.time_warp, fits=_temporal),
    "slice": Operation(inertial.slice_window, fits=_temporal),
    "magnitude_warp": Operation(inertial.magnitude_warp, fits=_temporal),
    "flip": Operation(inertial.flip, fits=_temporal),
    "channel_drop": Operation(inertial.channel_drop, fits=_temporal),
}
_IMAGES = {
    "none": Operation(_identity, probability=1.0),
    "simclr": Operation(images.simclr, probability=1.0),
    "plain_crop": Operation(images.plain_crop, probability=1.0),
    "resized_crop": Operation(images.resized_crop, probability=1.0),
    "color_jitter": Operation(colour.color_jitter, probability=0.8, fits=_colour),
    "grayscale": Operation(colour.grayscale, probability=0.2, fits=_colour),
    "blur": Operation(images.blur),
    "flip": Operation(images.flip),
    "shift": Operation(images.shift, probability=1.0),
    "pose": Operation(images.pose, probability=1.0),
    "spectrogram_warp": Operation(images.spectrogram_warp, probability=1.0),
    "noise": Operation(images.noise),
}


def operations(modality: Modality) -> dict[str, Operation]:
    """The augmentations that apply to ``modality``, by name."""
    table = _IMAGES if modality.kind == "image" else _STEPS
    return {name: operation for name, operation in table.items() if operation.fits(modality)}


def names_for(kind: str) -> list[str]:
    """Names of the augmentations for a kind of modality, some of which need 3 channels or triples of axes.

    Raises:
        InputError: no such kind.
    """
    if kind not in KINDS:
        raise InputError(f"Unknown kind of modality {kind!r}; known: {', '.join(KINDS)}.")
    if kind == "tabular":
        return [name for name, operation in _STEPS.items() if operation.fits is _everywhere]
    return list(_IMAGES if kind == "image" else _STEPS)


def all_names() -> list[str]:
    """Names of all augmentations, sorted."""
    return sorted({*_STEPS, *_IMAGES})
