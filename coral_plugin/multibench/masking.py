"""Tokens of what a MultiBench encoder returns, set to zero between encoders and fusion."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from coral_plugin.multibench.outputs import Output, locate


def masked(returned: Any, output: Output, ratio: float, generator: torch.Generator | None = None) -> Any:
    """What an encoder returned, each token of it zero with probability ``ratio``, independently.

    Tokens are the steps of a sequence, the cells of a feature map, the features of a vector. What else a tuple or list
    holds stays; nothing is rescaled.

    Args:
        returned: Value that the module returned.
        output: Place of the encoding in it.
        ratio: Mask ratio in [0, 1].
        generator: Source of the random mask, on the device of the encoding.
    """
    if output.batch is None:  # the same for all samples, hence no token of any of them
        return returned
    if isinstance(returned, PackedSequence):
        steps, lengths = locate(returned, None)
        hidden = _masked(steps, output, ratio, generator)
        return pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)  # type: ignore[arg-type]
    if isinstance(returned, Tensor):
        return _masked(returned, output, ratio, generator)
    tensor, _ = locate(returned, output.item)
    hidden = _masked(tensor, output, ratio, generator)
    return type(returned)([hidden if item is tensor else item for item in returned])


def _masked(tensor: Tensor, output: Output, ratio: float, generator: torch.Generator | None) -> Tensor:
    shape = [1] * tensor.ndim
    for axis in _token_axes(tensor, output):
        shape[axis] = tensor.shape[axis]
    return tensor * (torch.rand(shape, device=tensor.device, generator=generator) >= ratio)


def _token_axes(tensor: Tensor, output: Output) -> list[int]:
    """The axes along which one token lies beside another."""
    batch = output.batch or 0
    if output.steps is not None:
        return [batch, output.steps]
    others = [axis for axis in range(tensor.ndim) if axis != batch]
    if len(output.shape) == 1 or not others:
        return [batch, *others]
    # the last one of a sequence is that of its features, the first one of a map that of its channels
    return [batch, *(others[:-1] if len(output.shape) == 2 and tensor.ndim == 3 else others[1:])]
