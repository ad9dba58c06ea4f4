"""Augmented views of multimodal batches."""

from coral_plugin.augmentations.base import NOT_NEGATIVE, POSITIVE, SHARE, Augmentation, augmentation
from coral_plugin.augmentations.pipeline import build_augmenter

__all__ = ["NOT_NEGATIVE", "POSITIVE", "SHARE", "Augmentation", "augmentation", "build_augmenter"]
