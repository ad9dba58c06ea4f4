"""Values of a modality as patches that can be hidden and reconstructed, aligned with its encoder's tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.networks.tokenizers import PatchTokenizer, SequenceTokenizer, sine_cosine_position

# patches a side of an image whose encoder keeps no grid
GRID = 4


class Patches(nn.Module):
    """Patches of an image, groups of steps of a series, or entries of a table.

    Where the encoder keeps a grid, patch i lies under token i: a feature map has one patch a cell, a sequence of T'
    tokens has T' groups of ``ceil(T / T')`` steps. Where it does not (a vector, a single token, a table), an image has
    4 x 4 patches, a series is hidden step by step and a table entry by entry.

    Args:
        encoder: Encoder of the modality; called once to count its tokens.

    Attributes:
        aligned: Whether patch i lies under token i.
        count: Number P of patches of a sample.
        size: Number p of values in a patch.
        position: Fixed code of the patches' places, ``(P, D)``.
    """

    position: Tensor

    def __init__(self, encoder: TokenEncoder) -> None:
        super().__init__()
        modality = self.modality = encoder.modality
        tokens = _tokens(encoder)
        self.aligned = False
        grid = (modality.shape[0], 1)
        if modality.kind == "image":
            height, width = modality.shape[1:]
            grid = (min(GRID, height), min(GRID, width))
            if isinstance(encoder.tokenizer, PatchTokenizer) and tokens > 1:
                self.aligned, grid = True, encoder.tokenizer.grid
            self.cell = (math.ceil(height / grid[0]), math.ceil(width / grid[1]))
            self.size = modality.features * self.cell[0] * self.cell[1]
        elif modality.temporal:
            steps, self.steps = modality.shape[0], 1
            if isinstance(encoder.tokenizer, SequenceTokenizer) and tokens > 1:
                grouped = math.ceil(steps / tokens)
                self.aligned = math.ceil(steps / grouped) == tokens
                self.steps = grouped if self.aligned else 1
            grid = (math.ceil(steps / self.steps), 1)
            self.size = self.steps * modality.features
        else:
            self.size = 1
        self.grid, self.count = grid, grid[0] * grid[1]
        self.register_buffer("position", sine_cosine_position(grid, encoder.width), persistent=False)

    def cut(self, values: Tensor) -> Tensor:
        """Standardised values ``(B, ...)`` of full length to patches ``(B, P, p)``.

        An image that the grid does not divide is resampled to the next size that it does.
        """
        values = self.modality.standardise(values)
        if self.modality.kind == "image":
            size = (self.grid[0] * self.cell[0], self.grid[1] * self.cell[1])
            if size != tuple(values.shape[2:]):
                values = F.interpolate(values, size, mode="bilinear")
            # unfold: (B, C * cell, P), row by row
            return F.unfold(values, self.cell, stride=self.cell).transpose(1, 2)
        if self.modality.temporal:
            filled = F.pad(values, (0, 0, 0, self.count * self.steps - values.shape[1]))
            return filled.reshape(len(values), self.count, self.size)
        return values.unsqueeze(-1)

    def valid(self, values: Tensor, padding: Tensor | None) -> Tensor:
        """Which values of the patches are there and no padding, ``(B, P, p)`` of bool."""
        if not self.modality.temporal:
            return values.new_ones(len(values), self.count, self.size, dtype=torch.bool)
        steps = ~padding if padding is not None else values.new_ones(values.shape[:2], dtype=torch.bool)
        steps = F.pad(steps, (0, self.count * self.steps - steps.shape[1]))
        return steps.view(len(values), self.count, self.steps).repeat_interleave(self.modality.features, dim=2)

    def hide(self, values: Tensor, hidden: Tensor) -> Tensor:
        """Values ``(B, ...)`` with the patches of ``hidden`` (B, P) set to the mean of their features."""
        if self.modality.kind == "image":
            cells = hidden.view(-1, 1, *self.grid).float()
            covered = F.interpolate(cells, tuple(values.shape[2:]), mode="nearest").bool()
            shape: tuple[int, ...] = (self.modality.features, 1, 1)
        elif self.modality.temporal:
            covered = hidden.repeat_interleave(self.steps, dim=1)[:, : values.shape[1], None]
            shape = (self.modality.features,)
        else:
            covered, shape = hidden, (self.modality.features,)
        return torch.where(covered, self.modality.restore(values.new_zeros(shape)), values)


def _tokens(encoder: TokenEncoder) -> int:
    """Number of tokens that the encoder makes of one sample of full length."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    with torch.no_grad():
        tokens, _ = encoder(torch.zeros(2, *encoder.modality.shape))
    for module, mode in modes.items():
        module.training = mode
    return int(tokens.shape[1])
