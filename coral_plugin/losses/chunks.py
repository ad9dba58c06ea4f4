"""Sums over the rows of a matrix of all pairs, a chunk of rows at a time, with their exact gradient.

A contrastive loss compares every row of a batch with every other one: 8,192 samples in two views make a matrix of
1 GiB, which autograd keeps for the backward pass, once for each term. Each row of the matrix contributes to the loss by
itself, so a few rows at a time are enough: their part of the gradient is computed at once and added up, and the matrix
is dropped. Nothing is computed twice, and memory grows with the batch, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from coral_plugin.derivatives import refuse_second_derivative, transformed
from coral_plugin.machine import batch_share

# entries of a chunk, and of the largest matrix that is computed at once: on a CPU 8 MiB in float32, the fastest size
# for embeddings of 256 numbers; a GPU is kept busy by more
_ENTRIES = {"cpu": 2**21, "cuda": 2**24}

_chunked = True


@contextmanager
def chunked(wanted: bool) -> Iterator[None]:
    """Inside, large matrices are computed in chunks; or, where that is not wanted, every matrix at once.

    Example:
        >>> with chunked(False):
        ...     loss = sum_over_rows(lambda start, part, z: (part @ z.T).sum(), [torch.eye(2)], [torch.eye(2)], width=2)
        >>> loss.item()
        2.0
    """
    global _chunked
    before, _chunked = _chunked, wanted
    try:
        yield
    finally:
        _chunked = before


def full_precision(values: Tensor) -> torch.autocast:
    """Inside, autocast is off on the device of ``values``; it is never on for ``meta``, which torch refuses to name."""
    return torch.autocast("cpu" if values.is_meta else values.device.type, enabled=False)


def sum_over_rows(
    term: Callable[..., Tensor], rows: Sequence[Tensor], whole: Sequence[Tensor | float], width: int
) -> Tensor:
    """The sum of ``term`` over the rows of a matrix that would hold ``len(rows[0]) * width`` entries.

    Up to 2^21 entries (2^24 on a GPU) it is one call of ``term``. A larger matrix is computed in chunks of rows: the
    same sum up to rounding, and a gradient that cannot be differentiated again. Autocast is off inside: it would round
    products that are then divided by a temperature.

    Args:
        term: Function of the number of the first row, of the chunk of each tensor of ``rows`` and of each tensor of
            ``whole``; the sum of what the rows of the chunk contribute, a scalar.
        rows: Tensors ``(N, ...)`` that are cut along their first axis.
        whole: Tensors and numbers that every row needs whole; those that may be learnt stand here, since a chunk has a
            gradient for what it is given only.
        width: Entries of the matrix in one row.

    Example:
        >>> z = torch.randn(3000, 4)
        >>> total = sum_over_rows(lambda start, part, z: (part @ z.T).sum(), [z], [z], width=3000)
        >>> torch.allclose(total, z.sum(0).square().sum(), rtol=1e-3)
        True

    Raises:
        InputError: in the backward pass of a matrix in chunks, where a second derivative is asked for.
    """
    # a part of a batch that stands for the whole one is treated as that would be (training/memory.py)
    entries = _ENTRIES.get(rows[0].device.type, _ENTRIES["cpu"]) * batch_share() ** 2
    with full_precision(rows[0]):
        if len(rows[0]) * width <= entries or not _chunked or transformed():
            return term(0, *rows, *whole)
        inputs = (*rows, *whole)
        wanted = [torch.is_grad_enabled() and isinstance(x, Tensor) and x.requires_grad for x in inputs]
        total: Tensor = _summed(term, max(1, int(entries / width)), len(rows), wanted, *inputs)
    return total


# like torch.compiler.disable, which would import the compiler already here and not where the function is called
@getattr(torch, "_disable_dynamo", torch.compiler.disable)
def _summed(*arguments: Any) -> Tensor:
    total: Tensor = _Chunks.apply(*arguments)
    return total


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, term: Callable[..., Tensor], size: int, cut: int, wanted: list[bool], *inputs: Any) -> Tensor:
        """The sum, and its gradients by those of the ``inputs`` that want one; the first ``cut`` of them are cut."""
        gradients = [torch.zeros_like(value) if want else None for value, want in zip(inputs, wanted, strict=True)]
        sums = []
        for start in range(0, len(inputs[0]), size):
            rows = slice(start, start + size)
            parts = [value[rows] if number < cut else value for number, value in enumerate(inputs)]
            with torch.set_grad_enabled(any(wanted)), torch.autograd.graph.saved_tensors_hooks(_itself, _itself):
                leaves = [
                    part.detach().requires_grad_(want) if isinstance(part, Tensor) else part
                    for part, want in zip(parts, wanted, strict=True)
                ]
                total = term(start, *leaves)
            sums.append(total.detach())
            if not any(wanted):
                continue
            of_parts = iter(torch.autograd.grad(total, [x for x, want in zip(leaves, wanted, strict=True) if want]))
            for number, gradient in enumerate(gradients):
                if gradient is not None:
                    (gradient[rows] if number < cut else gradient).add_(next(of_parts))
        ctx.wanted = wanted
        ctx.save_for_backward(*(gradient for gradient in gradients if gradient is not None))
        return torch.stack(sums).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative(
            "The loss of a batch this large, which is computed in chunks,",
            "take a smaller batch, or compute it inside of coral_plugin.losses.chunked(False)",
        )
        saved = iter(ctx.saved_tensors)
        return (None, None, None, None, *(next(saved) * grads[0] if want else None for want in ctx.wanted))


def _itself(tensor: Tensor) -> Tensor:
    """What a chunk keeps for its gradient is no concern of whoever counts what a step keeps."""
    return tensor
