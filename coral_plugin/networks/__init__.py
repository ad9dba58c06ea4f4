"""Encoders, tokenizers, fusion, pathways and heads."""

from coral_plugin.networks.factory import EncoderBuilders, EncoderLike, NetworkSettings, default_width, resolve_encoders
from coral_plugin.networks.heads import project_present, projection_head
from coral_plugin.networks.pathways import (
    PooledEncoder,
    PooledEncoders,
    SharedPathway,
    TokenEncoder,
    module_key,
    scatter_rows,
    token_encoders,
    tokenise,
)
from coral_plugin.networks.unique import UniqueDesign, UniquePathway

__all__ = [
    "EncoderBuilders",
    "EncoderLike",
    "NetworkSettings",
    "PooledEncoder",
    "PooledEncoders",
    "SharedPathway",
    "TokenEncoder",
    "UniqueDesign",
    "UniquePathway",
    "default_width",
    "module_key",
    "project_present",
    "projection_head",
    "resolve_encoders",
    "scatter_rows",
    "token_encoders",
    "tokenise",
]
