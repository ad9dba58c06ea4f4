"""Augmented views of multimodal batches."""

from coral_plugin.augmentations.catalogue import names_for
from coral_plugin.augmentations.pipeline import Augmentation, Views, build_views

__all__ = ["Augmentation", "Views", "build_views", "names_for"]
