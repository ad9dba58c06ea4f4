"""Checks of the facts of an objective: settings, presets, labels, and the parts of its representation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import chain, combinations
from typing import Any

import torch

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Objective
from coral_plugin.runs.checks import check_types
from coral_plugin.runs.settings import build
from coral_plugin.testing.expect import expect, expect_finite
from coral_plugin.testing.samples import make_samples
from coral_plugin.testing.subject import Subject, embedded, expect_parts
from coral_plugin.training.settings import TrainingSettings


def settings(subject: Subject) -> None:
    """``Settings`` is a frozen dataclass whose fields all have defaults."""
    kind: Any = subject.kind.Settings
    expect(dataclasses.is_dataclass(kind), "Settings that are a dataclass", kind)
    expect(kind.__dataclass_params__.frozen, "a frozen dataclass Settings", "one that can be changed")
    bare = [f.name for f in dataclasses.fields(kind) if f.init and f.default is f.default_factory]  # both are missing
    expect(not bare, "a default for every setting", f"none for {', '.join(bare)}")
    try:
        check_types(kind, "method")
    except InputError as error:
        expect(False, "settings that a run can save", str(error))
    kind()


def presets(subject: Subject) -> None:
    """Keys of ``presets`` and ``deterministic`` name settings that exist, and their values are accepted."""
    groups = {
        "method": subject.kind.Settings,
        "network": NetworkSettings,
        "training": TrainingSettings,
        "probe": ProbeSettings,
    }
    expect(isinstance(subject.kind.presets, Mapping), "presets that are a mapping", type(subject.kind.presets).__name__)
    named = {f"preset {name!r}": ("", values) for name, values in subject.kind.presets.items()}
    deterministic = {f"method.{key}": value for key, value in subject.kind.deterministic.items()}
    what = "the attribute `deterministic`, whose keys are those of Settings"
    for preset, (prefix, values) in {**named, what: ("method.", deterministic)}.items():
        chosen: dict[str, dict[str, Any]] = {group: {} for group in groups}
        for key, value in values.items():
            group, _, name = key.partition(".")
            if key in ("augmentations", "plain_augmentations"):
                expect(isinstance(value, str | Mapping), f"a text or a mapping as {key} of {preset}", value)
                continue
            fields = {field.name for field in dataclasses.fields(groups[group])} if group in groups else set()
            expect(name in fields, f"settings that exist in {preset}", key.removeprefix(prefix))
            chosen[group][name] = value
        for group, kind in groups.items():
            try:
                build(kind, chosen[group], group)
            except InputError as error:
                expect(False, f"values of the right type and in range in {preset}", str(error))


def construction(subject: Subject) -> None:
    """It is built for some number of modalities as an ``Objective``; another number is refused by a one-line error."""
    for modalities in subject.claimed:
        objective = subject.build(modalities)
        expect(isinstance(objective, Objective), "an Objective", type(objective).__name__)
        expect(
            isinstance(objective.needs_raw, bool) and isinstance(objective.trains, bool),
            "flags that are bool",
            "others",
        )
        trainable = [name for name, p in objective.named_parameters() if p.requires_grad]
        expect(bool(trainable) or not objective.trains, "parameters to train, or trains = False", "neither")


def needs_labels(subject: Subject) -> None:
    """An objective that needs labels refuses data that have none."""
    if not subject.kind.trains_on_labels(subject.method_settings()):
        return
    objective = subject.build(subject.claimed[0])
    try:
        objective.prepare(())
    except InputError:
        return
    expect(False, "an InputError from prepare(()), since needs_labels is true", "no error")


def parts(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Names, order and widths of the parts are the same for every batch and mode; each part is finite ``(B, d)``."""
    objective = subject.build(modalities)
    wanted: dict[str, int] = {}
    for size in (6, 3):
        batch = make_samples(modalities, size, missing=size == 6)
        objective.train()
        with torch.no_grad():
            training = expect_parts(objective.embed(batch), size)
        for embeddings in (training, embedded(objective, batch)):
            expect_finite(embeddings, "parts")
            unprojected = {name: part for name, part in embeddings.items() if not name.startswith("projected/")}
            heads = {part.shape[1] for name, part in embeddings.items() if name not in unprojected}
            expect(bool(unprojected), "at least one part", "none")
            expect(len(heads) <= 1, "projected parts of one width", sorted(heads))
            widths = {name: part.shape[1] for name, part in unprojected.items()}
            wanted = wanted or widths
            expect(list(widths.items()) == list(wanted.items()), f"the parts {wanted}, in this order", widths)


def subsets(subject: Subject, modalities: tuple[Modality, ...]) -> None:
    """Batches that have only some of the modalities are embedded; no part changes its width."""
    objective, batch = subject.build(modalities), make_samples(modalities, 4)
    whole = {name: part.shape[1] for name, part in embedded(objective, batch).items()}
    names = [modality.name for modality in modalities]
    for subset in chain.from_iterable(combinations(names, size) for size in range(1, len(names))):
        embeddings = embedded(objective, batch.select(subset))
        what = f"the parts of {', '.join(subset)}"
        expect(bool(embeddings), what, "none")
        expect_finite(embeddings, "parts")
        for name, part in embeddings.items():
            expect(name in whole, f"{what} to be some of {', '.join(whole)}", name)
            expect(part.shape[1] == whole[name], f"{what}: {name} of width {whole[name]}", part.shape[1])
