"""Encoders, tokenizers, fusion, pathways and heads."""

from coral_plugin.networks.factory import EncoderLike, NetworkSettings, default_width, resolve_encoders
from coral_plugin.networks.heads import projection_head
from coral_plugin.networks.pathways import SharedPathway, TokenEncoder
from coral_plugin.networks.unique import UniqueDesign, UniquePathway

__all__ = [
    "EncoderLike",
    "NetworkSettings",
    "SharedPathway",
    "TokenEncoder",
    "UniqueDesign",
    "UniquePathway",
    "default_width",
    "projection_head",
    "resolve_encoders",
]
