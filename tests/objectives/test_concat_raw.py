"""The raw-feature baseline: values as they are, whatever the batch; and a run without training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import coral_plugin
from coral_plugin.data import Modality, MultimodalBatch, from_arrays
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import embed_split, raw_features
from coral_plugin.evaluation.missing import embed_subset
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.concat_raw import ConcatRaw, ConcatRawSettings, raw_values
from coral_plugin.runs import run as runs
from coral_plugin.runs import start
from coral_plugin.runs.settings import make_settings

TEXT = Modality(name="text", kind="sequence", shape=(6, 4), mean=(1.0,) * 4, std=(2.0,) * 4)
TABLE = Modality(name="table", kind="tabular", shape=(5,))
SCAN = Modality(name="scan", kind="image", shape=(2, 8, 8))


def objective(*modalities, **settings):
    return ConcatRaw(modalities or (TEXT, TABLE, SCAN), NetworkSettings(), ConcatRawSettings(**settings))


def a_batch(size=3):
    torch.manual_seed(0)
    values = {m.name: torch.rand(size, *m.shape) for m in (TEXT, TABLE, SCAN)}
    padding = torch.arange(6)[None] >= torch.tensor([2, 6, 4])[:, None]
    return MultimodalBatch(values, {"text": padding})


def test_parts_are_the_values_with_padding_zero():
    batch = a_batch()
    parts = objective().embed(batch)
    assert list(parts) == ["text", "table", "scan"]
    assert torch.equal(parts["table"], batch["table"])
    assert torch.equal(parts["scan"], batch["scan"].reshape(3, 128))
    assert torch.equal(parts["text"], (batch["text"] * ~batch.padding["text"][..., None]).reshape(3, 24))
    alone = objective().embed(batch.select(["scan"]))
    assert torch.equal(alone["scan"], parts["scan"])
    assert [(name, part.shape, bool(part.any())) for name, part in alone.items()][:2] == [
        ("text", (3, 24), False), ("table", (3, 5), False)
    ], "the means of no train"  # fmt: skip


def test_neither_content_nor_amount_of_padding_matters():
    batch = a_batch()
    expected = objective().embed(batch)["text"]
    rows = torch.tensor([0, 2])
    values = torch.where(batch.padding["text"][..., None], float("nan"), batch["text"])
    short = MultimodalBatch({"text": values[rows, :4]}, {"text": batch.padding["text"][rows, :4]})
    long = MultimodalBatch(
        {"text": torch.cat([values, values[:, :2] * float("nan")], 1)},
        {"text": torch.cat([batch.padding["text"], torch.ones(3, 2, dtype=torch.bool)], 1)},
    )
    assert torch.equal(objective().embed(short)["text"], expected[rows])
    assert torch.equal(objective().embed(long)["text"], expected)


def test_absent_rows_are_zero():
    values = {**a_batch(), "table": a_batch()["table"].clone()}
    values["table"][1] = float("nan")
    batch = replace(a_batch(), tensors=values, present={"table": torch.tensor([True, False, True])})
    part = objective().embed(batch)["table"]
    assert torch.equal(part, torch.where(torch.tensor([[True], [False], [True]]), values["table"], 0.0))


@pytest.mark.parametrize(("most", "width"), [(128, 128), (127, 32), (32, 32), (8, 8), (1, 2)])
def test_large_images_are_averaged_over_blocks(most, width):
    batch = a_batch()
    part = objective(most=most).embed(batch)["scan"]
    side = int((width / 2) ** 0.5)
    blocks = batch["scan"].reshape(3, 2, side, 8 // side, side, 8 // side).mean((3, 5))
    assert torch.allclose(part, blocks.reshape(3, width), atol=1e-6)


def test_it_has_nothing_to_train():
    model = objective()
    assert not ConcatRaw.trains
    assert not list(model.parameters())
    with pytest.raises(InputError, match="nothing to train"):
        model.loss(Step(a_batch(), a_batch(), 0.0))


def test_what_is_refused():
    with pytest.raises(InputError, match="at least one modality"):
        ConcatRaw((), NetworkSettings(), ConcatRawSettings())
    with pytest.raises(InputError, match="most must be at least 1, got 0"):
        ConcatRawSettings(most=0)


def arrays():
    rng = np.random.default_rng(0)
    out = {}
    for split, n in (("train", 40), ("valid", 20), ("test", 20)):
        labels = np.arange(n) % 2
        out[f"{split}/table"] = (labels[:, None] + 0.6 * rng.standard_normal((n, 3))).astype(np.float32)
        series = rng.standard_normal((n, 5, 2)).astype(np.float32)
        series[::2, 3:] = 0
        out[f"{split}/wave"] = series
        out[f"{split}/labels"] = labels
    return out


def test_the_raw_baseline_of_every_run_and_the_objective_are_one_code():
    data = from_arrays(arrays(), kinds={"wave": "sequence"})
    raw = raw_features(data.test, data.modalities)
    batch = data.test.batch(torch.arange(20))
    for modality in data.modalities:
        assert np.array_equal(raw[modality.name], raw_values(modality, batch).numpy())


def test_where_modalities_are_missing_the_run_is_the_raw_baseline_too():
    given = arrays()
    rng = np.random.default_rng(1)
    for split, n in (("train", 40), ("valid", 20), ("test", 20)):
        present = rng.random(n) > 0.4
        given[f"{split}/table"] += 100.0
        given[f"{split}/table/present"], given[f"{split}/wave/present"] = present, ~present | (rng.random(n) > 0.5)
        given[f"{split}/photo"] = 50 + 9 * rng.standard_normal((n, 3, 40, 40)).astype(np.float32)
        given[f"{split}/photo/present"] = rng.random(n) > 0.3
    fitted = coral_plugin.fit(given, "concat_raw", kinds={"wave": "sequence"}, seeds=41, quiet=True)
    metrics = fitted.metrics
    assert metrics["tasks"] == metrics["raw_features"]["all"]
    assert metrics["parts"] == {name: metrics["raw_features"][name] for name in ("table", "wave", "photo")}
    # a modality that is left out is one that every sample lacks
    given["test/photo/present"][:] = True
    data = from_arrays(given, kinds={"wave": "sequence"})
    none = from_arrays({**given, "test/table/present": np.zeros(20, bool)}, kinds={"wave": "sequence"})
    objective = fitted.model.objective
    left_out = embed_subset(objective, data.test, ("wave", "photo"), embed_split(objective, data.test))
    for name, values in embed_split(objective, none.test).items():
        np.testing.assert_array_equal(left_out[name], values)
    parts = fitted.embed({"table": given["train/table"][:2]}, parts=True)
    there = given["train/table/present"]
    np.testing.assert_allclose(fitted.model.embed({"wave": given["test/wave"]}, parts=True)["table"][0],
                               given["train/table"][there].mean(axis=0), rtol=1e-6)  # fmt: skip
    assert parts["photo"].shape == (2, 3 * 20 * 20)
    assert parts["photo"].min() > 45
    assert parts["photo"].max() < 55


def test_a_run_scores_it_like_the_raw_baseline_and_leaves_no_log_of_a_training(tmp_path, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.setattr(start, "train", never)
    data = from_arrays(arrays(), kinds={"wave": "sequence"})
    settings = make_settings("concat_raw", "arrays", seeds=(41, 42), training__device="cpu")
    done = runs.run(settings, folder=tmp_path / "run", data=data, quiet=True)
    assert done.histories == {41: [], 42: []}
    assert not (tmp_path / "run" / "metrics.csv").exists()
    assert [done.metrics["train"][key] for key in ("epochs", "parameters", "seconds")] == [0, 0, 0]
    raw = done.metrics["raw_features"]
    assert done.metrics["tasks"]["label"]["values"] == raw["all"]["label"]["values"] * 2
    for name, part in done.metrics["parts"].items():
        assert part["label"]["values"] == raw[name]["label"]["values"] * 2
    again = runs.run(settings, folder=tmp_path / "run", data=data, quiet=True, resume=True)
    assert again.metrics["tasks"] == done.metrics["tasks"]
