"""A table and series of varying length, networks that train in a second, a Trainer, and the engine to compare with."""

import pytest
from pytorch_lightning import Trainer

import coral_plugin
from coral_plugin.lightning import MultimodalDataModule

# 24 samples of train make three batches: of 10, 10 and 4
TINY = {
    "network__width": 8,
    "network__heads": 2,
    "network__head_hidden": 8,
    "network__head_output": 8,
    "training__batch_size": 10,
}


@pytest.fixture
def tiny():
    return dict(TINY)


@pytest.fixture
def arrays(tiny_arrays):
    return {key: value for key, value in tiny_arrays.items() if "image" not in key}


@pytest.fixture
def data(arrays):
    return MultimodalDataModule(arrays)


@pytest.fixture
def trainer(tmp_path):
    """``trainer(...)`` makes a Trainer on the CPU that writes into ``tmp_path`` and shows nothing."""

    def make(**options):
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        usual = {"max_epochs": 2, "accelerator": "cpu", "enable_model_summary": False, "log_every_n_steps": 1}
        return Trainer(**{**quiet, **usual, "default_root_dir": tmp_path, **options})

    return make


@pytest.fixture
def engine(arrays):
    """``engine(...)`` trains the same with ``coral_plugin.fit``."""

    def fit(objective="coral", epochs=2, **chosen):
        settings = {**TINY, "training__device": "cpu", **chosen}
        return coral_plugin.fit(arrays, objective, epochs=epochs, quiet=True, **settings)

    return fit
