"""Losses as pure functions of embeddings."""

from coral_plugin.losses.chunks import chunked
from coral_plugin.losses.clip import clip_loss
from coral_plugin.losses.contrastive import info_nce, nt_xent, unit_rows
from coral_plugin.losses.orthogonality import cosine_embedding, squared_cosine

__all__ = [
    "chunked",
    "clip_loss",
    "cosine_embedding",
    "info_nce",
    "nt_xent",
    "squared_cosine",
    "unit_rows",
]
