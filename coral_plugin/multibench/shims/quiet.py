"""Warnings that MultiBench's code gives at every step, and that say nothing about the user's run."""

from __future__ import annotations

import warnings

from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.shims.base import Shim

# each is given by MultiBench's own source: nn.Softmax() without a dimension, xavier_normal, invalid escapes, ...
_KNOWN = (
    ("Implicit dimension choice for softmax", UserWarning),
    ("nn.init.xavier_normal is now deprecated", FutureWarning),
    ("`nn.init.xavier_normal` is now deprecated", FutureWarning),
    ("'pin_memory' argument is set as true but no accelerator", UserWarning),
    ("Converting a tensor with requires_grad=True to a scalar", UserWarning),
    ("invalid escape sequence", SyntaxWarning),
    ("invalid escape sequence", DeprecationWarning),
    ("torch.nn.utils.weight_norm is deprecated", FutureWarning),
)


def _apply(scope: Scope) -> None:
    scope.enter(warnings.catch_warnings())
    for start, category in _KNOWN:
        warnings.filterwarnings("ignore", message=_escaped(start), category=category)


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in ".()=`'" else sign for sign in text)


QUIET = Shim(
    name="known-warnings",
    purpose="no line per batch about nn.Softmax() without a dimension and its like",
    needed=lambda: "MultiBench's code gives them on every current PyTorch",
    apply=_apply,
)
