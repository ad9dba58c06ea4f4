"""Multi-head attention and pre-norm blocks over padded tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coral_plugin.errors import InputError
from coral_plugin.machine import batch_share
from coral_plugin.networks.dropout import dropout
from coral_plugin.networks.long_attention import LongAttention
from coral_plugin.networks.precision import plain_on_cpu, untouched
from coral_plugin.networks.recompute import in_pieces
from coral_plugin.networks.rows import exporting

# attention weights of all samples and heads that are held at once, 16 MiB in float32; a batch of 64 of the papers'
# affect data, 50 steps and 5 heads, has a fifth of them
MOST_WEIGHTS = 2**22
# of one piece where there are more. Its matrices, 64 MiB, are more than glibc ever takes from its heap: those of 16 MiB
# leave holes there, which what is kept for the backward pass fills, and the heap grows by as much again for each layer
PIECE_WEIGHTS = 2**24


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    padding: Tensor | None,
    p: float = 0.0,
    *,
    cached: bool = True,
) -> Tensor:
    """Scaled dot-product attention of several heads.

    Memory does not grow with Q times T: torch's fused kernels hold no weights, and where they do not apply (dropout on
    the weights; on a GPU, heads whose width is no multiple of 8) many weights are computed for a few queries at a time
    and once more in the backward pass, on a CPU in its cache (:class:`LongAttention`).

    Args:
        query: ``(B, Q, D)``.
        key: ``(B, T, D)``.
        value: ``(B, T, D)``.
        heads: Number of heads, a divisor of D.
        padding: ``(B, T)``, True for keys that nobody may attend to; each sample needs one key that is not.
        p: Probability of dropping an attention weight.
        cached: Whether a CPU may keep the weights of long series in its cache; otherwise they go through torch's
            operations in larger pieces (same result, other random numbers).

    Returns:
        ``(B, Q, D)``.
    """

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, H, T, D / H)

    q, k, v = split(query), split(key), split(value)
    of_query = max(1, k.shape[:3].numel()) if not exporting() else 1  # any number of samples is exported
    most = max(1, MOST_WEIGHTS // of_query)  # queries
    fused = q.device.type == "cpu" or q.shape[-1] % 8 == 0
    if p == 0 and (fused or q.shape[2] <= most):
        mask = None if padding is None else ~padding[:, None, None, :]  # True: may be attended to
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    elif p > 0 and cached and not exporting() and q.shape[2] > batch_share() * most and plain_on_cpu(q):
        hidden = None if padding is None else padding.repeat_interleave(heads, dim=0)
        parts = (x.flatten(0, 1).contiguous() for x in (q, k, v))
        out = LongAttention.apply(*parts, hidden, p).unflatten(0, (-1, heads))
    else:
        if q.shape[2] > most:  # as matrices once, not again for each piece
            q, k, v = q.contiguous(), k.contiguous(), v.contiguous()

        def weigh(some: Tensor) -> Tensor:
            scores = some @ k.transpose(-1, -2) * some.shape[-1] ** -0.5  # (B, H, Q, T)
            if padding is not None:
                scores = scores.masked_fill(padding[:, None, None, :], float("-inf"))
            return dropout(scores.softmax(dim=-1), p, training=True) @ v

        out = in_pieces(weigh, q, max(1, PIECE_WEIGHTS // of_query), dim=2, whole=most)
    return out.transpose(1, 2).flatten(2)


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return x * torch.sigmoid(1.702 * x)


class FusionBlock(nn.Module):
    """Pre-norm transformer block of the fusion: attention, then an MLP of four times the width (specification 1.5).

    Args:
        width: Token width D.
        heads: Number of heads, a divisor of D.
        depth: Number of blocks in the stack, which scales the initial standard deviation of the residual branches.

    Raises:
        InputError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"A width of {width} cannot be split into {heads} attention heads; change network.width.")
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))
        residual = width**-0.5 * (2 * depth) ** -0.5
        for layer, std in (
            (self.query_key_value, width**-0.5),
            (self.attention_out, residual),
            (self.mlp[0], (2 * width) ** -0.5),
            (self.mlp[2], residual),
        ):
            nn.init.normal_(layer.weight, std=std)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, padding: Tensor | None = None, queries: int | None = None) -> Tensor:
        """Tokens ``(B, T, D)`` to ``(B, T, D)``, or to the first ``queries`` of them: ``(B, queries, D)``."""
        normed = self.norm_attention(tokens)
        if queries is None or not untouched(self.query_key_value, nn.Linear):
            query, key, value = self.query_key_value(normed).chunk(3, dim=-1)
            query, tokens = query[:, :queries], tokens[:, :queries]
        else:
            # only the outputs that somebody reads: a CLS token asks, all tokens answer
            width = tokens.shape[-1]
            weight, bias = self.query_key_value.weight, self.query_key_value.bias
            query = F.linear(normed[:, :queries], weight[:width], bias[:width])
            key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1)
            tokens = tokens[:, :queries]
        tokens = tokens + self.attention_out(attend(query, key, value, self.heads, padding))
        return tokens + self.mlp(self.norm_mlp(tokens))
