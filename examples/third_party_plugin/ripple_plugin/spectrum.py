"""An encoder: the strengths of the frequencies of a series."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError


class Spectrum(nn.Module):
    """Absolute Fourier coefficients of each channel, and a linear map: ``(B, T, d)`` to one vector ``(B, width)``.

    Args:
        modality: Series of one length (T, d).
        width: Token width, the size of the vector.
        keep: Number of lowest frequencies that are kept; 0 keeps all.

    Raises:
        InputError: the modality has no time steps.
    """

    def __init__(self, modality: Modality, width: int, *, keep: int = 0) -> None:
        super().__init__()
        if modality.kind != "timeseries":
            raise InputError(f"spectrum encodes series of one length; {modality.name!r} is of kind {modality.kind}.")
        frequencies = modality.shape[0] // 2 + 1
        self.keep = min(keep or frequencies, frequencies)
        self.project = nn.Linear(self.keep * modality.features, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, d)`` to ``(B, width)``."""
        strengths = torch.fft.rfft(x, dim=1).abs()[:, : self.keep]  # (B, keep, d)
        vector: Tensor = self.project(strengths.flatten(1).log1p())
        return vector
