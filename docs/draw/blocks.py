"""Fills the generated parts of a page, between ``<!-- generated: KIND NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Callable

from catalogue import augmentations, encoders
from measured import results
from registered import at_a_glance, methods, presets, settings

_BLOCK = re.compile(r"(<!-- generated: (\w+) ?(\w*) -->\n).*?(<!-- end -->)", re.DOTALL)
# how docstrings cite the specification
_CITED = re.compile(r"\bspecification ([\d.]*\d)")
KINDS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (at_a_glance, methods, presets, settings, results, encoders, augmentations)
}


def filled(page: str, up: str = "") -> str:
    """The page with every generated part as it should be; ``up`` leads from its folder to ``docs/``."""

    def fill(block: re.Match[str]) -> str:
        start, kind, name, end = block.groups()
        text = _CITED.sub(rf"[specification, \1]({up}specification.md)", KINDS[kind](*([name] if name else [])))
        return f"{start}\n{text}\n\n{end}"

    return _BLOCK.sub(fill, page)
