"""Augmented views of multimodal batches."""

from coral_plugin.augmentations.catalogue import names_for
from coral_plugin.augmentations.pipeline import Augmentation, Augmenter, build_augmenter

__all__ = ["Augmentation", "Augmenter", "build_augmenter", "names_for"]
