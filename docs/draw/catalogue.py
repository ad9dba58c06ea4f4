"""The registered encoders and augmentations: what they take, their options, and what comes out."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from typing import Any

import torch
from tables import code, entries, plain, table

from coral_plugin.augmentations.base import ABOVE_ZERO, UNBOUNDED, Augmentation
from coral_plugin.data import Modality
from coral_plugin.data.modality import KINDS
from coral_plugin.errors import InputError
from coral_plugin.networks.factory import default_encoder
from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.registry import AUGMENTATIONS, ENCODERS, OURS, Registry

_WIDTH = 128
_SHAPES = {
    "tabular": [(5,), (64,)],
    "timeseries": [(50, 3), (200, 12)],
    "sequence": [(50, 300)],
    "image": [(1, 28, 28), (3, 32, 32), (3, 224, 224)],
}
_FAMILY = "multibench"
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Example):")


def encoders() -> str:
    """Defaults by kind, then a section for each encoder of this package."""
    kinds = [
        (f"`{kind}`", " × ".join(map(str, shape)), f"`{default_encoder(Modality(name='m', kind=kind, shape=shape))}`")
        for kind in KINDS
        for shape in (_SHAPES[kind][:1] if kind != "image" else _SHAPES[kind][1:])
    ]
    sections = [table(("kind", "for example", "default encoder"), kinds)]
    for name in names(ENCODERS):
        encoder = ENCODERS.get(name)
        lines = [f"## `{name}`", _description(encoder)]
        if name == _FAMILY:
            lines.append(
                'Written `multibench:CLASS(sizes)`, such as `--encoder "vision=multibench:GRU(35, 128)"`; it needs '
                "a MultiBench checkout in `MULTIBENCH_ROOT` ([MultiBench](multibench.md))."
            )
        else:
            rows = [row for kind in KINDS for shape in _SHAPES[kind] if (row := _example(name, kind, shape))]
            lines.append(table(("kind", "values of a sample", "tokens", "parameters"), rows, numbers=3))
            lines.append(_options(encoder))
        sections += lines
    return "\n\n".join(sections)


def augmentations() -> str:
    """A table of all augmentations of this package, then a section for each."""
    known = names(AUGMENTATIONS)
    by_kind = {kind: [name for name in known if kind in AUGMENTATIONS.get(name).kinds] for kind in KINDS}
    rows = [(f"`{kind}`", ", ".join(f"[`{name}`](#{name})" for name in listed)) for kind, listed in by_kind.items()]
    sections = [table(("kind", "augmentations for it"), rows)]
    for name in known:
        entry = AUGMENTATIONS.get(name)
        kinds = ", ".join(f"`{kind}`" for kind in entry.kinds)
        condition = {"_in_triples": " whose channels are triples (x, y, z)", "_coloured": " of three channels"}
        fits = condition[entry.fits.__name__] if entry.fits else ""
        sections += [
            f"## `{name}` {{ #{name} }}",
            _description(entry),
            f"For {kinds}{fits}. Applied to a sample with probability {entry.probability:g}, or P with `{name}@P`.",
            _settings(entry),
            f"![{name}: values before and after](pictures/augmentations/{name}.png)",
        ]
    return "\n\n".join(section for section in sections if section)


def names(registry: Registry) -> list[str]:
    """Names that this package registers, sorted."""
    return sorted({entry.name for entry in registry.entries() if entry.distribution == OURS})


def _description(described: Any) -> str:
    """What a docstring says in front of its arguments."""
    paragraphs = (inspect.getdoc(described) or "").split("\n\n")
    return "\n\n".join(map(plain, itertools.takewhile(lambda text: not _SECTION.match(text), paragraphs)))


def _example(name: str, kind: Any, shape: tuple[int, ...]) -> tuple[str, str, str, str] | None:
    """Kind, shape, tokens and parameters of an encoder with its default options; None where it refuses the modality."""
    modality = Modality(name="m", kind=kind, shape=shape)
    with torch.device("cpu"):
        try:
            encoder = ENCODERS.get(name)(modality, _WIDTH)
        except InputError:
            return None
        whole = TokenEncoder(modality, encoder, _WIDTH).eval()
        with torch.no_grad():
            tokens, _ = whole(torch.zeros(1, *shape))
    count = sum(parameter.numel() for parameter in whole.parameters())
    return f"`{kind}`", " × ".join(map(str, shape)), str(tokens.shape[1]), f"{count:,}"


def _options(encoder: Any) -> str:
    parameters = [p for p in inspect.signature(encoder).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if not parameters:
        return "No options."
    texts = entries(encoder)
    return table(
        ("option", "default", "meaning"),
        [(f"`{p.name}`", "–" if p.default is None else code(p.default), texts[p.name]) for p in parameters],
    )


def _settings(entry: Augmentation) -> str:
    if not entry.settings:
        return ""
    texts = entries(entry.function)
    rows = [
        (f"`{name}`", code(default), _bounds(entry.bounds.get(name, UNBOUNDED)), texts.get(name, ""))
        for name, default in entry.settings.items()
    ]
    head = ("setting", "default", "allowed", "meaning")
    described = any(row[3] for row in rows)
    return table(head if described else head[:3], [row if described else row[:3] for row in rows])


def _bounds(bounds: tuple[float, float]) -> str:
    least, greatest = bounds
    if least == ABOVE_ZERO:
        return "above 0"
    if math.isinf(greatest):
        return "any number" if math.isinf(least) else f"{least:g} or more"
    return f"{least:g} to {greatest:g}"
