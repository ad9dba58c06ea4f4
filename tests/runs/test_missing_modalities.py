"""From arrays with flags to a representation: training, scores and embeddings where modalities are missing."""

import numpy as np
import pytest
import torch

import coral_plugin
from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError


def lacking(arrays, fill):
    """Every modality absent in 30 % of the samples of every split, never both, and ``fill`` there."""
    rng = np.random.default_rng(7)
    out = dict(arrays)
    for split in ("train", "valid", "test"):
        order = rng.permutation(len(arrays[f"{split}/labels"]))
        third = round(0.3 * len(order))
        for name, rows in (("table", order[:third]), ("wave", order[third : 2 * third])):
            values, present = arrays[f"{split}/{name}"].copy(), np.ones(len(order), dtype=bool)
            values[rows], present[rows] = fill, False
            out |= {f"{split}/{name}": values, f"{split}/{name}/present": present}
    return out


@pytest.fixture(scope="module")
def fitted(request):
    """Two trainings on the same data with other values where modalities are absent."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 120), ("valid", 30), ("test", 60)):
        labels = np.arange(n) % 3
        arrays[f"{split}/table"] = (labels[:, None] + 0.3 * rng.standard_normal((n, 4))).astype("f4")
        waves = np.sin(np.arange(12)[None, :, None] * (1 + labels[:, None, None]))
        arrays[f"{split}/wave"] = (waves + 0.2 * rng.standard_normal((n, 12, 2))).astype("f4")
        arrays[f"{split}/labels"] = labels
    tiny = {
        "network__width": 16, "network__heads": 2, "network__head_hidden": 16, "network__head_output": 8,
        "training__batch_size": 32, "training__learning_rate": 1e-3, "training__device": "cpu", "probe__kind": "ridge",
    }  # fmt: skip
    return arrays, [coral_plugin.fit(lacking(arrays, fill), epochs=4, quiet=True, **tiny) for fill in (np.nan, -300.0)]


def test_the_probe_beats_chance_with_thirty_percent_missing(fitted):
    task = fitted[1][0].metrics["tasks"]["label"]
    assert task["mean"] > task["chance"] + 0.3


def test_what_absent_rows_hold_changes_no_weight_and_no_score(fitted):
    one, other = fitted[1]
    assert one.run.data.fingerprint == other.run.data.fingerprint
    for key in ("tasks", "parts", "raw_features", "disentanglement"):
        assert one.metrics[key] == other.metrics[key]
    states = one.objective.state_dict(), other.objective.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_embedding_some_modalities_is_that_of_the_selected_batch(fitted):
    arrays, (model, _) = fitted
    new = {name: arrays[f"test/{name}"] for name in ("table", "wave")}
    batch = from_arrays(arrays).test.batch(torch.arange(60))
    for name in new:
        parts = model.embed({name: new[name]}, parts=True)
        with torch.no_grad():
            selected = model.objective.eval().embed(batch.select([name]))
        for part, values in parts.items():
            if part in selected:
                np.testing.assert_allclose(values, selected[part].numpy(), atol=1e-5)
            else:
                assert not values.any()
        assert model.embed({name: new[name]}).shape == model.embed(new).shape


def test_flagged_rows_are_embedded_from_what_is_there(fitted, capsys):
    arrays, (model, _) = fitted
    new = {name: arrays[f"test/{name}"] for name in ("table", "wave")}
    flags = np.arange(60) % 2 == 0
    odd = {**new, "wave": np.where(flags[:, None, None], new["wave"], np.inf), "wave/present": flags}
    mixed = model.embed(odd)
    np.testing.assert_allclose(mixed[flags], model.embed(new)[flags], atol=1e-5)
    np.testing.assert_allclose(mixed[~flags], model.embed({"table": new["table"]})[~flags], atol=1e-5)
    assert capsys.readouterr().err == "", "fitted quietly"
    loud = type(model)(model.run)
    loud.embed(odd)
    assert capsys.readouterr().err == (
        "wave is missing in 30 of 60 samples: embedded from the modalities present; parts of a missing modality alone "
        "are constant\n"
    )
    loud.embed({**odd, "wave/present": flags | True, "wave": new["wave"]})
    loud.embed({**new, "wave/present": ~flags})
    assert capsys.readouterr().err == "", "told once"
    loud.embed({"wave": new["wave"]})
    assert capsys.readouterr().err.startswith("table is missing: embedded")


def test_nothing_to_embed(fitted):
    _, (model, _) = fitted
    with pytest.raises(InputError, match="no modality 'table', 'wave'; it has nothing"):
        model.embed({})
    with pytest.raises(InputError, match="sample 1 has no modality at all"):
        model.embed({"table": np.zeros((2, 4)), "table/present": np.array([True, False])})
