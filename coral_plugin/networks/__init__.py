"""Encoders, tokenizers, fusion, pathways and heads."""

from coral_plugin.networks.factory import EncoderLike, NetworkSettings, default_width, resolve_encoders
from coral_plugin.networks.heads import project_present, projection_head
from coral_plugin.networks.pathways import PooledEncoder, SharedPathway, TokenEncoder, pooled_encoders
from coral_plugin.networks.unique import UniqueDesign, UniquePathway

__all__ = [
    "EncoderLike",
    "NetworkSettings",
    "PooledEncoder",
    "SharedPathway",
    "TokenEncoder",
    "UniqueDesign",
    "UniquePathway",
    "default_width",
    "pooled_encoders",
    "project_present",
    "projection_head",
    "resolve_encoders",
]
