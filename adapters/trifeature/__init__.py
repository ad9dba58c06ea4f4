"""Trifeature, generated: pairs of images whose shape is shared, whose textures are unique, whose map is synergy."""

from .dataset import TrifeatureSettings, load

__all__ = ["TrifeatureSettings", "load"]
