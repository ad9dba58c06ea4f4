"""Comparisons that fail with what was expected and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

# float64 throughout; a method may compute its loss in float32
RELATIVE = 1e-5


class ContractError(AssertionError):
    """A part of the contract that does not hold: what was expected, and what was found."""


def expect(holds: bool, expected: str, actual: object) -> None:
    """Raise :class:`ContractError` with both, unless it ``holds``."""
    if not holds:
        raise ContractError(f"expected {expected}; found {actual}")


def expect_finite(values: Mapping[str, Tensor], what: str) -> None:
    """Every tensor is finite."""
    for name, value in values.items():
        kind = "NaN" if torch.isnan(value).any() else "infinity"
        expect(bool(torch.isfinite(value).all()), f"{what} that are finite", f"{kind} in {name}")


def expect_same(actual: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Two sets of named tensors are equal up to rounding, relative to the greatest entry of each."""
    expect(list(actual) == list(wanted), f"{what}: {', '.join(wanted) or 'nothing'}", ", ".join(actual) or "nothing")
    for name, value in wanted.items():
        other = actual[name]
        expect(other.shape == value.shape, f"{what}: {name} of shape {tuple(value.shape)}", tuple(other.shape))
        off = relative_difference(other, value)
        expect(off <= RELATIVE, f"{what}: {name} the same", f"a relative difference of {off:.1e}")


def relative_difference(one: Tensor, other: Tensor, scale: float | None = None) -> float:
    """Greatest difference, relative to ``scale`` or the greatest entry; infinite where something is not a number."""
    if not one.numel():
        return 0.0
    one, other = one.detach().double(), other.detach().double()
    off = float((one - other).abs().max()) / max(float(other.abs().max()) if scale is None else scale, 1e-6)
    return math.inf if math.isnan(off) else off


def gradients(objective: nn.Module) -> dict[str, Tensor]:
    """The gradient of every parameter that has one."""
    return {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}
