"""The affect transformer: the sequence encoder of MOSI, MOSEI, UR-FUNNY and MUsTARD in the papers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.attention import MOST_WEIGHTS, attend
from coral_plugin.networks.dropout import dropout
from coral_plugin.networks.feedforward import feed_forward, pieces_of
from coral_plugin.networks.packing import Packing
from coral_plugin.networks.precision import untouched
from coral_plugin.networks.rows import exporting
from coral_plugin.networks.tokenizers import step_position


class AffectTransformer(nn.Module):
    """Linear map to the width, then pre-norm transformer layers.

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
        fused: Whether a CPU keeps a feed-forward's hidden layer and the attention weights of long series in its cache
            and attends within groups of samples of similar length; otherwise one operation follows the other over the
            whole batch. The results are the same, the numbers that dropout draws are not.
        alongside: Whether it may run beside other encoders, each on a thread of its own (networks/alongside.py); with
            ``fused`` only.

    Raises:
        InputError: the modality has no time steps, or the dropout is no probability below 1.
    """

    accepts_padding = True
    # torch.compile would compile again for nearly every batch: lengths decide on the number of groups and their sizes
    compiles = False
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
        fused: bool = True,
        alongside: bool = True,
    ) -> None:
        super().__init__()
        self.fused, self.alongside = fused, alongside
        if not modality.temporal:
            raise InputError(f"affect_transformer encodes sequences; {modality.name!r} is of kind {modality.kind}.")
        if not 0 <= dropout < 1:
            raise InputError(f"affect_transformer needs a dropout in [0, 1), got {dropout}.")
        self.dropout, self.heads = dropout, max(h for h in range(1, heads + 1) if width % h == 0)
        self.project = nn.Linear(modality.features, width, bias=False)
        self.layers = nn.ModuleList(_Layer(width, self.heads, feedforward, dropout, fused=fused) for _ in range(layers))
        # among the weights, so that those of a network without position code are not loaded into one with it
        self.register_buffer("position_scale", torch.ones(()) if positions else None)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, T, d)`` with padding ``(B, T)`` to ``(B, T, D)``; padded steps come out as zero."""
        packing = None if padding is None or exporting() else Packing(padding, in_groups=self.fused)
        steps = self.project(x if packing is None else packing.pack(x))  # (B, T, D), or (P, D) of P valid steps
        if self.position_scale is not None:
            code = step_position(x.shape[1], steps.shape[-1], x.device).to(steps.dtype) * self.position_scale
            steps = steps + (code if packing is None else code[packing.valid % x.shape[1]])
        for layer in self.layers:
            steps = layer(steps, packing, padding)
        if packing is not None:
            return packing.unpack(steps)
        tokens: Tensor = steps
        return tokens if padding is None else tokens.masked_fill(padding.unsqueeze(-1), 0.0)

    def draws(self, x: Tensor, padding: Tensor | None) -> list[tuple[torch.Size, float]] | None:
        """Shapes and probabilities of what dropout draws in a forward pass; None where it may not run beside others."""
        maps = ("query_key_value", "attention_out", "linear1", "linear2")
        if not all(untouched(getattr(layer, name), nn.Linear) for layer in self.layers for name in maps):
            return None  # what has taken a layer's place may draw too
        if not (self.fused and self.alongside):
            return None
        if not self.training or self.dropout == 0:
            return []
        packing = None if padding is None else Packing(padding)
        squares = [x.shape[:2]] if packing is None else [group.padding.shape for group in packing.groups]
        weights = [torch.Size((rows, self.heads, length, length)) for rows, length in squares]
        if any(shape.numel() > MOST_WEIGHTS for shape in weights):  # some of them would be drawn again
            return None
        width = self.project.out_features
        steps = torch.Size((*x.shape[:2], width) if packing is None else (len(packing.valid), width))
        shapes = []
        for layer in self.layers:
            hidden = pieces_of(steps[:-1].numel(), layer.linear1)  # type: ignore[arg-type]
            shapes += [*weights, steps, *hidden, steps]
        return [(shape, self.dropout) for shape in shapes]


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, *, fused: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.fused = heads, dropout, fused
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.linear1, self.linear2 = nn.Linear(width, feedforward), nn.Linear(feedforward, width)
        nn.init.xavier_uniform_(self.query_key_value.weight)
        nn.init.zeros_(self.query_key_value.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(self, steps: Tensor, packing: Packing | None, padding: Tensor | None) -> Tensor:
        """Steps ``(B, T, D)``, or the valid ones of ``packing``, ``(P, D)``, to the same shape."""
        steps = steps + self._drop(self._attention(self.norm1(steps), packing, padding))
        flat = self.norm2(steps).view(-1, steps.shape[-1])
        p = self.dropout if self.training else 0.0
        fed = feed_forward(flat, self.linear1, self.linear2, p, fused=self.fused)
        return steps + self._drop(fed.view(steps.shape))

    def _attention(self, steps: Tensor, packing: Packing | None, padding: Tensor | None) -> Tensor:
        projected = self.query_key_value(steps)
        if packing is None:
            out = self._attend(projected, padding)
        else:
            parts = projected.split([group.steps for group in packing.groups])
            pairs = zip(packing.groups, parts, strict=True)
            out = torch.cat([group.pack(self._attend(group.unpack(part), group.padding)) for group, part in pairs])
        attended: Tensor = self.attention_out(out)
        return attended

    def _attend(self, projected: Tensor, padding: Tensor | None) -> Tensor:
        query, key, value = projected.chunk(3, dim=-1)
        p = self.dropout if self.training else 0.0
        return attend(query, key, value, self.heads, padding, p, cached=self.fused)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, training=self.training)
