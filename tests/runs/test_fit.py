"""``coral_plugin.fit``: arrays in, representations and scores out."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import coral_plugin
from coral_plugin.data import from_arrays
from coral_plugin.errors import DivergedError, InputError
from coral_plugin.evaluation.probe import ProbeSettings
from coral_plugin.runs.evaluate import evaluate
from coral_plugin.runs.finetune import FinetuneSettings, finetune
from coral_plugin.runs.run import open_finished

IDS = ("train/id", "valid/id", "test/id")


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
        ({}, {"kinds": {"wave": "imgae"}}, "Unknown kind of modality 'imgae'. Did you mean 'image'"),
        ({}, {"kinds": {1: "image"}}, "kinds must be a mapping by modality, got {1: 'image'}"),
        ({}, {"task": "clasification"}, "Unknown task 'clasification'. Did you mean 'classification'"),
        ({}, {"seed": 3}, "no argument 'seed'. Did you mean 'seeds'[?]"),
        (
            {},
            {"method": "clip"},
            "no argument 'method': the method itself is objective=NAME, and its setti",
        ),
        ({}, {"network": {"depth": 1}}, "no argument 'network': its settings are network__<key>=VALUE"),
        ({}, {"source": {"seed": 1}}, "no argument 'source': its settings are source__<key>=VALUE"),
        ({}, {"resume": True}, "resume goes on with the run in a folder; give output=DIR"),
        (
            dict(zip(IDS, map(np.arange, (60, 30, 30)), strict=True)),
            {},
            r"shape \(60,\); give .* \(--kind id=tabular\); .* meta/id",
        ),
        ({"train/id": np.array(["a"] * 60)}, {}, "of type <U1; only numbers .* ids, goes under meta/"),
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
        (
            {"train": {"a": [1], "labels": [1]}},
            {},
            "train is a mapping; write its keys as train/a, train/labels in",
        ),
        ({"train": DataLoader([1])}, {}, "train is a DataLoader: give what .*from_loaders"),
        (DataLoader([1]), {}, "samples is a DataLoader: give what .*from_loaders"),
        (__file__, {}, r"Unknown dataset .* Did you mean fit\('arrays', data='"),
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


def test_how_arrays_are_read_may_be_chosen(arrays, tmp_path):
    del arrays["valid/table"], arrays["valid/wave"], arrays["valid/labels"]
    options = {"source__valid_share": 0.5, "source__standardise": False, "source__seed": 7}
    fitted = coral_plugin.fit(arrays, "concat_raw", output=tmp_path / "run", quiet=True, **options)
    assert (len(fitted.run.data.train), len(fitted.run.data.valid)) == (30, 30)
    assert all(modality.mean is None for modality in fitted.run.data.modalities)
    np.savez(tmp_path / "x.npz", **arrays)
    assert open_finished(tmp_path / "run", str(tmp_path / "x.npz"))[1].fingerprint == fitted.run.data.fingerprint
    told = coral_plugin.fit(
        arrays, "concat_raw", output=tmp_path / "kinds", quiet=True, kinds={"wave": "tabular"}, task="regression"
    )
    assert (told.run.settings.source.kinds, told.run.settings.source.task) == ({"wave": "tabular"}, "regression")
    assert open_finished(tmp_path / "kinds", str(tmp_path / "x.npz"))[1].fingerprint == told.run.data.fingerprint
    with pytest.raises(InputError, match="source__seed says how arrays are read, and MultimodalData are read already"):
        coral_plugin.fit(from_arrays(arrays), "concat_raw", source__seed=7)


def test_a_run_that_goes_on_keeps_its_seeds(arrays, tmp_path):
    coral_plugin.fit(arrays, "concat_raw", seeds=(42, 43), output=tmp_path / "run", quiet=True)
    again = coral_plugin.fit(arrays, "concat_raw", output=tmp_path / "run", resume=True, quiet=True)
    assert again.metrics["seeds"] == [42, 43]
    more = coral_plugin.fit(arrays, "concat_raw", seeds=44, output=tmp_path / "run", resume=True, quiet=True)
    assert more.metrics["seeds"] == [42, 43, 44]


class Poisoned:
    """An augmentation that has one seed diverge: the first one that asks."""

    def __init__(self):
        self.first = None

    def __call__(self, values, lengths, generator):
        self.first = self.first or generator.initial_seed()
        return values * (float("inf") if generator.initial_seed() == self.first else 1)


def test_a_seed_that_fails_leaves_the_others(arrays, tiny, tmp_path):
    def fit(output, **options):
        return coral_plugin.fit(arrays, epochs=1, workers=1, quiet=True, output=output, **options, **tiny)

    with pytest.raises(DivergedError, match=r"^Seed 1: .* Finished: 2\.$"):
        fit(tmp_path / "run", seeds=(1, 2), augmentations={"table": Poisoned()})
    assert not (tmp_path / "run" / "seed-1" / "result.json").exists()
    assert (tmp_path / "run" / "seed-2" / "result.json").is_file()


def noisier(values, lengths, generator):
    return values + torch.randn(values.shape, generator=generator)


def test_an_augmentation_from_python_is_recorded_and_asked_for_again(arrays, tiny, tmp_path):
    def fit(**options):
        return coral_plugin.fit(arrays, epochs=1, workers=1, quiet=True, **options, **tiny)

    given = {"table": noisier}
    whole = fit(seeds=(1, 2), augmentations=given)
    run = tmp_path / "run"
    assert fit(seeds=1, output=run, augmentations=given).run.settings.augmentations == {
        "table": f"python:{__name__}.noisier"
    }
    with pytest.raises(InputError, match="augmentations"):
        fit(seeds=2, output=run, resume=True)
    both = fit(seeds=2, output=run, resume=True, augmentations=given)
    assert both.metrics["tasks"] == whole.metrics["tasks"]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(
        InputError, match=r"an augmentation from Python \(.*noisier for table\)\. Give it again as augmentations=\.\.\."
    ):
        finetune(run, FinetuneSettings(epochs=1), data_path=str(tmp_path / "x.npz"), quiet=True)
    evaluate(run, ProbeSettings(kind="knn"), data_path=str(tmp_path / "x.npz"))  # which augments nothing


def test_a_run_whose_data_have_moved_says_where_they_were(arrays, tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    coral_plugin.fit("arrays", "concat_raw", data="x.npz", output="run", quiet=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"was trained on x\.npz, which is not there; give --data PATH"):
        open_finished(tmp_path / "run", None)
    np.savez(tmp_path / "y.npz", **{**arrays, "test/table": arrays["test/table"] + 1})
    with pytest.raises(InputError, match=r"y\.npz does not hold the data of the run in .*: their fingerprint differs"):
        open_finished(tmp_path / "run", str(tmp_path / "y.npz"))
