"""Lightning's Trainer on made-up data: training, a probe every second epoch, and the best checkpoint.

python examples/lightning_training.py
"""

import tempfile

import numpy as np
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from coral_plugin.lightning import MultimodalDataModule, ObjectiveModule, ProbeCallback

generator = np.random.default_rng(0)
arrays = {}
for split, samples in (("train", 240), ("valid", 120), ("test", 120)):
    labels = np.arange(samples) % 3
    arrays[f"{split}/text"] = labels[:, None, None] + generator.normal(size=(samples, 12, 8))
    arrays[f"{split}/audio"] = labels[:, None] + generator.normal(size=(samples, 5))
    arrays[f"{split}/labels"] = labels

data = MultimodalDataModule(arrays)
module = ObjectiveModule(data, "coral", seed=41, network__width=16, training__learning_rate=1e-3)
with tempfile.TemporaryDirectory() as folder:
    best = ModelCheckpoint(folder, monitor="probe/label/balanced_accuracy", mode="max", every_n_epochs=2)
    trainer = Trainer(
        max_epochs=6, accelerator="cpu", logger=False, enable_progress_bar=False, callbacks=[ProbeCallback(2), best]
    )
    trainer.fit(module, data)
    module = ObjectiveModule.load_from_checkpoint(best.best_model_path, data=data)
print(f"balanced accuracy on valid: {best.best_model_score:.3f}")
print("representation of test:", module.embed(data.data.test).shape)
