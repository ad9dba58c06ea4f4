"""What a module returns, found out by calling it: where the encoding is, and what its axes are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from coral_plugin.errors import InputError, one_line
from coral_plugin.evaluation.features import evaluating

# calls the module with the first samples of a probing batch, cut to so many steps
Call = Callable[[int, int | None], Any]


@dataclass(frozen=True, kw_only=True)
class Output:
    """The encoding in what a module returns.

    Attributes:
        item: Index of the encoding in a tuple or list; None where it is the whole value.
        batch: Axis of the samples; None where the module returns the same for all of them.
        steps: Axis of time; None where there is none.
        shape: Shape of one sample, as :meth:`encoding` returns it: (m,), (T, m) or (C, h, w).
    """

    item: int | None
    batch: int | None
    steps: int | None
    shape: tuple[int, ...]

    def encoding(self, returned: Any, count: int) -> tuple[Tensor, Tensor | None]:
        """The encoding ``(B, *shape)`` of ``count`` samples, and their lengths where the module returns lengths."""
        tensor, lengths = locate(returned, self.item)
        return self.arranged(tensor, count), lengths

    def arranged(self, tensor: Tensor, count: int) -> Tensor:
        """The located ``tensor`` with the samples first, then time where there is any."""
        if self.batch is None:
            tensor = tensor.expand(count, *tensor.shape)
        elif self.steps is not None:
            tensor = tensor.movedim((self.batch, self.steps), (0, 1)).flatten(2)
            return tensor.unsqueeze(2) if tensor.ndim == 2 else tensor
        else:
            tensor = tensor.movedim(self.batch, 0)
        while tensor.ndim > 2 and tensor.shape[-1] == 1:
            tensor = tensor.squeeze(-1)
        if tensor.ndim > 4:  # (B, C, t, h, w) to a token for each place
            tensor = tensor.flatten(2).transpose(1, 2)
        return tensor.unsqueeze(1) if tensor.ndim == 1 else tensor


def locate(returned: Any, item: int | None) -> tuple[Tensor, Tensor | None]:
    """The tensor of the encoding, and the lengths of its sequences where they come with it.

    Without ``item``: the first tensor of a tuple, as ``nn.GRU`` and variational encoders return it; the last one of a
    list, as modules return it that give the output of each layer; and the first of ``[output, lengths]``.

    Raises:
        TypeError: there is no tensor.
    """
    if isinstance(returned, PackedSequence):
        return pad_packed_sequence(returned, batch_first=True)
    if isinstance(returned, tuple | list):
        tensors: list[Any] = [value for value in returned if isinstance(value, Tensor | PackedSequence)]
        if item is not None:
            return locate(returned[item], None)
        if len(returned) == 2 and len(tensors) == 2 and _are_lengths(tensors[1]):
            return tensors[0], tensors[1]
        if tensors:
            return locate(tensors[0] if isinstance(returned, tuple) else tensors[-1], None)
    if not isinstance(returned, Tensor):
        raise TypeError(f"it returns {_described(returned)}, in which there is no tensor")
    return returned, None


def find_output(module: nn.Module, call: Call, steps: int | None, item: int | None = None) -> Output:
    """Find out what ``module`` returns, by what changes with the number of samples and with that of steps.

    Args:
        module: Evaluated as it is, without gradients.
        call: Calls it with so many samples, cut to so many steps (None: not cut).
        steps: Number of steps of a full series; None where the samples have no time.
        item: Index of the encoding in a tuple or list, where that is known.

    Raises:
        InputError: it fails on a batch, or what it returns has no such axes.
    """
    with evaluating(module):
        try:
            three, two = (locate(call(count, None), item)[0] for count in (3, 2))
        except Exception as error:  # a stranger's module may raise anything
            raise InputError(f"it fails on a batch of the data: {one_line(error, 300)}") from error
        batch = _changing(three, two)
        if batch is not None and (three.shape[batch], two.shape[batch]) != (3, 2):
            raise InputError(
                f"it returns {tuple(three.shape)} for 3 samples and {tuple(two.shape)} for 2, in which no axis is that "
                "of the samples"
            )
        along = None if steps is None or batch is None else _time_axis(call, two, steps, batch, item)
    output = Output(item=item, batch=batch, steps=along, shape=())
    encoded = output.arranged(two, 2)
    if not encoded.is_floating_point():
        raise InputError(f"it returns {encoded.dtype}, which is no encoding")
    return Output(item=item, batch=batch, steps=along, shape=tuple(encoded.shape[1:]))


def stretched(padding: Tensor, steps: int) -> Tensor:
    """Padding ``(B, T)`` for a series of another number of steps, of which each covers an equal share: ``(B, steps)``.

    >>> import torch
    >>> stretched(torch.tensor([[False, False, False, True]]), 2)
    tensor([[False, False]])
    """
    return F.interpolate(padding.float().unsqueeze(1), steps, mode="nearest").squeeze(1).bool()


def _time_axis(call: Call, whole: Tensor, steps: int, batch: int, item: int | None) -> int | None:
    """The axis of ``whole``, of two samples, that is shorter where they are; by its length where they cannot be."""
    if whole.ndim < 3:  # a vector, be it all steps one behind the other
        return None
    shorter = _shorter(call, steps, item)
    if shorter is not None and shorter.ndim == whole.ndim:
        return _changing(whole, shorter)
    # made for this length alone
    axes = [axis for axis, size in enumerate(whole.shape) if size == steps and axis != batch]
    return axes[0] if axes else None


def _shorter(call: Call, steps: int, item: int | None) -> Tensor | None:
    """What the module returns for half of the steps; None where it takes series of one length only."""
    try:
        return locate(call(2, max(1, steps // 2)), item)[0] if steps > 1 else None
    except Exception:  # a stranger's module may raise anything, and this is how it says no
        return None


def _changing(one: Tensor, other: Tensor) -> int | None:
    axes = [axis for axis, (a, b) in enumerate(zip(one.shape, other.shape, strict=False)) if a != b]
    return axes[0] if axes else None


def _are_lengths(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.ndim == 1 and not tensor.is_floating_point()


def _described(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(type(item).__name__ for item in value[:4]) or 'nothing'}"
    return f"an object of type {type(value).__name__}"
