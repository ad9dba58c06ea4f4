"""The callback probes every few epochs on train and valid, and changes no weight."""

import csv

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.evaluation.probe import ProbeSettings, probe
from coral_plugin.lightning import MultimodalDataModule, ObjectiveModule, ProbeCallback

from .weights import largest_difference

KIND = ProbeSettings(kind="ridge")


def test_it_is_fitted_on_train_and_scored_on_valid_and_changes_nothing(data, trainer, tiny):
    plain, probed = (ObjectiveModule(data, **tiny) for _ in range(2))
    trainer().fit(plain, data)
    made = trainer(callbacks=[ProbeCallback(2, KIND)])
    made.fit(probed, data)
    assert largest_difference(plain, probed) == 0
    splits = [getattr(data.data, name) for name in ("train", "valid")]
    train, valid = (
        (concatenate(embed_split(probed.objective, split)), split.targets["label"].numpy()) for split in splits
    )
    score = probe(train, None, valid, data.data.tasks[0], KIND)
    assert made.callback_metrics["probe/label/balanced_accuracy"].item() == pytest.approx(score.value, rel=1e-6)
    assert "probe/label/macro_f1" in made.callback_metrics


def test_test_is_never_looked_at(trainer, tiny, arrays):
    spoiled = dict(arrays)
    spoiled["test/labels"] = 1 - spoiled["test/labels"]
    spoiled["test/table"] = np.zeros_like(spoiled["test/table"])
    scores = []
    for content in (arrays, spoiled, {k: v for k, v in arrays.items() if not k.startswith("test/")}):
        data = MultimodalDataModule(content)
        made = trainer(callbacks=[ProbeCallback(1, KIND)], max_epochs=1)
        made.fit(ObjectiveModule(data, **tiny), data)
        scores.append(made.callback_metrics["probe/label/balanced_accuracy"])
    assert torch.equal(scores[0], scores[1])
    assert torch.equal(scores[0], scores[2])


def test_it_comes_every_n_epochs_and_a_checkpoint_can_follow_it(data, trainer, tmp_path, tiny):
    best = ModelCheckpoint(tmp_path / "best", monitor="probe/label/balanced_accuracy", mode="max", every_n_epochs=2)
    logger = CSVLogger(tmp_path, name="log", version="")
    callbacks = [ProbeCallback(2), best]
    made = trainer(max_epochs=5, callbacks=callbacks, logger=logger, enable_checkpointing=True, log_every_n_steps=1)
    made.fit(ObjectiveModule(data, probe__kind="ridge", **tiny), data)
    rows = list(csv.DictReader((tmp_path / "log" / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows if row.get("probe/label/balanced_accuracy")] == ["1", "3"]
    assert [row["epoch"] for row in rows if row.get("loss/total")] == ["0", "1", "2", "3", "4"]
    assert best.best_model_path


def test_what_cannot_be_probed_is_refused_before_the_training(trainer, tiny, arrays):
    data = MultimodalDataModule({name: values for name, values in arrays.items() if "labels" not in name})
    with pytest.raises(InputError, match="needs labels and a valid split, and arrays lacks one"):
        trainer(callbacks=[ProbeCallback()]).fit(ObjectiveModule(data, **tiny), data)
    with pytest.raises(InputError, match="every_n_epochs must be at least 1, got 0"):
        ProbeCallback(0)
