"""``.safetensors`` files: names and shapes before memory is taken for them, and whole files written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from coral_plugin.io.files import read_bytes, write_aside

_LONGEST_HEADER = 100_000_000  # bytes, as the format admits


def saved_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the header of a file; nothing else of it is read.

    Raises:
        InputError: it cannot be read.
        ValueError: it is no such file.
    """
    size = int.from_bytes(read_bytes(path, 8), "little")
    if not 2 <= size <= min(_LONGEST_HEADER, path.stat().st_size - 8):
        raise ValueError("it is cut off, or no safetensors file")
    header = json.loads(read_bytes(path, 8 + size)[8:])
    if not isinstance(header, dict):
        raise ValueError("its header is no table of tensors")  # noqa: TRY004 - of a file, not of a call
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors of any device, aside and renamed."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with write_aside(path) as aside:
        aside.write_bytes(save(plain))  # save_file would leave it for its owner's eyes only
