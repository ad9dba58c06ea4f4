"""Two-view augmentation of whole batches, from a specification of augmentations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from coral_plugin.augmentations import sequences
from coral_plugin.augmentations.base import Augmentation, kept_form
from coral_plugin.augmentations.grammar import Element, parse
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.data.padding import valid_steps
from coral_plugin.errors import InputError
from coral_plugin.from_python import FROM_PYTHON

CustomFunction = Callable[[Tensor, Tensor | None, torch.Generator | None], Tensor]
Spec = str | Augmentation | CustomFunction

_DEFAULT = {"sequence": "drop+noise", "tabular": "noise", "image": "simclr"}


@dataclass(frozen=True)
class _Step:
    """One element of a specification as it is applied to one modality."""

    augmentation: Augmentation
    settings: dict[str, Any]

    def __call__(
        self,
        modality: Modality,
        values: Tensor,
        lengths: Tensor | None,
        generator: torch.Generator | None,
        draw: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        if modality.kind == "image":
            if (wide := modality.wide_range) is None or self.augmentation is sequences.none:
                return self._changed(modality, values, None, generator)
            low, width = wide
            return self._changed(modality, (values - low) / width, None, generator) * width + low
        scaled = self.augmentation.scaled and modality.mean is not None and modality.std is not None
        steps = modality.standardise(values) if scaled else values
        steps = steps.unsqueeze(-1) if steps.ndim == 2 else steps  # (B, T, d); entries of a vector are steps
        if lengths is None:
            lengths = torch.full((len(steps),), steps.shape[1], device=steps.device)
        if draw is not None:
            steps = sequences.drop_lowest(steps, lengths, *draw)
        else:
            steps = self._changed(modality, steps, lengths, generator)
        if scaled:
            result = modality.restore(steps.view(values.shape))
            return result if values.ndim == 2 else sequences.blank(result, ~valid_steps(result, lengths))
        return steps.view(values.shape)

    def _changed(
        self, modality: Modality, values: Tensor, lengths: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        changed = self.augmentation(values, lengths, generator, **self.settings)
        return kept_form(changed, values, f"Augmentation {self.augmentation.function.__name__}", modality.name)


@dataclass(frozen=True)
class _Group:
    """Modalities that share their coins, and their augmentations.

    Attributes:
        modalities: The members.
        steps: ``steps[e][m]``, element e as it is applied to modality m.
        elements: Parsed specification, for the record.
        choice: Whether one element is chosen per sample instead of composing all.
    """

    modalities: tuple[Modality, ...]
    elements: tuple[Element, ...]
    steps: tuple[tuple[_Step, ...], ...]
    choice: bool

    def apply(
        self, values: dict[str, Tensor], lengths: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """New values of the members; samples that a coin leaves out keep theirs bit for bit."""
        names = [modality.name for modality in self.modalities]
        device, batch = values[names[0]].device, len(values[names[0]])
        if self.choice:
            chosen = torch.randint(len(self.steps), (batch,), device=device, generator=generator)
        start = current = {name: values[name] for name in names}
        for number, (element, row) in enumerate(zip(self.elements, self.steps, strict=True)):
            source = start if self.choice else current
            probability = 0.0 if self.choice else _probability(element, row[0])
            # drawn where it decides nothing, too: later draws are the same for every probability
            coin = (
                chosen == number if self.choice else torch.rand(batch, device=device, generator=generator) < probability
            )
            draw = self._shared(row[0], source, generator)
            changed = {}
            for name, modality, step in zip(names, self.modalities, row, strict=True):
                new = step(modality, source[name], lengths.get(name), generator, draw)
                fresh = new.data_ptr() != source[name].data_ptr() and new.dtype == current[name].dtype
                if probability < 1 or not fresh:  # else there is nothing to choose
                    new = torch.where(coin.view(-1, *[1] * (new.ndim - 1)), new, current[name])
                changed[name] = new
            current = changed
        return current

    def _shared(
        self, step: _Step, values: Mapping[str, Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor] | None:
        """The draw that all members share, where the augmentation is a shared one."""
        if not step.augmentation.shared:
            return None
        first = next(iter(values.values()))
        longest = max(value.shape[1] for value in values.values())
        return sequences.shared_draw(len(first), longest, first.device, generator, **step.settings)

    def describe(self) -> str:
        """The specification with every probability."""
        if self.choice:
            return "|".join(map(str, self.elements))
        rows = zip(self.elements, self.steps, strict=True)
        return "+".join(f"{element}@{_probability(element, row[0]):g}" for element, row in rows)


@dataclass(frozen=True)
class Augmenter:
    """Makes augmented views of batches. Every random number comes from the generator of the call.

    Attributes:
        groups: Groups of modalities that share their coins, with their augmentations.
        custom: Plain functions by modality, applied to every sample.
        plain: Augmenter of the batch for un-augmented branches (``raw``); None leaves the batch as it is.
    """

    groups: tuple[_Group, ...]
    custom: dict[str, CustomFunction] = field(default_factory=dict)
    plain: Augmenter | None = None

    def unaugmented(self, batch: MultimodalBatch, generator: torch.Generator | None = None) -> MultimodalBatch:
        """The batch for un-augmented branches: images cropped a little, all else as it is, unless chosen otherwise."""
        return batch if self.plain is None else self.plain(batch, generator)

    def __call__(self, batch: MultimodalBatch, generator: torch.Generator | None = None) -> MultimodalBatch:
        """One view of ``batch``; padding, targets and index stay, and the batch itself is not changed.

        Args:
            batch: Batch of B samples with every modality that the augmenter was built for.
            generator: Source of randomness on the device of the batch; None is torch's global generator.

        Raises:
            InputError: other modalities than those built for, or a function that changes the shape.
        """
        known = [m.name for group in self.groups for m in group.modalities] + list(self.custom)
        if set(known) != set(batch.tensors):
            raise InputError(f"The augmentations were built for {', '.join(known)}; the batch has {', '.join(batch)}.")
        lengths = {name: (~mask).sum(dim=1) for name, mask in batch.padding.items()}
        result: dict[str, Tensor] = {}
        for group in self.groups:
            result |= group.apply(batch.tensors, lengths, generator)
        for name, function in self.custom.items():
            # a function from outside may write into its argument
            changed = function(batch[name].clone(), lengths.get(name), generator)
            result[name] = kept_form(changed, batch[name], "The augmentation", name)
        return batch.with_values({name: result[name] for name in batch.tensors})

    def describe(self) -> dict[str, str]:
        """``{modality: specification}`` with every probability, and with whom the modality shares its coins."""
        texts = {name: f"function {getattr(f, '__qualname__', type(f).__name__)}" for name, f in self.custom.items()}
        for group in self.groups:
            names = [modality.name for modality in group.modalities]
            for name in names:
                others = ", ".join(other for other in names if other != name)
                texts[name] = group.describe() + (f" (coins shared with {others})" if others else "")
        return texts


def build_augmenter(
    spec: Spec | Mapping[str, Spec], modalities: Sequence[Modality], plain: Spec | Mapping[str, Spec] = "auto"
) -> Augmenter:
    """The augmenter that ``spec`` describes.

    * ``"drop+noise"``: each element in turn, with its own coin for each sample; ``"drop|noise"``: one of them.
    * ``"noise(std=0.2)@0.8"``: with a setting, and with probability 0.8.
    * One text is for all modalities, which then share the coins; with ``{modality: text}`` every modality has coins of
      its own.
    * ``"none"`` does nothing. ``"auto"``, also for modalities that a mapping leaves out, goes by kind: sequences
      ``drop+noise`` with shared coins, tabular ``noise``, time series ``jitter+scale+rotate+slice`` (without rotate
      where the channels are no triples), images ``simclr``.
    * ``{modality: function}``: a function ``(values (B, ...), lengths (B,) or None, generator) -> values``,
      on every sample; or an :class:`Augmentation`, with its own probability.

    ``plain`` is a specification of the same form for un-augmented branches (CLIP, Cross+Self, CMC, FactorCL).
    ``"auto"`` is the plain transform of the references (specification 1.8): ``plain_crop``, at least half of
    an image, and nothing for other kinds. ``"none"`` leaves images whole.

    Raises:
        InputError: an unknown name or setting, or an augmentation that does not apply to a modality.

    Example:
        >>> wave = Modality(name="wave", kind="timeseries", shape=(50, 3))
        >>> body = Modality(name="body", kind="tabular", shape=(2,))
        >>> augmenter = build_augmenter({"wave": "jitter(std=0.2)@1+slice", "body": "none"}, [wave, body])
        >>> augmenter.describe()
        {'wave': 'jitter(std=0.2)@1+slice@0.5', 'body': 'none@1'}
        >>> batch = MultimodalBatch({"wave": torch.zeros(8, 50, 3), "body": torch.ones(8, 2)})
        >>> view = augmenter(batch, torch.Generator().manual_seed(0))
        >>> torch.equal(view["wave"], batch["wave"]), torch.equal(view["body"], batch["body"])
        (False, True)
    """
    augmenter = _augmenter(spec, modalities, _automatic)
    untouched = isinstance(plain, str) and plain.strip() == "none"
    return augmenter if untouched else replace(augmenter, plain=_augmenter(plain, modalities, _automatic_plain))


def _augmenter(
    spec: Spec | Mapping[str, Spec],
    modalities: Sequence[Modality],
    automatic: Callable[[Sequence[Modality]], tuple[_Group, ...]],
) -> Augmenter:
    if isinstance(spec, str):
        return Augmenter((_group(spec, modalities),) if spec.strip() != "auto" else automatic(modalities))
    if not isinstance(spec, Mapping):
        raise InputError(f"Augmentations need a text or a mapping from modality to text, got {type(spec).__name__}.")
    names = [modality.name for modality in modalities]
    if unknown := [name for name in spec if name not in names]:
        raise InputError(f"Augmentations name the modality {', '.join(unknown)}, but there are {', '.join(names)}.")
    custom: dict[str, CustomFunction] = {}
    groups: list[_Group] = []
    rest: list[Modality] = []
    for modality in modalities:
        part = spec.get(modality.name, "auto")
        if isinstance(part, str) and part.strip() == "auto":
            rest.append(modality)
        elif isinstance(part, str) and part.startswith(FROM_PYTHON):
            raise InputError(
                f"The run was trained with an augmentation from Python ({part.removeprefix(FROM_PYTHON)} for "
                f"{modality.name}). Give it again as augmentations=... where Python takes it; else register it "
                "by entry point and write its name under augmentations in config.yaml."
            )
        elif isinstance(part, str):
            groups.append(_alone(part, modality, len(modalities)))
        elif isinstance(part, Augmentation):
            groups.append(_declared(part, modality))
        elif callable(part):
            custom[modality.name] = part
        else:
            raise InputError(f"The augmentation of {modality.name!r} must be a text or a function, got {part!r}.")
    return Augmenter((*groups, *automatic(rest)), custom)


def _declared(entry: Augmentation, modality: Modality) -> _Group:
    """An augmentation from Python, registered or not, with its default settings and probability."""
    if not entry.applies_to(modality):
        raise InputError(f"Augmentation {entry.name!r} does not apply to modality {modality.name!r} ({modality.kind}).")
    return _Group((modality,), (Element(entry.name),), ((_Step(entry, {}),),), False)


def _alone(text: str, modality: Modality, count: int) -> _Group:
    group = _group(text, [modality])
    if count > 1 and any(row[0].augmentation.shared for row in group.steps):
        raise InputError(
            f"multi_drop of modality {modality.name!r} has nothing to share its steps with; give one text for all "
            "modalities, or use drop."
        )
    return group


def _automatic(modalities: Sequence[Modality]) -> tuple[_Group, ...]:
    """The default of each kind; sequences share their coins."""
    sequential = [modality for modality in modalities if modality.kind == "sequence"]
    groups = [_group(_DEFAULT["sequence"], sequential)] if sequential else []
    for modality in modalities:
        if modality.kind == "timeseries":
            turn = "rotate+" if modality.features % 3 == 0 else ""
            groups.append(_group(f"jitter+scale+{turn}slice", [modality]))
        elif modality.kind != "sequence":
            groups.append(_group(_DEFAULT[modality.kind], [modality]))
    return tuple(groups)


def _automatic_plain(modalities: Sequence[Modality]) -> tuple[_Group, ...]:
    """Images are cropped a little, other kinds stay as they are."""
    return tuple(_group("plain_crop" if m.kind == "image" else "none", [m]) for m in modalities)


def _group(text: str, modalities: Sequence[Modality]) -> _Group:
    elements, choice = parse(text)
    steps = []
    for element in elements:
        entries = [element.find(modality) for modality in modalities]
        steps.append(tuple(_Step(entry, element.arguments(entry)) for entry in entries))
    return _Group(tuple(modalities), tuple(elements), tuple(steps), choice)


def _probability(element: Element, step: _Step) -> float:
    return step.augmentation.probability if element.probability is None else element.probability
