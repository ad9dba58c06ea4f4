"""The guide to trained models: its code runs as it stands there, one block after the other."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "model.md").read_text()
LOAD, EMBED, NETWORK, SAVE, ONNX, EXPORT = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """What the first blocks leave behind, and the folder in which they ran."""
    folder = tmp_path_factory.mktemp("guide")
    names: dict = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in (LOAD, EMBED):
            exec(block, names)
    return names


def test_it_loads_and_embeds(session):
    assert repr(session["model"]) == re.search(r"print\(model\)  # (.*)", LOAD)[1]
    assert session["z"].shape == (5, 256)
    assert {name: part.shape for name, part in session["parts"].items()} == {
        "shared": (5, 128), "unique/wave": (5, 64), "unique/body": (5, 64),
    }  # fmt: skip
    assert not session["some"][:, 192:].any()
    assert session["some"][:, :192].any()


def test_it_trains_in_a_network_and_is_saved(session, monkeypatch):
    monkeypatch.chdir(session["folder"])
    before = session["model"].embed(session["new"])
    for block in (NETWORK, SAVE):
        exec(block, session)
    after = session["model"].embed(session["new"])
    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_array_equal(session["again"].embed(session["new"]), after)


def test_torch_export_takes_any_batch(session):
    exec(NETWORK.partition("for _")[0], session)
    exec(EXPORT, session)
    new = {name: torch.tensor(values, dtype=torch.float32) for name, values in session["new"].items()}
    with torch.no_grad():
        torch.testing.assert_close(session["program"].module()(new), session["model"](new), atol=1e-5, rtol=1e-5)


def test_onnx_runs_as_the_model_does(session, monkeypatch):
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    monkeypatch.chdir(session["folder"])
    exec(ONNX, session)
    np.testing.assert_allclose(session["exported"], session["model"].embed(session["new"]), atol=1e-5)
