"""What networks need, before any of it is taken."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from coral_plugin.errors import InputError, one_line
from coral_plugin.io.files import read_bytes
from coral_plugin.machine import memory

# weights, gradients and two moments of AdamW, in 32 bits
_COPIES = 4
_MOST_HEADER = 100_000_000  # bytes; what the safetensors format admits


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of the weights of what ``build`` makes, without memory for them.

    None for networks that calculate with their weights while they are built, which cannot be told so.

    Raises:
        InputError: sizes that no tensor can have.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            state = build().state_dict()
    except (RuntimeError, InputError) as error:
        if "overflow" in str(error).lower():
            why = one_line(error)
            raise InputError(f"The networks are larger than any memory: {why}.") from error
        if "meta" in str(error):
            return None
        raise
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def refuse_too_large(build: Callable[[], nn.Module]) -> None:
    """Refuse networks whose training does not fit into the memory of this machine.

    Raises:
        InputError: they do not.
    """
    need = 4 * _COPIES * sum(math.prod(shape) for shape in (shapes_of(build) or {}).values())
    available = memory()
    if available is not None and need > available:
        raise InputError(
            f"To train these networks takes {need / 2**30:.1f} GiB or more for weights, gradients and moments; this "
            f"machine has {available / 2**30:.1f}. Choose a smaller width, head or encoder."
        )


def saved_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the head of a safetensors file; nothing else of it is read.

    Raises:
        InputError: it cannot be read.
        ValueError: it is no such file.
    """
    size = int.from_bytes(read_bytes(path, 8), "little")
    if not 2 <= size <= min(_MOST_HEADER, path.stat().st_size - 8):
        raise ValueError("it is cut off, or no safetensors file")
    header = json.loads(read_bytes(path, 8 + size)[8:])
    if not isinstance(header, dict):
        raise ValueError("its head is no table of tensors")  # noqa: TRY004 - of a file, not of a call
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
