"""A file to train on, a run to evaluate, and a way to call the command line."""

import numpy as np
import pytest

from coral_plugin.cli.main import main

FLAGS = [
    "--network.width=16", "--network.heads=2", "--network.head_hidden=16", "--network.head_output=8",
    "--batch-size", "32", "--device", "cpu", "--epochs", "1", "--quiet",
]  # fmt: skip


@pytest.fixture
def flags():
    return list(FLAGS)


@pytest.fixture
def coral(capsys):
    """Call ``coral ...`` in this process: ``(status, stdout, stderr)``."""

    def call(*arguments):
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture(scope="session")
def npz(tmp_path_factory):
    """An ``.npz`` in the arrays layout: a table and a series that tell three classes apart."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("valid", 30), ("test", 30)):
        labels = np.arange(n) % 3
        arrays[f"{split}/table"] = (labels[:, None] + 0.3 * rng.standard_normal((n, 4))).astype(np.float32)
        waves = np.sin(np.arange(12)[None, :, None] * (1 + labels[:, None, None]))
        arrays[f"{split}/wave"] = (waves + 0.2 * rng.standard_normal((n, 12, 2))).astype(np.float32)
        arrays[f"{split}/labels"] = labels
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def run_folder(npz, tmp_path_factory):
    """A finished run on ``npz``."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--dataset", "arrays", "--data", str(npz), "--output", str(folder), *FLAGS]) == 0
    return folder
