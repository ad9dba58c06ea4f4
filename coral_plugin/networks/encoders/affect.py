"""The affect transformer: the sequence encoder of MOSI, MOSEI, UR-FUNNY and MUsTARD in the papers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.attention import attend
from coral_plugin.networks.dropout import dropout, relu_dropout
from coral_plugin.networks.recompute import in_pieces
from coral_plugin.networks.rows import exporting
from coral_plugin.networks.tokenizers import step_position

# hidden values of a layer's feed-forward that are held at once, 128 MiB in float32: 16,384 steps of 2048
_MOST_HIDDEN = 2**25


class AffectTransformer(nn.Module):
    """Linear map to the width, then pre-norm transformer layers (METHODS 1.6).

    As in the papers there is no position code by default: with the fusion, which has none either, the order of the
    steps then changes nothing. ``positions`` adds a fixed one after the linear map.

    Padded steps are left out of the attention and of every linear layer: sentences of MOSI are about 12 of 50 steps
    long, so most of a padded batch is padding. The released code treats padded steps as ordinary tokens.

    Args:
        modality: Sequence (T, d).
        width: Token width D.
        layers: Number of layers.
        heads: Attention heads of a layer; the greatest divisor of the width up to it is used.
        feedforward: Hidden width of a layer's feed-forward.
        dropout: Probability, in the three places where ``nn.TransformerEncoderLayer`` has it.
        positions: Whether each step has a code of its place (:func:`step_position`).

    Raises:
        InputError: the modality has no time steps, or the dropout is no probability below 1.
    """

    accepts_padding = True
    position_scale: Tensor | None

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        layers: int = 5,
        heads: int = 5,
        feedforward: int = 2048,
        dropout: float = 0.1,
        positions: bool = False,
    ) -> None:
        super().__init__()
        if not modality.temporal:
            raise InputError(f"affect_transformer encodes sequences; {modality.name!r} is of kind {modality.kind}.")
        if not 0 <= dropout < 1:
            raise InputError(f"affect_transformer needs a dropout in [0, 1), got {dropout}.")
        fitting = max(h for h in range(1, heads + 1) if width % h == 0)
        self.project = nn.Linear(modality.features, width, bias=False)
        self.layers = nn.ModuleList(_Layer(width, fitting, feedforward, dropout) for _ in range(layers))
        # among the weights, so that those of a network without position code are not loaded into one with it
        self.register_buffer("position_scale", torch.ones(()) if positions else None)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, d)`` with padding ``(B, T)`` to ``(B, T, D)``; padded steps come out as zero."""
        if padding is None or exporting():
            steps, valid = self.project(x).flatten(0, 1), None
        else:
            valid = (~padding).flatten().nonzero().squeeze(1)
            steps = self.project(x.flatten(0, 1)[valid])  # (P, D), P valid steps of the whole batch
        if self.position_scale is not None:
            code = step_position(x.shape[1], steps.shape[1], x.device).to(steps.dtype) * self.position_scale
            steps = steps + (code.repeat(x.shape[0], 1) if valid is None else code[valid % x.shape[1]])
        for layer in self.layers:
            steps = layer(steps, x.shape[:2], valid, padding)
        tokens = _spread(steps, x.shape[:2], valid)
        return tokens if padding is None or valid is not None else tokens.masked_fill(padding.unsqueeze(-1), 0.0)


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
        most = max(1, _MOST_HIDDEN // self.linear1.out_features)
        return steps + self._drop(in_pieces(self._feed, self.norm2(steps), most))

    def _feed(self, steps: Tensor) -> Tensor:
        hidden = relu_dropout(self.linear1(steps), self.dropout, training=self.training)
        fed: Tensor = self.linear2(hidden)
        return fed

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
