"""Augmented views of multimodal batches."""

from coral_plugin.views.catalogue import names_for
from coral_plugin.views.pipeline import Augmentation, Views, build_views

__all__ = ["Augmentation", "Views", "build_views", "names_for"]
