"""``python train_in_two.py OBJECTIVE FILE``: two epochs in two processes on the CPU, and the weights to ``FILE``."""

import sys
import warnings

import numpy as np
from pytorch_lightning import Trainer
from safetensors.torch import save_file

from coral_plugin.lightning import MultimodalDataModule, ObjectiveModule, ProbeCallback

SETTINGS = {
    "network__width": 8,
    "network__heads": 2,
    "network__head_hidden": 8,
    "network__head_output": 8,
    "training__batch_size": 16,
}


def arrays():
    """46 samples of train make three batches: of 16, 16 and 14; one modality is absent in some samples."""
    generator, arrays = np.random.default_rng(0), {}
    for split, samples in (("train", 46), ("valid", 20), ("test", 20)):
        labels = np.arange(samples) % 3
        arrays[f"{split}/table"] = labels[:, None] + generator.normal(size=(samples, 4))
        arrays[f"{split}/wave"] = labels[:, None, None] + generator.normal(size=(samples, 5, 3))
        arrays[f"{split}/wave/present"] = np.arange(samples) % 5 > 0
        arrays[f"{split}/labels"] = labels
    return arrays


if __name__ == "__main__":
    objective, path = sys.argv[1:]
    warnings.simplefilter("ignore")
    data = MultimodalDataModule(arrays())
    module = ObjectiveModule(data, objective, **SETTINGS)
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=2,
        strategy="ddp_find_unused_parameters_true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        callbacks=[ProbeCallback(1)],
    )
    trainer.fit(module, data)
    if trainer.is_global_zero:
        scores = {key: value for key, value in trainer.callback_metrics.items() if key.startswith(("loss", "probe"))}
        save_file({**module.objective.state_dict(), **scores}, path)
