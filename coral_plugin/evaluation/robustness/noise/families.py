"""Which noise a modality gets, and how it is put on a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.data.modality import Kind
from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.noise.series import sound, timeseries, words
from coral_plugin.evaluation.robustness.noise.tabular import tabular
from coral_plugin.evaluation.robustness.noise.visual import visual
from coral_plugin.registry import suggest

Apply = Callable[[Tensor, Tensor, float, torch.Generator], Tensor]
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class NoiseFamily:
    """Noise for one sort of data.

    Attributes:
        kinds: Kinds of modality that the noise fits.
        apply: Function of values ``(B, ...)``, valid steps ``(B,)`` (1 where there are no steps), level and generator.
        scaled: Whether values come in units of their standard deviation on train, with their mean there as 0. Images
            never do (they are pixels), nor do words (a word outside the vocabulary is a vector of zeros).
        description: A few words on the effect, for the record.
    """

    kinds: tuple[Kind, ...]
    apply: Apply = field(repr=False)
    scaled: bool
    description: str


FAMILIES: Mapping[str, NoiseFamily] = {
    "visual": NoiseFamily(
        kinds=("image",),
        apply=visual,
        scaled=False,
        description="colour, contrast, inversion, pepper, noise, turn, flip, crop",
    ),
    "text": NoiseFamily(kinds=("sequence", "timeseries"), apply=words, scaled=False, description="words lost"),
    "timeseries": NoiseFamily(
        kinds=("sequence", "timeseries"),
        apply=timeseries,
        scaled=True,
        description="white noise, entries and steps dropped",
    ),
    "audio": NoiseFamily(
        kinds=("sequence", "timeseries", "image"),
        apply=sound,
        scaled=True,
        description="white noise, or steps or runs dropped",
    ),
    "tabular": NoiseFamily(kinds=("tabular",), apply=tabular, scaled=True, description="entries dropped and exchanged"),
}


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of one modality.

    Attributes:
        family: Name in :data:`FAMILIES`.
        origin: Origin of the function: ``own``, or MultiBench with its commit.
        apply: Function, :attr:`NoiseFamily.apply`.
        scaled: Units of the values, :attr:`NoiseFamily.scaled`.
    """

    family: str
    origin: str
    apply: Apply = field(repr=False)
    scaled: bool


NoiseSource = Callable[[str, Modality], Noise | str]
"""Function of a family and a modality that returns another implementation, or the reason why there is none."""


def noise_by_modality(
    modalities: Sequence[Modality], spec: str | None = None, source: NoiseSource | None = None
) -> dict[str, Noise]:
    """The noise of each modality.

    Images get ``visual`` noise, but ``audio`` noise where they are called audio (spectrograms; time runs to the right).
    Series get ``timeseries`` noise; called text they get ``text`` noise, and waveforms (one value a step) called audio
    get ``audio`` noise. Vectors get ``tabular`` noise.

    Args:
        modalities: All modalities of the data.
        spec: Families that replace the defaults, as in ``audio=timeseries,title=text``.
        source: Other implementation, taken wherever it exists; elsewhere the origin states the reason.

    Raises:
        InputError: an unknown modality or family, a modality twice, or a family that does not fit its kind.
    """
    known = {modality.name: modality for modality in modalities}
    families = {name: _default(modality) for name, modality in known.items()} | _parsed(spec, known)
    chosen = {}
    for name, family in families.items():
        entry = FAMILIES[family]
        other = source(family, known[name]) if source is not None else None
        if isinstance(other, Noise):
            chosen[name] = other
        else:
            origin = OWN if other is None else f"{OWN} ({other})"
            chosen[name] = Noise(family=family, origin=origin, apply=entry.apply, scaled=entry.scaled)
    return chosen


def add_noise(
    noise: Noise, modality: Modality, batch: MultimodalBatch, level: float, generator: torch.Generator
) -> Tensor:
    """The values of ``modality`` in ``batch`` with noise; at level 0 they are the same tensor.

    Padding, samples without the modality, and whatever the noise does not hit keep their values bit for bit. Noise for
    images works on shares of the range of train where that leaves [0, 1] (:attr:`Modality.wide_range`).

    Args:
        noise: Noise of the modality.
        modality: Modality, with the mean and standard deviation that scale the noise.
        batch: Batch of B samples.
        level: Level of the noise, from 0 to 1.
        generator: Source of randomness on the device of the batch.
    """
    values = batch[modality.name]
    present = batch.present.get(modality.name)
    rows = values if present is None else values[present]
    if level == 0 or not len(rows):
        return values
    padding = batch.padding.get(modality.name)
    lengths = torch.full((len(values),), values.shape[1] if modality.temporal else 1, device=values.device)
    if padding is not None:
        lengths = (~padding).sum(dim=1)
    lengths = lengths if present is None else lengths[present]
    clean = modality.standardise(rows) if noise.scaled else rows
    low, width = (noise.family == "visual" and modality.wide_range) or (0.0, 1.0)
    clean = (clean - low) / width
    changed = _apply(noise, modality, clean, lengths, level, generator)
    hit, changed = changed != clean, changed * width + low
    result = torch.where(hit, modality.restore(changed) if noise.scaled else changed, rows).to(values.dtype)
    if padding is not None:
        padded = padding if present is None else padding[present]
        result = torch.where(padded.unsqueeze(-1), rows, result)
    if present is None:
        return result
    whole = values.clone()
    whole[present] = result
    return whole


def _apply(
    noise: Noise, modality: Modality, values: Tensor, lengths: Tensor, level: float, generator: torch.Generator
) -> Tensor:
    """Noise on values; an image with noise for series is one of its columns after the other."""
    if modality.kind != "image" or noise.family == "visual":
        return noise.apply(values, lengths, level, generator)
    batch, channels, height, width = values.shape
    steps = values.permute(0, 3, 1, 2).reshape(batch, width, channels * height)
    lengths = torch.full((batch,), width, device=values.device)
    changed = noise.apply(steps, lengths, level, generator)
    return changed.view(batch, width, channels, height).permute(0, 2, 3, 1)


def _default(modality: Modality) -> str:
    if modality.kind == "image":
        return "audio" if modality.name == "audio" else "visual"
    if modality.kind == "tabular":
        return "tabular"
    if modality.name == "text":
        return "text"
    return "audio" if modality.name == "audio" and modality.features == 1 else "timeseries"


def _parsed(spec: str | None, known: Mapping[str, Modality]) -> dict[str, str]:
    parsed: dict[str, str] = {}
    for part in spec.split(",") if spec is not None else ():
        name, equals, family = (text.strip() for text in part.rpartition("="))
        if not equals:
            raise InputError(f"--noise takes MODALITY=FAMILY, such as {next(iter(known))}=timeseries; got {part!r}.")
        if name not in known:
            raise suggest(name, list(known), "modality in --noise")
        if family not in FAMILIES:
            raise suggest(family, list(FAMILIES), "noise")
        if name in parsed:
            raise InputError(f"--noise names {name} twice.")
        if known[name].kind not in FAMILIES[family].kinds:
            fitting = ", ".join(option for option, entry in FAMILIES.items() if known[name].kind in entry.kinds)
            raise InputError(
                f"--noise {name}={family}: {family} noise is for modalities of kind "
                f"{', '.join(FAMILIES[family].kinds)}; {name} is of kind {known[name].kind}: take {fitting}."
            )
        parsed[name] = family
    return parsed
