"""What the registry knows of the methods: what a step reads, the parts of the representation, presets and settings."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from tables import code, default_of, entries, table

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.base import Step
from coral_plugin.registry import OBJECTIVES
from coral_plugin.testing.samples import SAMPLE_TASK
from coral_plugin.training.settings import TrainingSettings

# in the order of the index
METHODS = {
    "coral": ("COrAL", "one shared vector and one unique vector of each modality, kept orthogonal; asymmetric masks"),
    "comm": ("CoMM", "each modality alone, and all together, in one space"),
    "infmasking": ("InfMasking", "CoMM, and contrast with many masked views"),
    "factorcl": ("FactorCL", "critics bound shared and unique information from both sides"),
    "focal": ("FOCAL", "shared and private halves of each modality, kept orthogonal"),
    "decur": ("DeCUR", "common and unique dimensions of each modality, by cross-correlation"),
    "clip": ("CLIP", "contrast between modalities"),
    "cmc": ("CMC", "contrast between all pairs of modalities, with negatives of the same modality"),
    "cross_self": ("Cross+Self", "contrast between modalities, and between two views of each"),
    "slip": ("SLIP", "CLIP, and contrast between two views of some modalities"),
    "simclr": ("SimCLR", "contrast between two views of each modality by itself"),
    "mae": ("MAE", "most is hidden and reconstructed from the rest of all modalities; our proposal"),
    "supervised": ("With labels", "the shared network, trained on the labels"),
    "concat_raw": ("Raw features", "the values side by side; nothing is trained"),
}
_MODALITIES = tuple(Modality(name=name, kind="tabular", shape=(6,)) for name in ("a", "b"))
_WIDTH, _OUTPUT = 48, 40
_SIZES = {_WIDTH: "D", _WIDTH // 2: "D/2", 5 * _WIDTH: "5 D", _OUTPUT: "`head_output`", 6: "all values"}


class _Watched(Step):
    """A step that remembers what of it was read."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("first", "second", "raw"):
            super().__getattribute__("read").add(name)
        return super().__getattribute__(name)


def methods() -> str:
    """The table of all methods."""
    rows = [
        (f"[{title}]({name}.md)", f"`{name}`", idea, _step(name), _parts(name))
        for name, (title, idea) in METHODS.items()
    ]
    return table(("method", "name", "what it learns from", "a step reads", "representation"), rows)


def at_a_glance(name: str) -> str:
    """Facts of one method in a line each."""
    method = OBJECTIVES.get(name)
    least = {1: "one", 2: "two"}[method.min_modalities]
    count = len(dataclasses.fields(method.Settings))
    facts = {
        "Name": f"`{name}`",
        "Modalities": f"any number from {least} on; samples may lack some",
        "A step reads": _step(name),
        "Representation": f"{_parts(name)}, for modalities a and b",
        "Settings": f"[{count}](#settings)" if count else "none",
    }
    return "\n".join(f"* **{fact}:** {text}" for fact, text in facts.items())


def presets(name: str) -> str:
    """Presets of a method and every setting that they make; settings that are equal in all stand above the table."""
    method = OBJECTIVES.get(name)
    grouped: dict[str, list[str]] = {}
    for preset, values in method.presets.items():
        grouped.setdefault(repr(sorted(values.items(), key=str)), []).append(preset)
    rows = [(names, method.presets[names[0]]) for names in grouped.values()]
    keys = list(dict.fromkeys(key for _, values in rows for key in values))
    if not keys:
        return "One preset, `paper`, which sets nothing: there is no training."
    alike = [key for key in keys if all(key in values and values[key] == rows[0][1][key] for _, values in rows)]
    text = ", ".join(f"`{key}` {code(rows[0][1][key])}" for key in alike)
    if len(rows) == 1:
        listed = ", ".join(f"`{preset}`" for preset in rows[0][0])
        return f"One preset, {listed}: {text}. What it does not name stays at its default."
    differing = [key for key in keys if key not in alike]
    first = rows[0][0][0]
    lines = [
        [", ".join(f"`{preset}`" + (" (default)" if preset == first else "") for preset in names)]
        + [code(values[key]) if key in values else _default(method, key) for key in differing]
        for names, values in rows
    ]
    head = ["preset", *(f"`{key}`" for key in differing)]
    if len(differing) > 3:  # group above key, so that columns are narrow
        head = ["preset", *("<br>".join(f"`{part}`" for part in key.split(".")) for key in differing)]
    above = f"All presets: {text}.\n\n" if alike else ""
    return f"{above}{table(head, lines)}\n\nIn italics: defaults, which the preset leaves as they are."


def settings(name: str) -> str:
    """Settings of a method with their defaults and meanings."""
    cls = OBJECTIVES.get(name).Settings
    texts = entries(cls)
    hints = get_type_hints(cls)
    rows = [
        (f"`{f.name}`", code(default_of(f)), texts[f.name] + _choices(hints[f.name], texts[f.name]))
        for f in dataclasses.fields(cls)
    ]
    if not rows:
        return "This method has no settings."
    return table(("setting", "default", "meaning"), rows)


def _choices(hint: Any, text: str) -> str:
    """Values that a setting takes, where its text does not name them all."""
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if all(f"`{choice}`" in text for choice in choices):
        return ""
    return f" One of {', '.join(f'`{choice}`' for choice in choices)}."


def _default(method: Any, key: str) -> str:
    """Default of a setting that a preset does not make."""
    group, _, name = key.partition(".")
    classes = {"method": method.Settings, "training": TrainingSettings, "network": NetworkSettings}
    if group not in classes:
        return "*by kind*"
    value = next(default_of(field) for field in dataclasses.fields(classes[group]) if field.name == name)
    return "*by the data*" if key == "network.width" else f"*{code(value).strip('`')}*"


@cache
def _step(name: str) -> str:
    """What ``loss`` of a method reads of a step, found out by one call."""
    method = _built(name)
    if not method.trains:
        return "nothing: there is no training"
    batch = MultimodalBatch(
        {m.name: torch.randn(8, 6) for m in _MODALITIES}, targets={SAMPLE_TASK.name: torch.arange(8) % 3}
    )
    step = _Watched(batch, batch, 0.5)
    read: set[str] = set()
    vars(step)["read"] = read
    method.loss(step)
    texts = {
        frozenset({"first", "second"}): "two augmented views",
        frozenset({"raw"}): "the sample without augmentation",
        frozenset({"first", "second", "raw"}): "the sample, and two augmented views",
        frozenset({"second", "raw"}): "the sample, and one augmented view",
    }
    return texts[frozenset(read)] + (", and labels" if method.needs_labels else "")


@cache
def _parts(name: str) -> str:
    method = _built(name).eval()
    with torch.no_grad():
        parts = method.embed(MultimodalBatch({m.name: torch.randn(2, 6) for m in _MODALITIES}))
    return ", ".join(f"`{part}` ({_SIZES[vectors.shape[1]]})" for part, vectors in parts.items())


@cache
def _built(name: str) -> Any:
    cls = OBJECTIVES.get(name)
    network = NetworkSettings(width=_WIDTH, head_hidden=8, head_output=_OUTPUT)
    method = cls(_MODALITIES, network, cls.Settings())
    method.prepare((SAMPLE_TASK,))
    return method
