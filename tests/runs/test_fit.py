"""``coral_plugin.fit``: arrays in, representations and scores out."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import coral_plugin
from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.runs.run import open_finished


@pytest.fixture
def finished(arrays):
    return coral_plugin.fit(arrays, "concat_raw", quiet=True, probe__kind="ridge")


def test_a_dict_of_arrays_is_enough(arrays, tiny):
    plain = {name: arrays[f"train/{name}"] for name in ("table", "wave")}
    fitted = coral_plugin.fit(plain, epochs=1, quiet=True, **tiny)
    representation = fitted.embed({name: arrays[f"test/{name}"] for name in plain})
    assert representation.shape == (30, 16 + 8 + 8)
    assert fitted.metrics["tasks"] == {}
    assert repr(fitted) == "Fitted(coral on arrays, seeds 41: no scores, as there are no labels)"


@pytest.mark.parametrize(
    ("left_out", "line", "reason"),
    [
        ("test", "no test split: nothing will be scored; give test/<modality> and test/labels", "samples of test"),
        ("labels", "no labels: the run trains and embeds, nothing will be scored", "labels"),
    ],
)
def test_what_will_not_be_scored_is_said_before_the_training(arrays, tiny, capfd, left_out, line, reason):
    kept = {key: values for key, values in arrays.items() if left_out not in key and key != "classes"}
    fitted = coral_plugin.fit(kept, epochs=1, **tiny)
    lines = capfd.readouterr().err.splitlines()
    assert lines.index(f"arrays: {line}") < next(at for at, text in enumerate(lines) if text.startswith("coral ("))
    assert fitted.metrics["tasks"] == {}
    assert repr(fitted) == f"Fitted(coral on arrays, seeds 41: no scores, as there are no {reason})"


def test_nothing_is_said_where_there_are_scores(arrays, tiny, capfd):
    coral_plugin.fit(arrays, epochs=1, **tiny)
    assert "scored" not in capfd.readouterr().err


def test_splits_and_labels_are_scored(arrays, tiny):
    fitted = coral_plugin.fit(arrays, epochs=2, quiet=True, **tiny)
    assert fitted.metrics["tasks"]["label"]["mean"] > 1 / 3
    parts = fitted.embed({name: arrays[f"test/{name}"] for name in ("table", "wave")}, parts=True)
    assert {name: part.shape for name, part in parts.items()} == {
        "shared": (30, 16),
        "unique/table": (30, 8),
        "unique/wave": (30, 8),
    }


def test_seeds_and_output_in_many_forms(arrays, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fitted = coral_plugin.fit(arrays, epochs=1, quiet=True, seeds=np.int64(7), output="~/runs/a", **tiny)
    assert fitted.run.settings.seeds == (7,)
    assert (tmp_path / "runs" / "a" / "metrics.json").is_file()


def test_the_task_of_whole_floats_may_be_said(arrays, tiny):
    floats = {key: value * 1.0 for key, value in arrays.items() if key.endswith("labels")}
    fitted = coral_plugin.fit({**arrays, **floats}, epochs=1, quiet=True, task="classification", **tiny)
    assert fitted.metrics["tasks"]["label"]["metric"] == "balanced_accuracy"


def test_own_encoder_and_own_augmentation(arrays, tiny):
    calls = []

    def augment(values, lengths, generator):
        calls.append(values.shape)
        return values + 0.1 * torch.randn(values.shape, generator=generator)

    fitted = coral_plugin.fit(
        arrays, epochs=1, quiet=True, encoders={"table": nn.Linear(4, 24)}, augmentations={"table": augment}, **tiny
    )
    assert calls
    assert any(isinstance(m, nn.Linear) and m.out_features == 24 for m in fitted.objective.modules())


def test_embedding_a_sample_does_not_depend_on_its_batch(arrays, tiny):
    fitted = coral_plugin.fit(arrays, epochs=1, quiet=True, **tiny)
    test = {name: arrays[f"test/{name}"] for name in ("table", "wave")}
    alone = fitted.embed({name: values[:1] for name, values in test.items()})
    np.testing.assert_allclose(alone, fitted.embed(test)[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ({}, {"epoch": 3}, "fit has no argument 'epoch'. Did you mean 'epochs'[?] Settings are <group>__<key> with m"),
        ({}, {"learning_rate": 1e-3}, "no argument 'learning_rate'. Did you mean 'training__learning_rate'[?]"),
        ({}, {"lr": 1e-3}, "no argument 'lr'. Did you mean 'training__learning_rate'[?]"),
        ({}, {"training__wd": 1e-3}, "Unknown training setting 'wd'. Did you mean 'weight_decay'[?]"),
        ({}, {"batchsize": 8}, "no argument 'batchsize'. Did you mean 'training__batch_size'[?]"),
        ({}, {"mask_ratoi": 8, "objective": "mae"}, "no argument 'mask_ratoi'. Did you mean 'method__mask_ratio'[?]"),
        ({}, {"xyz": 8}, r"no argument 'xyz'\. Settings are"),
        ({"train/table": None}, {}, "train/table is None; leave the key out where a modality is missing"),
        ({"train/labels": None}, {}, "train/labels is None; leave the key out where there are no labels"),
        ({}, {"labels": [1]}, "Give labels inside the data"),
        ({}, {"objective": "corl"}, "Did you mean 'coral'"),
        ({}, {"encoders": {"vision": "mlp"}}, "given for vision"),
        ({}, {"augmentations": "dropp"}, "Did you mean 'drop'"),
        ({"train/table": np.full((60, 4), np.nan)}, {}, "not finite"),
    ],
)
def test_mistakes_are_one_clear_line(arrays, tiny, change, options, match):
    with pytest.raises(InputError, match=match) as caught:
        coral_plugin.fit({**arrays, **change}, quiet=True, epochs=1, **options, **tiny)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("given", "value"), [("task", "regression"), ("labels", [1]), ("kinds", {"table": "tabular"})])
def test_no_argument_is_ignored(arrays, given, value):
    plain = {name: arrays[f"train/{name}"] for name in ("table", "wave")}
    with pytest.raises(InputError, match=f"fit has {given}, but MultimodalData has its own; leave {given} out"):
        coral_plugin.fit(from_arrays({f"train/{name}": values for name, values in plain.items()}), **{given: value})


def test_a_task_needs_labels(arrays):
    plain = {name: arrays[f"train/{name}"] for name in ("table", "wave")}
    with pytest.raises(InputError, match="arrays has no labels for task 'regression'; give labels in every split"):
        coral_plugin.fit(plain, task="regression")


def test_a_data_set_by_name_is_the_run_of_its_arrays(arrays, tiny, tmp_path):
    np.savez(tmp_path / "walks.npz", **arrays)
    by_name = coral_plugin.fit(
        "arrays", "clip", data=tmp_path / "walks.npz", epochs=1, quiet=True, source__kinds={"wave": "sequence"}, **tiny
    )
    assert by_name.run.settings.data == str(tmp_path / "walks.npz")
    assert [modality.kind for modality in by_name.model.modalities] == ["tabular", "sequence"]
    alone = coral_plugin.fit(
        "arrays", "supervised", data=tmp_path / "walks.npz", modalities="wave", epochs=1, quiet=True, **tiny
    )
    same = coral_plugin.fit(arrays, "supervised", modalities=["wave"], epochs=1, quiet=True, **tiny)
    new = {"wave": arrays["test/wave"]}
    np.testing.assert_array_equal(alone.embed(new), same.embed(new))
    assert alone.run.settings.modalities == ("wave",)


@pytest.mark.parametrize(
    ("samples", "options", "match"),
    [
        ("mosl", {}, "Did you mean 'mosi'"),
        ("arrays", {"data": "there/is/no.npz"}, "no file there/is/no.npz"),
        ("arrays", {"labels": [1]}, "fit has labels, but the data set arrays has its own; leave labels out"),
        ({"a": np.zeros((4, 2))}, {"data": "x.npz"}, "fit takes data=PATH with the name of a data set"),
        (3, {}, r"fit takes {name: array or data frame, \.\.\.}, a map-style data set, .*, got <class 'int'>"),
        (pd.DataFrame(np.zeros((4, 2))), {"labels": np.zeros(4)}, r"fit takes {name: array or data frame, \.\.\.}"),
        ([np.zeros((4, 2)), np.zeros((4, 3))], {}, r"fit takes {name: array or data frame, \.\.\.}"),
    ],
)
def test_a_data_set_by_name_is_refused_in_one_line(samples, options, match):
    with pytest.raises(InputError, match=match) as caught:
        coral_plugin.fit(samples, quiet=True, **options)
    assert "\n" not in str(caught.value)


def test_a_slip_of_the_pen_is_no_missing_modality(arrays, tiny):
    fitted = coral_plugin.fit(arrays, epochs=1, quiet=True, **tiny)
    with pytest.raises(InputError, match="no modality 'wave', but 'waves'"):
        fitted.embed({"table": arrays["test/table"], "waves": arrays["test/wave"]})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda new: {"tabel": new["table"]}, r"no modality 'table', 'wave'; it has tabel\. Did you mean 'table'\?$"),
        (lambda new: {"other": new["table"]}, r"no modality 'table', 'wave'; it has other\.$"),
        (lambda new: new | {"wave": None}, "samples: wave is None; leave the key out where a modality is missing"),
        (
            lambda new: {"table": pd.DataFrame(new["table"]).iloc[0]},
            r"table is a single sample, \(4,\), .*iloc\[\[0\]\]",
        ),
        (lambda new: {"table": new["table"][0], "wave": new["wave"][0]}, r"table is a single sample, \(4,\)"),
        (lambda new: {"wave": torch.as_tensor(new["wave"][0])}, r"wave is a single sample, .* give array\[None\]"),
    ],
)
def test_slips_in_new_samples_have_a_remedy(finished, arrays, change, match):
    with pytest.raises(InputError, match=match) as caught:
        finished.embed(change({name: arrays[f"test/{name}"] for name in ("table", "wave")}))
    assert "\n" not in str(caught.value)


def test_the_remedies_of_slips_work(finished, arrays):
    table = pd.DataFrame(arrays["test/table"])
    one = finished.embed({"table": table.iloc[[0]]})
    np.testing.assert_array_equal(one, finished.embed({"table": arrays["test/table"][0][None]}))


def test_methods_for_one_modality_are_named(arrays, tiny):
    with pytest.raises(InputError, match=r"^coral needs at least two modalities, got 1 \(wave\)\. Methods") as caught:
        coral_plugin.fit(arrays, modalities="wave", quiet=True, **tiny)
    named = str(caught.value).partition("take one: ")[2].rstrip(".").split(", ")
    assert {"mae", "simclr", "supervised", "concat_raw"} <= set(named)
    assert not {"coral", "comm", "clip", "factorcl"} & set(named)


def test_a_run_from_python_says_that_it_names_no_data(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{split}/{name}": rng.normal(size=(30, 3)) for split in ("train", "valid", "test") for name in "ab"}
    arrays |= {f"{split}/labels": np.arange(30) % 2 for split in ("train", "valid", "test")}
    fitted = coral_plugin.fit(arrays, "concat_raw", seeds=41, quiet=True, output=tmp_path / "run")
    with pytest.raises(InputError, match=r"trained from Python on data that it names no file of\..*--data FILE"):
        open_finished(tmp_path / "run", None)
    np.savez(tmp_path / "x.npz", **arrays)
    _, data, seeds = open_finished(tmp_path / "run", str(tmp_path / "x.npz"))
    assert (data.fingerprint, seeds) == (fitted.run.data.fingerprint, (41,))
