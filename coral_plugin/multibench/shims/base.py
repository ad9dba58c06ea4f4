"""What a shim is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from coral_plugin.multibench.isolation import Scope


@dataclass(frozen=True, kw_only=True)
class Shim:
    """One repair of what today's stack lacks for MultiBench; no file of MultiBench is touched.

    Attributes:
        name: Short, for ``coral doctor``.
        purpose: One line.
        needed: Why it is needed on this machine; empty where it is not. Imports nothing that stays broken.
        apply: Function that makes the repair for as long as the scope lasts.
    """

    name: str
    purpose: str
    needed: Callable[[], str]
    apply: Callable[[Scope], None]


def absent(module: str) -> bool:
    """Whether ``module``, a top-level one, is installed nowhere. It is not imported."""
    try:
        return importlib.util.find_spec(module) is None
    except (ImportError, ValueError):  # ValueError: something without a spec stands under the name
        return True
