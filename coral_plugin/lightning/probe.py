"""A callback that probes the representation while it is trained."""

from __future__ import annotations

from dataclasses import replace

from pytorch_lightning import Callback, LightningModule, Trainer

from coral_plugin.data import MultimodalData
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import ALL
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.evaluation.scoring import embed_data, score_parts
from coral_plugin.lightning.module import ObjectiveModule
from coral_plugin.training.processes import first_from


class ProbeCallback(Callback):
    """Probes the representation after every few epochs and logs ``probe/<task>/<metric>``.

    The probe is fitted on train, its penalty chosen on a part of it, and scored on valid; test is never looked at, so
    the scores may steer the training (``ModelCheckpoint(monitor="probe/...")``).

    Args:
        every_n_epochs: Number of epochs between two probes.
        probe: Settings of the probe; those of the module by default.

    Raises:
        InputError: fewer than one epoch; or, when the training begins, data without labels or without a valid split.
    """

    def __init__(self, every_n_epochs: int = 5, probe: ProbeSettings | None = None) -> None:
        if every_n_epochs < 1:
            raise InputError(f"every_n_epochs must be at least 1, got {every_n_epochs}.")
        self.every_n_epochs, self.probe = every_n_epochs, probe

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot be probed, before the training."""
        if stage == "fit":
            _probed(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Probe and log, where it is due."""
        if (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        module, data = _probed(trainer, pl_module)
        probe = self.probe or module.settings.probe
        features = embed_data(module.objective, data)
        # fitted by one process, logged by all: any of them may watch a score
        scores = first_from(lambda: score_parts(features, data, probe, parts=[ALL])[ALL])
        pl_module.log_dict(
            {
                f"probe/{task}/{metric}": float(value)
                for task, score in scores.items()
                for metric, value in {score["metric"]: score["value"], **score["also"]}.items()
            },
            sync_dist=True,
        )


def _probed(trainer: Trainer, module: LightningModule) -> tuple[ObjectiveModule, MultimodalData]:
    """The module, and the data with valid in the place of test."""
    data = getattr(getattr(trainer, "datamodule", None), "data", None)
    if not isinstance(module, ObjectiveModule) or not isinstance(data, MultimodalData):
        raise InputError("ProbeCallback probes an ObjectiveModule on a MultimodalDataModule; leave it out elsewhere.")
    if not data.tasks or data.valid is None:
        raise InputError(f"ProbeCallback needs labels and a valid split, and {data.name} lacks one; leave it out.")
    return module, replace(data, valid=None, test=data.valid)
