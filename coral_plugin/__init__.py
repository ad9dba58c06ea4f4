"""COrAL for MultiBench and for your own data: contrastive multimodal learning with shared and unique pathways.

``fit`` trains on a dict of arrays, ``CoralEncoder`` does so in scikit-learn's manner; everything else is imported from
the rooms of the package. Importing this module loads neither torch, Lightning nor scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coral_plugin.estimator import CoralEncoder
    from coral_plugin.runs.fit import Fitted, fit

__all__ = ["CoralEncoder", "Fitted", "fit"]


def __getattr__(name: str) -> Any:
    if name == "CoralEncoder":
        from coral_plugin.estimator import CoralEncoder

        return CoralEncoder
    if name in __all__:
        from coral_plugin.runs import fit as api

        return getattr(api, name)
    raise AttributeError(f"module 'coral_plugin' has no attribute {name!r}")
