"""COrAL for MultiBench and for your own data: contrastive multimodal learning with shared and unique pathways.

``fit`` trains on arrays or a data set by name, ``load`` brings back a trained ``Model``, ``CoralEncoder`` trains in
scikit-learn's manner; everything else is imported from the rooms of the package. Importing this module loads neither
torch, Lightning nor scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coral_plugin.estimator import CoralEncoder
    from coral_plugin.runs.fit import Fitted, fit
    from coral_plugin.runs.model import Model, load

    __version__: str

__all__ = ["CoralEncoder", "Fitted", "Model", "fit", "load"]

_MODULES = {
    "CoralEncoder": "estimator",
    "Fitted": "runs.fit",
    "Model": "runs.model",
    "fit": "runs.fit",
    "load": "runs.model",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("coral-multibench")
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"coral_plugin.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'coral_plugin' has no attribute {name!r}")
