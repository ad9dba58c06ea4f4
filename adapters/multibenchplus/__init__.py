"""The data sets of MultiBench++, from the files that its loaders read."""

from .content import MultibenchPlusSettings
from .dataset import MultibenchPlus

__all__ = ["MultibenchPlus", "MultibenchPlusSettings"]
