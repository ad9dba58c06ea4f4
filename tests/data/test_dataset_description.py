"""One line says how a modality was read."""

import numpy as np
import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, from_arrays
from coral_plugin.data.dataset import describe_modalities, describe_modality
from coral_plugin.runs.fit import fit


def arrays():
    generator = np.random.default_rng(0)
    door = generator.normal(size=(40, 10, 3))
    door[:, 7:] = 0
    table = generator.normal(size=(40, 12))
    table[:, [2, 11]] = 4
    return {
        "train/door": door,
        "train/wrist": generator.normal(size=(40, 1, 6)),
        "train/eye": generator.integers(0, 256, (40, 3, 64, 48), dtype=np.uint8),
        "train/table": table,
        "train/table/present": np.arange(40) >= 5,
        "train/clock": generator.uniform(0, 10, (40, 1)) + 1.7e9,
    }


LINES = [
    "door: series, up to 10 steps x 3 features, 30 % padded (kind sequence), float32",
    "wrist: series, 1 step x 6 features (kind timeseries), float32",
    "eye: image, 3 channels, 64 x 48, uint8",
    "table: table, 12 features, float32, missing in 12 % of train, constant in train: features 2, 11",
    "clock: table, 1 feature, float32, centred before it became 32-bit floats: feature 0",
]


def test_every_kind():
    assert describe_modalities(from_arrays(arrays())) == LINES


def test_absent_and_padded_shares_are_those_of_trains_samples():
    column = ModalityColumn(
        torch.zeros(4, 8, 2), lengths=torch.tensor([8, 4, 1, 1]), rows=torch.tensor([0, 1, 1, 3]),
        present=torch.tensor([True, True, True, False]),
    )  # fmt: skip
    modality = Modality(name="a", kind="sequence", shape=(8, 2))
    told = "series, up to 8 steps x 2 features, 33 % padded (kind sequence), float32, missing in 25 % of train"
    assert describe_modality(modality, column) == told


def test_constant_features():
    column = ModalityColumn(torch.zeros(4, 30))
    some = Modality(name="a", kind="tabular", shape=(30,), constant=tuple(range(14)))
    assert describe_modality(some, column).endswith(
        "constant in train: features 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 more"
    )
    every = Modality(name="a", kind="tabular", shape=(30,), constant=tuple(range(30)))
    assert describe_modality(every, column) == "table, 30 features, float32, every feature is constant in train"


@pytest.mark.parametrize("quiet", [False, True])
def test_a_run_says_it_first(capsys, quiet):
    data = {key: value for key, value in arrays().items() if key.partition("/")[2] in ("door", "wrist")}
    fit(data, seeds=(1,), epochs=1, quiet=quiet, network__width=8, network__heads=2)
    notes = capsys.readouterr().err.splitlines()
    assert notes[:2] == ([] if quiet else [f"arrays: {line}" for line in LINES[:2]])
