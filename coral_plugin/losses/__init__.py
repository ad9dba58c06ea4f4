"""Losses as pure functions of embeddings."""

from coral_plugin.losses.contrastive import info_nce, nt_xent
from coral_plugin.losses.orthogonality import cosine_embedding, squared_cosine

__all__ = ["cosine_embedding", "info_nce", "nt_xent", "squared_cosine"]
