"""Stored values: a modality that does not fit into memory, of which a batch is read when it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin.io.mapped import PIECE

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class StoredValues:
    """Values of one modality that stay where they are, in the place of a tensor ``(M, ...)``.

    Attributes:
        read: Picklable function from row numbers (B,) to the values (B, ...) as a column holds them, on the CPU; series
            of varying length may be cut to the longest of the rows.
        shape: Shape of all values.
        dtype: Type of the values.
        digest: Text that stands for the bytes in the fingerprint of the data; empty where the bytes are read for it.
        device: Device of the values that are read.
    """

    read: Callable[[np.ndarray], Tensor]
    shape: torch.Size
    dtype: torch.dtype
    digest: str = ""
    device: torch.device = _CPU

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.read(rows.cpu().numpy()).to(self.device)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values, were they held."""
        return self.shape.numel() * self.dtype.itemsize

    def to(self, device: torch.device | str) -> StoredValues:
        """The same values, read onto ``device``."""
        return replace(self, device=torch.device(device))

    def chunk(self, most: int) -> int:
        """Number of rows that are read together, at most ``most``, so that they take little memory."""
        return max(1, min(most, PIECE * len(self) // max(1, self.nbytes)))

    def pieces(self) -> Iterator[Tensor]:
        """All values in order, in pieces."""
        for rows in torch.arange(len(self)).split(self.chunk(len(self))):
            yield self[rows]
