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
class Family:
    """Noise for one sort of data.

    Attributes:
        kinds: Of the modalities that it fits.
        apply: Values ``(B, ...)``, valid steps ``(B,)`` of series (1 elsewhere), level, generator.
        scaled: It acts on values in units of their deviation on train, 0 being their mean there (images never: they
            are pixels; words never: what is not in a vocabulary has a vector of zeros).
        says: What it does, in a few words.
    """

    kinds: tuple[Kind, ...]
    apply: Apply = field(repr=False)
    scaled: bool
    says: str


FAMILIES: Mapping[str, Family] = {
    "visual": Family(
        kinds=("image",),
        apply=visual,
        scaled=False,
        says="colour, contrast, inversion, pepper, noise, turn, flip, crop",
    ),
    "text": Family(kinds=("sequence", "timeseries"), apply=words, scaled=False, says="words lost"),
    "timeseries": Family(
        kinds=("sequence", "timeseries"), apply=timeseries, scaled=True, says="white noise, entries and steps dropped"
    ),
    "audio": Family(
        kinds=("sequence", "timeseries", "image"),
        apply=sound,
        scaled=True,
        says="white noise, or steps or runs dropped",
    ),
    "tabular": Family(kinds=("tabular",), apply=tabular, scaled=True, says="entries dropped and exchanged"),
}


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of one modality.

    Attributes:
        family: One of :data:`FAMILIES`.
        origin: Whose: ``own``, or MultiBench's with its commit.
        apply: As in :class:`Family`.
        scaled: As in :class:`Family`.
    """

    family: str
    origin: str
    apply: Apply = field(repr=False)
    scaled: bool


Source = Callable[[str, Modality], Noise | str]
"""From a family and a modality to somebody else's noise, or to the reason why there is none."""


def choose(modalities: Sequence[Modality], spec: str | None = None, source: Source | None = None) -> dict[str, Noise]:
    """The noise of each modality.

    Images get ``visual`` noise, but ``audio`` noise where they are called audio (spectrograms; time runs to the right).
    Series get ``timeseries`` noise; called text they get ``text`` noise, and waveforms (one value a step) called audio
    get ``audio`` noise. Vectors get ``tabular`` noise.

    Args:
        modalities: All of the data.
        spec: Other families by name, as in ``audio=timeseries,title=text``.
        source: Asked first; where it gives a reason, our own is taken and the origin says why.

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


def noisy(noise: Noise, modality: Modality, batch: MultimodalBatch, level: float, generator: torch.Generator) -> Tensor:
    """The values of ``modality`` in ``batch`` with noise; at level 0 they are the same tensor.

    Padding, samples without the modality, and whatever the noise does not hit keep their values bit for bit.

    Args:
        noise: Of the modality.
        modality: Whose mean and deviation scale it.
        batch: B samples.
        level: 0 to 1.
        generator: On the batch's device.
    """
    values = batch[modality.name]
    there = batch.present.get(modality.name)
    rows = values if there is None else values[there]
    if level == 0 or not len(rows):
        return values
    padding = batch.padding.get(modality.name)
    lengths = torch.full((len(values),), values.shape[1] if modality.temporal else 1, device=values.device)
    if padding is not None:
        lengths = (~padding).sum(dim=1)
    lengths = lengths if there is None else lengths[there]
    clean = modality.standardise(rows) if noise.scaled else rows
    changed = _turned(noise, modality, clean, lengths, level, generator)
    result = torch.where(changed == clean, rows, modality.restore(changed) if noise.scaled else changed)
    result = result.to(values.dtype)
    if padding is not None:
        own = padding if there is None else padding[there]
        result = torch.where(own.unsqueeze(-1), rows, result)
    if there is None:
        return result
    whole = values.clone()
    whole[there] = result
    return whole


def _turned(
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
            fitting = ", ".join(each for each, entry in FAMILIES.items() if known[name].kind in entry.kinds)
            raise InputError(
                f"--noise {name}={family}: {family} noise is for modalities of kind "
                f"{', '.join(FAMILIES[family].kinds)}; {name} is of kind {known[name].kind}: take {fitting}."
            )
        parsed[name] = family
    return parsed
