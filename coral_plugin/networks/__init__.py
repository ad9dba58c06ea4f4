"""Encoders, tokenizers, fusion, pathways and heads."""

from coral_plugin.networks.factory import EncoderBuilders, NetworkSettings
from coral_plugin.networks.heads import project_present, projection_head
from coral_plugin.networks.pathways import SharedPathway, module_key, token_encoders, tokenise
from coral_plugin.networks.pooled import PooledEncoders
from coral_plugin.networks.unique import UniquePathway

__all__ = [
    "EncoderBuilders",
    "NetworkSettings",
    "PooledEncoders",
    "SharedPathway",
    "UniquePathway",
    "module_key",
    "project_present",
    "projection_head",
    "token_encoders",
    "tokenise",
]
