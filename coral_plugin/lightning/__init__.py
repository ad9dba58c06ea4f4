"""The methods in Lightning: a module, a data module and a callback for ``pytorch_lightning.Trainer``.

The Trainer brings callbacks, loggers and strategies of its own; from one seed it trains to the weights of ``coral
train`` (docs/lightning.md).
"""

from coral_plugin.lightning.data import MultimodalDataModule
from coral_plugin.lightning.module import ObjectiveModule
from coral_plugin.lightning.probe import ProbeCallback

__all__ = ["MultimodalDataModule", "ObjectiveModule", "ProbeCallback"]
