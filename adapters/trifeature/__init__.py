"""Trifeature, generated: pairs of images whose shape is shared, whose textures are unique, whose map is synergy."""

from .dataset import Trifeature, TrifeatureSettings

__all__ = ["Trifeature", "TrifeatureSettings"]
