"""Values of another scale than the training's are refused or said, from every door."""

import warnings

import numpy as np
import pytest
import torch

import coral_plugin
from coral_plugin import CoralEncoder
from coral_plugin.data import from_arrays, from_loaders
from coral_plugin.data.arrays import as_split
from coral_plugin.data.scale import far_values
from coral_plugin.data.tensors import as_batch
from coral_plugin.errors import InputError

RNG = np.random.default_rng(0)
START = RNG.bit_generator.state
TINY = {"network__width": 16, "network__heads": 2, "network__head_hidden": 16, "network__head_output": 8}


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    RNG.bit_generator.state = START


def pixels(n=6, most=256):
    return RNG.integers(0, most, (n, 1, 8, 8))


def images(values, **options):
    return from_arrays({"train/eye": values}, **options).modalities


def taken(values, modalities):
    return as_split({"eye": values}, modalities).batch(torch.arange(len(values)))["eye"]


@pytest.mark.parametrize("standardise", [True, False])
def test_pixels_are_the_same_image_in_every_type(standardise):
    values = pixels()
    modalities = images(values.astype(np.uint8), standardise=standardise)
    assert modalities[0].bounds == (0, 1)
    wanted = torch.from_numpy(values / 255).float()
    for same in (values, values.astype(">u2"), torch.from_numpy(values), values / 255, (values / 255).astype("f2")):
        assert torch.allclose(taken(same, modalities), wanted, atol=5e-4)


@pytest.mark.parametrize("form", [np.float32, np.float64])
@pytest.mark.parametrize(
    "train", [lambda v: v.astype(np.uint8), lambda v: v / 255, lambda v: (v // 9).astype(np.uint8)]
)
def test_floats_to_255_are_refused_by_a_run_on_pixels(form, train):
    modalities = images(train(pixels()))
    message = (
        r"eye holds floats from .* to 25\d\.?\d*, but the run was trained on images of values from 0 to 1; give bytes"
    )
    with pytest.raises(InputError, match=message) as caught:
        as_split({"eye": pixels().astype(form)}, modalities)
    assert "\n" not in str(caught.value)


def test_other_floats_have_their_own_bounds():
    values = RNG.normal(size=(6, 1, 8, 8))
    modalities = images(values)
    assert modalities[0].bounds == pytest.approx((values.min(), values.max()))
    taken(values * 1.2, modalities)
    with pytest.raises(InputError, match="give them in that scale"):
        taken(values * 9, modalities)
    with pytest.raises(
        InputError, match=r"whole numbers, which are read as pixels in \[0, 1\], but the run was trained"
    ):
        taken(pixels(), modalities)


def test_images_in_0_to_1_are_said_by_a_run_on_floats_to_255():
    values = pixels().astype(np.float32)
    modalities = images(values)
    (note,) = far_values(as_split({"eye": values / 255}, modalities), modalities)
    assert note.startswith("eye: all values lie from 0")
    assert "in train from 0 to 25" in note
    dim, black = values.clip(0, 20), np.zeros_like(values)
    assert all(far_values(as_split({"eye": same}, modalities), modalities) == [] for same in (values, dim, black))


def test_what_absent_samples_hold_has_no_scale():
    values = 200 + RNG.random((6, 1, 8, 8))
    present = np.array([True, False] * 3)
    split = as_split({"eye": values * present[:, None, None, None], "eye/present": present, "b": np.ones((6, 2))},
                     from_arrays({"train/eye": values, "train/b": RNG.normal(size=(6, 2))}).modalities)  # fmt: skip
    assert split.presence()["eye"].tolist() == present.tolist()


KINDS = {
    "words": ("sequence", (40, 5, 3)), "wave": ("timeseries", (40, 5, 2)), "table": ("tabular", (40, 4)),
    "eye": ("image", (40, 1, 8, 8)),
}  # fmt: skip


@pytest.fixture(scope="module")
def every_kind():
    rng = np.random.default_rng(0)
    arrays = {f"train/{name}": rng.random(shape) for name, (_, shape) in KINDS.items()}
    arrays["train/words/length"] = 5 - np.arange(40) % 3
    kinds = {name: kind for name, (kind, _) in KINDS.items()}
    return arrays, coral_plugin.fit(arrays, "concat_raw", kinds=kinds, seeds=41, quiet=True)


@pytest.mark.parametrize("left_out", KINDS)
def test_a_modality_of_any_kind_may_be_left_out(every_kind, left_out):
    arrays, fitted = every_kind
    given = {key.removeprefix("train/"): array for key, array in arrays.items() if left_out not in key}
    assert np.isfinite(fitted.embed(given)).all()
    single = {key: array for key, array in arrays.items() if left_out in key}
    alone = fitted.embed({key.removeprefix("train/"): array for key, array in single.items()})
    assert alone.shape == fitted.embed(given).shape
    assert np.isfinite(alone).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_split_in_which_no_sample_has_a_modality(every_kind, name):
    arrays, _ = every_kind
    test = {key.replace("train/", "test/"): array for key, array in arrays.items()}
    test[f"test/{name}/present"] = np.zeros(40, dtype=bool)
    data = from_arrays({**arrays, **test}, kinds={key: kind for key, (kind, _) in KINDS.items()})
    assert not data.test.columns[name].presence().any()
    assert any(f"{name} in 40" in note for note in data.notes)


def series(n=40, steps=5):
    values = RNG.normal(5, 2, size=(n, steps, 3))
    return values, np.full(n, steps) - np.arange(n) % 3


@pytest.mark.parametrize("standardise", [True, False])
def test_values_far_from_train_are_counted(standardise):
    values, lengths = series()
    table = RNG.normal(size=(40, 2)) * [1, 1e-12]
    arrays = {"train/s": values, "train/s/length": lengths, "train/t": table}
    modalities = from_arrays(arrays, standardise=standardise).modalities
    assert far_values(as_split({"s": values, "s/length": lengths, "t": table}, modalities), modalities) == []
    other = values.copy()
    other[[3, 7], 1, 2], other[7, 0, 1] = 1e6, -2e6
    other[8, 4] = 1e9  # behind the end of a series of three steps
    assert lengths[8] == 3
    (note,) = far_values(as_split({"s": other, "s/length": lengths, "t": table}, modalities), modalities)
    assert "s: 2 of 40 samples hold values more than 100 standard deviations from the mean of train" in note
    assert "(feature 1: -2e+06, in train " in note


def test_rare_large_values_of_train_itself_are_no_other_scale():
    values = np.zeros((20_000, 1))
    values[::2], values[7] = 1, 1e4
    modalities = from_arrays({"train/a": values}).modalities
    assert (values.max() - values.mean()) / values.std() > 100
    assert far_values(as_split({"a": values}, modalities), modalities) == []
    assert len(far_values(as_split({"a": values * 3}, modalities), modalities)) == 1


def test_a_test_split_of_another_scale_is_said():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(30, 2))
    arrays = {"train/a": train, "test/a": 1000 + rng.normal(size=(30, 2))}
    (note,) = (line for line in from_arrays(arrays).notes if "standard" in line)
    assert note.startswith("test, a: 30 of 30 samples")
    assert from_arrays({**arrays, "test/a": arrays["train/a"]}).notes == ()

    def loader(values):
        return [(torch.from_numpy(values), torch.arange(30) % 2)]

    loaders = [loader(arrays[f"{split}/a"]) for split in ("train", "train", "test")]
    assert "test, modality0: 30 of 30 samples" in from_loaders(*loaders).notes[-1]


@pytest.mark.parametrize("quiet", [True, False])
def test_embedding_says_so(quiet):
    train = {"a": RNG.normal(size=(30, 4)), "b": RNG.normal(size=(30, 3))}
    fitted = coral_plugin.Fitted(coral_plugin.fit(train, epochs=1, quiet=True, **TINY).run, quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.embed(train)
    with pytest.warns(UserWarning, match="b: 30 of 30 samples hold values more than 100 standard deviations"):
        fitted.embed({**train, "b": train["b"] * 1e4})


def test_the_estimator_warns_of_what_it_decides():
    series = RNG.normal(size=(20, 6, 3))
    series[::2, 4:] = 0
    with pytest.warns(
        UserWarning, match="s: 10 of 20 samples of train end with rows of zeros, which are taken for pad"
    ):
        CoralEncoder(epochs=1, width=8, random_state=0).fit({"s": series, "t": RNG.normal(size=(20, 2))})


def test_the_estimator_warns():
    values = RNG.normal(size=(30, 6))
    encoder = CoralEncoder(epochs=1, width=8, random_state=0).fit(values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(values)
    with pytest.warns(UserWarning, match="second: 30 of 30 samples hold values more than 100 standard"):
        encoder.transform(values * np.array([1, 1, 1, 1, 1, 1e5]))


def test_digits_that_are_lost_are_refused_in_every_form():
    """UNIX time in 32 bits moves in steps of 128 s."""
    train = 1.7e9 + np.arange(40.0)[:, None] * 10
    with pytest.raises(InputError, match=r"a holds values whose differences .* give it as float64, got float32"):
        from_arrays({"train/a": train, "test/a": train.astype(np.float32)})
    modalities = from_arrays({"train/a": train, "test/a": train[:5]}).modalities
    with pytest.raises(InputError, match="give it as float64, got float32"):
        as_split({"a": train.astype(np.float32)}, modalities)
    assert as_split({"a": train.astype(np.int64)}, modalities).columns["a"].values.unique().numel() == 40


@pytest.mark.parametrize(
    ("train", "given", "message"),
    [
        ("floats to 255", torch.uint8, "holds whole numbers, which are read as pixels"),
        ("bytes", torch.float32, "holds floats from"),
    ],
)
def test_tensors_of_another_scale_are_refused_as_arrays_are(train, given, message):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4), dtype=np.uint8)
    data = from_arrays({"train/a": pixels if train == "bytes" else pixels.astype(np.float32) + 0.5})
    tensor = torch.from_numpy(pixels).to(given)
    with pytest.raises(InputError, match=message):
        as_batch({"a": tensor}, data.modalities)
    with pytest.raises(InputError, match=message):
        as_split({"a": tensor.numpy()}, data.modalities)


def test_masks_of_true_and_false_are_ones_and_zeros_in_tensors_too():
    mask = np.random.default_rng(0).random((8, 1, 4, 4)) < 0.5
    data = from_arrays({"train/a": mask})
    held = as_batch({"a": torch.from_numpy(mask)}, data.modalities)["a"]
    assert torch.equal(held, as_split({"a": mask}, data.modalities).columns["a"].values)
    assert held.max() == 1
