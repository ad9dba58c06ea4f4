"""The affect transformer: the sequence encoder of MOSI, MOSEI, UR-FUNNY and MUsTARD in the papers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.attention import attend
from coral_plugin.networks.dropout import dropout, relu_dropout


class AffectTransformer(nn.Module):
    """Linear map to the width, then pre-norm transformer layers without position code (METHODS 1.6).

    Padded steps are left out of the attention and of every linear layer: sentences of MOSI are about 12 of 50 steps
    long, so most of a padded batch is padding. The released code treats padded steps as ordinary tokens.

    Args:
        modality: Sequence (T, d).
        width: Token width D.
        layers: Number of layers.
        heads: Attention heads of a layer; the greatest divisor of the width up to it is used.
        feedforward: Hidden width of a layer's feed-forward.
        dropout: Probability, in the three places where ``nn.TransformerEncoderLayer`` has it.

    Raises:
        InputError: the modality has no time steps, or the dropout is no probability below 1.
    """

    accepts_padding = True

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        layers: int = 5,
        heads: int = 5,
        feedforward: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not modality.temporal:
            raise InputError(f"affect_transformer encodes sequences; {modality.name!r} is of kind {modality.kind}.")
        if not 0 <= dropout < 1:
            raise InputError(f"affect_transformer needs a dropout in [0, 1), got {dropout}.")
        fitting = max(h for h in range(1, heads + 1) if width % h == 0)
        self.project = nn.Linear(modality.features, width, bias=False)
        self.layers = nn.ModuleList(_Layer(width, fitting, feedforward, dropout) for _ in range(layers))

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, d)`` with padding ``(B, T)`` to ``(B, T, D)``; padded steps come out as zero."""
        if padding is None:
            steps, valid = self.project(x).flatten(0, 1), None
        else:
            valid = (~padding).flatten().nonzero().squeeze(1)
            steps = self.project(x.flatten(0, 1)[valid])  # (P, D), P valid steps of the whole batch
        for layer in self.layers:
            steps = layer(steps, x.shape[:2], valid, padding)
        return _spread(steps, x.shape[:2], valid)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.linear1, self.linear2 = nn.Linear(width, feedforward), nn.Linear(feedforward, width)
        nn.init.xavier_uniform_(self.query_key_value.weight)
        nn.init.zeros_(self.query_key_value.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(self, steps: Tensor, shape: torch.Size, valid: Tensor | None, padding: Tensor | None) -> Tensor:
        """Valid steps ``(P, D)`` of a ``(B, T)`` batch to ``(P, D)``."""
        steps = steps + self._drop(self._attention(self.norm1(steps), shape, valid, padding))
        hidden = relu_dropout(self.linear1(self.norm2(steps)), self.dropout, training=self.training)
        return steps + self._drop(self.linear2(hidden))

    def _attention(self, steps: Tensor, shape: torch.Size, valid: Tensor | None, padding: Tensor | None) -> Tensor:
        query, key, value = _spread(self.query_key_value(steps), shape, valid).chunk(3, dim=-1)
        out = attend(query, key, value, self.heads, padding, self.dropout if self.training else 0.0).flatten(0, 1)
        attended: Tensor = self.attention_out(out if valid is None else out[valid])
        return attended

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, training=self.training)


def _spread(steps: Tensor, shape: torch.Size, valid: Tensor | None) -> Tensor:
    """Valid steps ``(P, D)`` back to ``(B, T, D)``, zeros elsewhere."""
    if valid is None:
        return steps.view(*shape, -1)
    return steps.new_zeros(shape.numel(), steps.shape[-1]).index_copy(0, valid, steps).view(*shape, -1)
