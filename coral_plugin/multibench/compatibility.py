"""One context for everything of MultiBench: its packages importable, and today's stack repaired around them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from coral_plugin.multibench.checkout import Checkout, find_checkout
from coral_plugin.multibench.isolation import Scope, current, isolated
from coral_plugin.multibench.shims.base import Shim
from coral_plugin.multibench.shims.catalogue import SHIMS


@dataclass(frozen=True)
class Need:
    """Whether a shim is needed here: ``why`` is empty where it is not."""

    shim: Shim
    why: str


def needs(shims: Iterable[Shim] = SHIMS) -> tuple[Need, ...]:
    """Every shim, with the reason why this machine needs it."""
    return tuple(Need(shim, shim.needed()) for shim in shims)


@contextlib.contextmanager
def multibench(
    checkout: Checkout | str | None = None,
    *,
    without: Iterable[str] = (),
    also: Iterable[Shim] = (),
    say: Callable[[str], None] | None = None,
) -> Iterator[Scope]:
    """Inside, MultiBench's modules import and run on today's stack; afterwards everything is as it was.

    Example::

        with multibench("MultiBench"):
            from unimodals.common_models import GRU
            encoder = GRU(20, 128)

    Args:
        checkout: Checkout or its folder; None looks for one (:func:`find_checkout`).
        without: Names of shims to leave out.
        also: Shims in addition to the usual ones.
        say: Function that gets lines that change what figures mean; it writes to standard error by default.

    Raises:
        InputError: there is no checkout.
    """
    if not isinstance(checkout, Checkout):
        checkout = find_checkout(checkout)
    outer = current()
    around = outer.shims if outer is not None and outer.checkout.root == checkout.root else {}
    left_out = {*without, *around}
    with isolated(checkout, say or _say) as scope:
        scope.shims.update(around)
        for need in needs(shim for shim in (*SHIMS, *also) if shim.name not in left_out):  # all before any is applied
            if need.why:
                need.shim.apply(scope)
                scope.shims[need.shim.name] = need.why
        yield scope


def _say(line: str) -> None:
    sys.stderr.write(f"coral: {line}\n")
    sys.stderr.flush()
