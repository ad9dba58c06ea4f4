"""Rows of a batch: only the samples that have a modality reach its networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def exporting() -> bool:
    """Whether ``torch.export`` or ``torch.onnx`` is looking at the networks, which then take any number of samples.

    What picks samples or steps by their values has sizes that depend on the data; masked computations replace it there,
    with equal results in evaluation mode.
    """
    known = getattr(torch.compiler, "is_exporting", None)  # since torch 2.7
    return known is not None and bool(known())


def on_present(function: Callable[..., Tensor], present: Tensor, *tensors: Tensor | None) -> Tensor:
    """``function`` of the rows of ``tensors`` (B, ...) that are ``present`` (B,) of bool; zero for the others."""
    if exporting():
        whole = function(*tensors)
        return whole.masked_fill(~present.view(-1, *[1] * (whole.ndim - 1)), 0.0)
    rows = present.nonzero().squeeze(1)
    chosen = (None if tensor is None else tensor[rows] for tensor in tensors)
    return scatter_rows(function(*chosen), rows, present.shape[0])


def scatter_rows(part: Tensor, rows: Tensor, size: int) -> Tensor:
    """``part`` (R, ...) at ``rows`` (R,) of ``size`` rows; the others are zero."""
    return part.new_zeros(size, *part.shape[1:]).index_copy(0, rows, part)
