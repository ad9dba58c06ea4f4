"""What is saved under a script's own file name: a model that MultiBench's ``test`` takes as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.data import MultimodalBatch
from coral_plugin.io.files import write_aside
from coral_plugin.multibench.layout import Batches
from coral_plugin.objectives import Objective


class RepresentationModel(nn.Module):
    """A trained objective's representation, and a head on it, behind the inputs of MultiBench's models.

    Called with ``[x_1, ..., x_n]``, or ``[[x_1, ...], [lengths_1, ...]]`` where the script's batches are packed. It
    uses all modalities, without augmentation or masks. A series of zeros only, or of length 0, counts as one step of
    zeros. Nothing but classes and numbers goes into its pickle, so that it can be loaded with ``weights_only`` and an
    allow-list of classes.

    Args:
        objective: Trained.
        batches: Batches of the script.
        head: Head on the representation Z ``(B, d)``, all parts side by side.
    """

    def __init__(self, objective: Objective, batches: Batches, head: nn.Module) -> None:
        super().__init__()
        self.objective = objective
        self.batches = batches
        self.head = head

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        """The head's output ``(B, ...)`` for a batch as MultiBench hands it to a model."""
        return self.predict(self.batches.to_ours(inputs))

    def represent(self, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """The named parts of the representation, each ``(B, d)``, of a batch as MultiBench hands it to a model."""
        return self.objective.embed(self.batches.to_ours(inputs))

    def predict(self, batch: MultimodalBatch) -> Tensor:
        """The head's output ``(B, ...)`` for a batch of this package."""
        output: Tensor = self.head(features(self.objective, batch))
        return output


def features(objective: Objective, batch: MultimodalBatch) -> Tensor:
    """The representation Z ``(B, d)``, all parts side by side."""
    return torch.cat([part.float() for part in objective.embed(batch).values()], dim=1)


def save_model(model: nn.Module, path: Path) -> None:
    """Save the whole of ``model`` in evaluation mode, on MultiBench's device; readers see the old file or the new one.

    Raises:
        InputError: ``path`` cannot be written.
        MachineError: no space or no rights.
    """
    model.eval().zero_grad(set_to_none=True)
    model.to("cuda:0" if torch.cuda.is_available() else "cpu")  # as MultiBench's own models are, whatever trained them
    with write_aside(path) as aside:
        torch.save(model, aside)
