"""Runs with encoders from Python: recorded by name, and read back with the encoder or not at all."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import coral_plugin
from coral_plugin.cli.main import main
from coral_plugin.errors import InputError
from coral_plugin.runs.folder import load_objective

TINY = {"network__width": 8, "network__heads": 2, "training__device": "cpu", "probe__kind": "ridge", "epochs": 1}
REFUSAL = r"trained with an encoder from Python \(tests.runs.test_python_encoders.Wide for wave\); load it from Python"


class Wide(nn.Module):
    """A layer per step."""

    def __init__(self, modality, width, *, factor=1):
        super().__init__()
        self.layer = nn.Linear(modality.features, factor * width)

    def forward(self, values):
        return self.layer(values)


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    values = {}
    for split in ("train", "test"):
        values[f"{split}/wave"] = rng.standard_normal((24, 6, 2)).astype("f4")
        values[f"{split}/body"] = rng.standard_normal((24, 3)).astype("f4")
        values[f"{split}/labels"] = np.arange(24) % 2
    return values


@pytest.fixture(scope="module")
def run(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    fitted = coral_plugin.fit(arrays, "clip", encoders={"wave": Wide}, output=folder, quiet=True, seeds=(1,), **TINY)
    np.savez(folder.parent / "arrays.npz", **arrays)
    return folder, fitted


def state(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_no_command_reads_it_or_advises_to_remove_it(run, capsys):
    folder, _ = run
    before, data = state(folder), str(folder.parent / "arrays.npz")
    config = str(folder / "config.yaml")
    embed = ["embed", str(folder), "--data", data, "--output", str(folder.parent / "out.npz")]
    resume = ["train", "--output", str(folder), "--resume", "--data", data]
    flags = "--objective clip --dataset arrays --seeds 1 --epochs 1 --network.width 8 --network.heads 2 --device cpu"
    for command in (
        embed,
        ["evaluate", str(folder), "--data", data],
        [*resume, "--config", config],
        [*resume, *flags.split(), "--probe.kind", "ridge"],
        ["train", "--config", config, "--data", data, "--output", str(folder.parent / "other")],
    ):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert "from Python (tests.runs.test_python_encoders.Wide for wave)" in error
        assert "emove" not in error
    assert state(folder) == before


def test_python_reads_it_with_the_encoder(run, arrays):
    folder, fitted = run
    with pytest.raises(InputError, match=REFUSAL):
        load_objective(folder)
    loaded = load_objective(folder, encoders={"wave": Wide}).state_dict()
    for name, value in fitted.objective.state_dict().items():
        assert torch.equal(loaded[name], value.cpu())
    again = coral_plugin.fit(
        arrays, "clip", encoders={"wave": Wide}, output=folder, quiet=True, seeds=(1,), resume=True, **TINY
    )
    assert again.metrics["tasks"] == fitted.metrics["tasks"]
    other = {"wave": lambda modality, width: nn.Linear(modality.features, width)}
    with pytest.raises(InputError, match=REFUSAL):  # of the same shape
        coral_plugin.fit(arrays, "clip", encoders=other, output=folder, quiet=True, seeds=(1,), resume=True, **TINY)


@pytest.mark.parametrize("encoder", [partial(Wide, factor=2), nn.Linear(2, 8)])
def test_one_line_says_which_encoders_start_from_their_weights(arrays, encoder, capsys):
    coral_plugin.fit(arrays, "clip", encoders={"wave": encoder}, seeds=(1,), **TINY)
    line = "encoder of wave: a module, so every pathway and seed starts from a copy of its weights"
    assert (line in capsys.readouterr().err) == isinstance(encoder, nn.Module)


def test_another_encoder_is_refused_and_nothing_is_to_be_removed(run):
    folder, _ = run
    with pytest.raises(InputError, match=r"trained with .*Wide for wave: give the same in encoders=") as caught:
        coral_plugin.load(folder, encoders={"wave": torch.nn.Flatten()})
    assert "Remove" not in str(caught.value)


def test_damaged_weights_are_no_other_encoder(run, tmp_path):
    folder, _ = run
    shutil.copytree(folder, tmp_path / "run")
    weights = tmp_path / "run" / "seed-1" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"cannot be loaded: .* Remove .* and go on with coral train --resume"):
        coral_plugin.load(tmp_path / "run", encoders={"wave": Wide})


def test_a_saved_model_is_read_with_the_encoder(run, arrays, tmp_path):
    _, fitted = run
    fitted.model.save(tmp_path / "model")
    with pytest.raises(InputError, match=REFUSAL):
        coral_plugin.load(tmp_path / "model")
    loaded = coral_plugin.load(tmp_path / "model", encoders={"wave": Wide})
    test = {name: arrays[f"test/{name}"] for name in ("wave", "body")}
    np.testing.assert_array_equal(loaded.embed(test), fitted.embed(test))
