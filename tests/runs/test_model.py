"""The public model: loaded, embedded with, differentiated, saved, moved and exported."""

import html
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import coral_plugin
from coral_plugin.data import from_arrays
from coral_plugin.errors import InputError
from coral_plugin.io.npz import read_npz

SMALL = {
    "network__width": 16, "network__heads": 2, "network__head_hidden": 16, "network__head_output": 8,
    "training__batch_size": 32, "training__device": "cpu", "probe__kind": "ridge", "quiet": True, "epochs": 1,
}  # fmt: skip
ENCODERS = {"words": "affect_transformer(layers=1, feedforward=32, positions=True)", "wave": "conv1d"}


def every_kind():
    """40 samples of a table, a series, an image and a sequence, in two classes with names."""
    rng = np.random.default_rng(3)
    arrays = {"classes": np.array(["<b>calm</b>", "busy"])}
    for split, n in (("train", 24), ("valid", 8), ("test", 8)):
        arrays[f"{split}/table"] = 5 + 3 * rng.standard_normal((n, 4)).astype("f4")
        arrays[f"{split}/wave"] = rng.standard_normal((n, 12, 2)).astype("f4")
        arrays[f"{split}/picture"] = rng.integers(0, 256, (n, 3, 12, 12)).astype("u1")
        arrays[f"{split}/words"] = rng.standard_normal((n, 6, 5)).astype("f4")
        arrays[f"{split}/words/length"] = rng.integers(1, 7, n)
        arrays[f"{split}/labels"] = np.arange(n) % 2
    return arrays


ARRAYS = every_kind()
TEST = {key.removeprefix("test/"): values for key, values in ARRAYS.items() if key.startswith("test/")}
TEST.pop("labels")
PRESENT = {f"{name}/present": np.arange(8) % 4 != i for i, name in enumerate(("table", "wave", "picture", "words"))}


def tensors(arrays):
    return {key: torch.as_tensor(values) for key, values in arrays.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two seeds on all kinds of modalities."""
    output = tmp_path_factory.mktemp("model") / "run"
    coral_plugin.fit(ARRAYS, seeds=(3, 4), encoders=ENCODERS, output=output, **SMALL)
    return output


@pytest.fixture(scope="module")
def model(folder):
    return coral_plugin.load(folder, quiet=True)


@pytest.mark.parametrize("seed", [None, 4])
def test_it_embeds_as_the_command_line_does_in_a_fresh_process(folder, tmp_path, seed):
    np.savez(tmp_path / "new.npz", **TEST)
    flags = ["embed", folder, "--data", tmp_path / "new.npz", "--output", tmp_path / "z.npz"]
    flags += [] if seed is None else ["--seed", str(seed)]
    subprocess.run([sys.executable, "-m", "coral_plugin", *flags], check=True, capture_output=True, timeout=600)
    written = read_npz(tmp_path / "z.npz")
    loaded = coral_plugin.load(folder, seed)
    assert loaded.seed == (seed or 3)
    np.testing.assert_array_equal(loaded.embed(TEST), written["all"])
    for name, part in loaded.embed(TEST, parts=True).items():
        np.testing.assert_array_equal(part, written[name])


def test_what_fit_returns_is_the_same_model(folder):
    fitted = coral_plugin.fit(ARRAYS, seeds=(3, 4), encoders=ENCODERS, **SMALL)
    for seed, model in fitted.models.items():
        loaded = coral_plugin.load(folder, seed)
        np.testing.assert_array_equal(model.embed(TEST), loaded.embed(TEST))
        assert (model.modalities, model.tasks, model.settings) == (loaded.modalities, loaded.tasks, loaded.settings)
        assert json.loads(json.dumps(model.scores)) == loaded.scores
        assert repr(model) == repr(loaded)
    assert fitted.model is fitted.models[3]
    np.testing.assert_array_equal(fitted.embed(TEST), fitted.model.embed(TEST))


@pytest.mark.parametrize(
    "change",
    [
        {},
        PRESENT,
        {"table": None, "words": None, "words/length": None},
        {"words/length": None},
        {"picture": ARRAYS["test/picture"] / 255.0},
        {"words": ARRAYS["test/words"][:, :4], "words/length": np.minimum(ARRAYS["test/words/length"], 4)},
    ],
    ids=["whole", "some missing", "left out", "length by zeros", "floats in [0, 1]", "fewer steps"],
)
def test_forward_is_embed(model, change):
    samples = {key: values for key, values in {**TEST, **change}.items() if values is not None}
    if "words/length" in change and change["words/length"] is None and "words" in samples:
        steps = np.arange(6) < TEST["words/length"][:, None]
        samples["words"] = samples["words"] * steps[:, :, None]
    with torch.no_grad():
        z = model(tensors(samples))
    np.testing.assert_allclose(z.numpy(), model.embed(samples), atol=2e-6)
    assert z.shape == (8, sum(model.parts.values()))


def test_what_missing_rows_and_padding_hold_reaches_nothing(model):
    inputs = tensors({**TEST, **PRESENT})
    dirty = {**inputs, "table": inputs["table"].masked_fill(~inputs["table/present"][:, None], torch.nan)}
    dirty["words"] = inputs["words"].clone()
    dirty["words"][torch.arange(6) >= inputs["words/length"][:, None]] = torch.inf
    dirty["table"].requires_grad_()
    z = model(dirty)
    torch.testing.assert_close(z, model(inputs))
    z.square().sum().backward()
    assert dirty["table"].grad.isfinite().all()
    assert not dirty["table"].grad[~inputs["table/present"]].any()


def test_values_of_double_precision_keep_their_differences():
    rng = np.random.default_rng(0)
    seconds = rng.uniform(0, 10, (30, 2))
    fitted = coral_plugin.fit({"clock": 1.7e9 + seconds, "b": rng.normal(size=(30, 3))}, "clip", **SMALL)
    assert fitted.model.modalities[0].offset is not None
    samples = {"clock": 1.7e9 + seconds[:4], "b": rng.normal(size=(4, 3))}
    with torch.no_grad():
        z = fitted.model(tensors(samples))
    np.testing.assert_allclose(z.numpy(), fitted.embed(samples), atol=1e-6)
    with pytest.raises(InputError, match="clock holds values whose differences a 32-bit float cannot tell; give it as"):
        fitted.model({key: value.float() for key, value in tensors(samples).items()})


def test_a_batch_of_the_data_set_embeds_as_its_arrays_do(model):
    batch = from_arrays(ARRAYS).test.batch(torch.arange(8))
    np.testing.assert_allclose(model.embed(batch), model.embed(TEST), atol=2e-6)


def test_it_is_fine_tuned_in_somebody_elses_network(folder):
    model = coral_plugin.load(folder)
    torch.manual_seed(0)
    network = nn.Sequential(model, nn.Linear(sum(model.parts.values()), 2))
    inputs, labels = tensors(TEST), torch.arange(8) % 2
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    before = {name: value.clone() for name, value in model.named_parameters()}
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(network(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    moved = [name for name, value in model.named_parameters() if not torch.equal(value, before[name])]
    assert {name.split(".")[1] for name in moved} == {"shared", "unique", "unique_encoders"}


def test_a_saved_folder_moves(model, tmp_path):
    saved = model.save(tmp_path / "here" / "model")
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "model.safetensors"]
    shutil.move(saved, tmp_path / "there")
    loaded = coral_plugin.load(tmp_path / "there", quiet=True)
    np.testing.assert_array_equal(loaded.embed({**TEST, **PRESENT}), model.embed({**TEST, **PRESENT}))
    assert (loaded.seed, loaded.modalities, loaded.tasks, loaded.settings, loaded.scores) == (
        model.seed, model.modalities, model.tasks, model.settings, model.scores,
    )  # fmt: skip
    assert loaded.tasks[0].classes == ("<b>calm</b>", "busy")
    record = json.loads((tmp_path / "there" / "model.json").read_text())
    assert record["versions"] == {"coral-multibench": coral_plugin.__version__, "torch": torch.__version__}
    assert [path.name for path in (tmp_path / "here").iterdir()] == []


def test_a_saved_model_is_replaced_and_nothing_else_is(model, folder, tmp_path):
    model.save(tmp_path / "model")
    other = coral_plugin.load(folder, 4)
    other.save(tmp_path / "model")
    assert coral_plugin.load(tmp_path / "model").seed == 4
    (tmp_path / "model" / "notes.txt").write_text("mine")
    for place, match in ((tmp_path / "model", "holds other files"), (tmp_path / "model" / "notes.txt", "is a file")):
        with pytest.raises(InputError, match=match):
            model.save(place)
    with pytest.raises(InputError, match="holds other files"):
        model.save(folder)
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "no file"),
        (lambda f: _flip(f / "model.safetensors"), "model.safetensors is damaged: its checksum"),
        (lambda f: (f / "model.json").write_text("{"), "model.json is not valid JSON"),
        (lambda f: _edit(f, lambda r: r.pop("tasks")), "model.json is damaged: it is no record of a saved model"),
        (lambda f: _edit(f, lambda r: r.update(schema=2)), "is of schema 2, this version reads 1"),
        (lambda f: _edit(f, lambda r: r.update(modalities=[])), "model.json is damaged .no modality"),
        (lambda f: _edit(f, lambda r: r["modalities"][0].update(kind="smell")), "unknown kind 'smell'|value of"),
        (lambda f: _edit(f, lambda r: r["settings"]["network"].update(width=32)), "cannot be loaded: .* has shape"),
        (lambda f: _edit(f, lambda r: r.update(scores={"all": {"label": 3}})), "scores of part 'all' lack a score"),
        (lambda f: _edit(f, lambda r: r.update(seed="a")), "seed 'a' is no number"),
    ],
)
def test_damage_is_one_clear_line(model, tmp_path, damage, match):
    model.save(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=match) as caught:
        coral_plugin.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def _edit(folder, change):
    record = json.loads((folder / "model.json").read_text())
    change(record)
    (folder / "model.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda f: coral_plugin.load(f / "nothing"), "holds no run"),
        (lambda f: coral_plugin.load(f, 9), r"no trained seed 9; it has \[3, 4\]"),
        (lambda f: coral_plugin.load(None), "Give the name of a folder"),
        (lambda f: coral_plugin.load(f)({}), "no modality table, wave, picture, words among the tensors"),
        (lambda f: coral_plugin.load(f)({"tables": torch.zeros(2, 4)}), "no modality"),
        (lambda f: coral_plugin.load(f)({"table": torch.zeros(2, 4), "x": torch.zeros(2)}), "Unknown key 'x'"),
        (lambda f: coral_plugin.load(f)({"table": torch.zeros(2, 5)}), r"table must be \(B, 4\), got \(2, 5\)"),
        (
            lambda f: coral_plugin.load(f)({"table": np.zeros((2, 4))}),
            r"table must be a tensor, .* embed\(\) takes arrays",
        ),
        (
            lambda f: coral_plugin.load(f)({"words": torch.ones(2, 6, 5), "words/length": torch.tensor([1, 7])}),
            "words/length must be from 1 to 6, got 1 to 7",
        ),
        (
            lambda f: coral_plugin.load(f)({"table": torch.zeros(2, 4), "table/present": torch.tensor([True, False])}),
            "Sample 1 of the batch has no modality at all",
        ),
        (
            lambda f: coral_plugin.load(f)({"table": torch.zeros(2, 4), "wave": torch.zeros(3, 12, 2)}),
            "the same number of samples, got 2 and 3",
        ),
        (lambda f: coral_plugin.load(f).embed(np.zeros((3, 4))), "Say which columns belong to which modality"),
        (lambda f: coral_plugin.load(f).embed(TEST, columns={"table": [0]}), "columns group the columns of a table"),
        (lambda f: coral_plugin.load(f).embed("table"), "samples must be a mapping"),
    ],
)
def test_mistakes_are_one_clear_line(folder, call, match):
    with pytest.raises(InputError, match=match) as caught:
        call(folder)
    assert "\n" not in str(caught.value)


def test_a_data_frame_is_grouped_by_the_names_of_train(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(30, 5)), columns=["age", "weight", "iron", "zinc", "lead"])
    tables = {"body": frame[["age", "weight"]], "blood": frame[["iron", "zinc", "lead"]]}
    coral_plugin.fit(tables, "clip", output=tmp_path / "run", **SMALL)
    model = coral_plugin.load(tmp_path / "run", quiet=True)
    expected = model.embed({name: table.to_numpy() for name, table in tables.items()})
    mixed = frame.assign(name="x")[["lead", "name", "age", "zinc", "weight", "iron"]]
    np.testing.assert_array_equal(model.embed(mixed), expected)
    plain = frame.to_numpy()
    np.testing.assert_array_equal(model.embed(plain, columns={"body": [0, 1], "blood": slice(2, 5)}), expected)
    assert model.embed(mixed[["age", "weight"]]).shape == expected.shape
    with pytest.raises(InputError, match="columns of 'blood' name 'iron'"):
        model.embed(mixed.drop(columns="iron"))
    with pytest.raises(InputError, match="need different names"):
        model.embed(pandas.concat([mixed, mixed[["age"]]], axis=1))


def test_columns_that_several_modalities_have_say_nothing():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    left, right = (pandas.DataFrame(rng.normal(size=(30, 2)), columns=["heel", "toe"]) for _ in range(2))
    model = coral_plugin.fit({"left": left, "right": right}, "clip", **SMALL).model
    with pytest.raises(
        InputError, match=r"Column 'heel' is a feature of left and of right: give embed\({'left': frame}"
    ):
        model.embed(left)
    expected = model.embed({"left": left})
    np.testing.assert_array_equal(model.embed(left, columns={"left": ["heel", "toe"]}), expected)


def test_it_shows_itself_in_a_line_and_as_a_table(model):
    assert repr(model) == (
        "Model(coral, seed 3: table (4,), wave (12, 2), picture (3, 12, 12), words (6, 5) -> "
        "shared 16, unique/table 8, unique/wave 8, unique/picture 8, unique/words 8)"
    )
    page = model._repr_html_()
    score = model.scores["shared"]["label"]["value"]
    assert f"<td>shared</td><td>16</td><td>{score:.3f}</td>" in page
    assert "<td>all</td><td>48</td>" in page


def test_names_cannot_write_html(model):
    rng = np.random.default_rng(0)
    name = "<script>x"
    fitted = coral_plugin.fit({name: rng.normal(size=(8, 3)), "b": rng.normal(size=(8, 3))}, "concat_raw", quiet=True)
    page = fitted.model._repr_html_()
    assert name not in page
    assert html.escape(name) in page


def some(samples, rows):
    return {key: value[rows] for key, value in tensors({**TEST, **PRESENT}).items() if key in samples}


@pytest.fixture(scope="module", params=["coral", "comm", "clip", "concat_raw"])
def exported(request, folder):
    """A model of each way to fuse, and the largest difference that rounding makes there."""
    if request.param == "coral":
        return coral_plugin.load(folder, quiet=True)
    return coral_plugin.fit(ARRAYS, request.param, encoders=ENCODERS, **SMALL).model


@pytest.mark.parametrize("keys", [[*TEST], [*TEST, *PRESENT], ["table", "wave"]], ids=["whole", "presence", "left out"])
def test_torch_export_takes_any_batch(exported, keys):
    batch = torch.export.Dim("batch", min=1)
    shapes = ({key: {0: batch} for key in keys},)
    program = torch.export.export(exported, (some(keys, slice(0, 4)),), dynamic_shapes=shapes).module()
    for rows in (slice(1, 8), slice(3, 4)):
        with torch.no_grad():
            torch.testing.assert_close(program(some(keys, rows)), exported(some(keys, rows)), atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("presence", [False, True])
def test_onnx_takes_another_batch_than_it_was_written_with(exported, presence, tmp_path):
    for library in ("onnx", "onnxscript"):
        pytest.importorskip(library)
    runtime = pytest.importorskip("onnxruntime")
    exported.export(tmp_path / "model.onnx", presence=presence)
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    keys = [*TEST, *PRESENT] if presence else [*TEST]
    assert sorted(value.name for value in session.get_inputs()) == sorted(keys)
    inputs = some(keys, slice(0, 7))
    inputs["picture"] = inputs["picture"] / 255
    with torch.no_grad():
        expected = exported(inputs).numpy()
    (z,) = session.run(["representation"], {key: value.numpy() for key, value in inputs.items()})
    difference = float(np.abs(z - expected).max())
    print(f"{exported.settings.objective}: written with 4 samples, run with 7, largest difference {difference:.2g}")
    assert difference < 1e-5
