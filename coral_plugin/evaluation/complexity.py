"""What a network costs: parameters, floating-point operations, time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import device_of, evaluating
from coral_plugin.machine import forget_peak, peak_memory
from coral_plugin.networks.alongside import one_after_the_other


def count_parameters(module: nn.Module) -> dict[str, int]:
    """``{"total", "trainable"}``; a parameter that is used in several places counts once.

    >>> count_parameters(nn.Linear(3, 2))
    {'total': 8, 'trainable': 8}
    """
    parameters = list(module.parameters())
    return {
        "total": sum(p.numel() for p in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
    }


def count_flops(function: Callable[[], Any], *, gradients: bool = False) -> int:
    """Floating-point operations of one call: matrix products, convolutions and attention, two for a multiply-add.

    Counted by PyTorch's own counter, which sees no element-wise operations.

    Args:
        function: Function to count, called once.
        gradients: Whether gradients are recorded; what ``function`` calculates backwards then counts too.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # torch's counter knows products that add to a new matrix, not those that add in place
    in_place = {torch.ops.aten.addmm_: _addmm_flops, torch.ops.aten.baddbmm_: _baddbmm_flops}
    counter = FlopCounterMode(display=False, custom_mapping=in_place)
    # of the attention kernels only this one is counted on every device; the counter sees this thread alone
    with (
        torch.set_grad_enabled(gradients),
        _no_fast_path(),
        sdpa_kernel(SDPBackend.MATH),
        one_after_the_other(),
        counter,
    ):
        function()
    return int(counter.get_total_flops())


def _addmm_flops(added: Any, first: Any, second: Any, **more: Any) -> int:
    """Operations of a product of matrices of shapes ``first`` (M, K) and ``second`` (K, N)."""
    del added, more
    return 2 * int(first[0]) * int(first[1]) * int(second[1])


def _baddbmm_flops(added: Any, first: Any, second: Any, **more: Any) -> int:
    """Operations of a product of batches of matrices of shapes ``first`` (B, M, K) and ``second`` (B, K, N)."""
    return int(first[0]) * _addmm_flops(added, first[1:], second[1:], **more)


def inference_cost(module: nn.Module, function: Callable[[], Any], samples: int, *, repeats: int = 5) -> dict[str, Any]:
    """Cost of embedding one sample, in evaluation mode and without gradients.

    Args:
        module: Network; its modes are restored afterwards.
        function: Call that embeds ``samples`` samples with it.
        samples: Number of samples that a call embeds.
        repeats: Number of timed calls, after one that warms up.

    Returns:
        ``parameters`` (``total``, ``trainable``), ``flops_per_sample``, ``seconds_per_sample`` (the median call),
        ``batch_size``, ``peak_memory_bytes`` and the owner of that memory, ``memory_of``: ``device`` for CUDA's
        allocator, ``process`` for all that is resident, which is what MultiBench reports.

    Raises:
        InputError: no samples or no repeats.
    """
    if samples < 1 or repeats < 1:
        raise InputError(f"The cost needs at least one sample and one repeat, got {samples} and {repeats}.")
    device = device_of(module)
    with evaluating(module):
        flops = count_flops(function)
        forget_peak(str(device))
        seconds = [_seconds(function, device) for _ in range(repeats + 1)][1:]
        memory = peak_memory(str(device))
    return {
        "parameters": count_parameters(module),
        "flops_per_sample": flops / samples,
        "seconds_per_sample": statistics.median(seconds) / samples,
        "batch_size": samples,
        "peak_memory_bytes": memory,
        "memory_of": "device" if device.type == "cuda" else "process",
    }


def _seconds(function: Callable[[], Any], device: torch.device) -> float:
    begin = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


@contextmanager
def _no_fast_path() -> Iterator[None]:
    # in evaluation mode an nn.TransformerEncoderLayer is one fused operation that the counter does not know
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
