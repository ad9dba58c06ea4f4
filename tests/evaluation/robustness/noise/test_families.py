"""Which noise a modality gets, and what it leaves alone."""

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.evaluation.robustness.noise.families import FAMILIES, Noise, add_noise, noise_by_modality

SCALED = {"mean": (10.0, -4.0), "std": (2.0, 0.5)}
MODALITIES = {
    "vision": Modality(name="vision", kind="sequence", shape=(6, 2), **SCALED),
    "text": Modality(name="text", kind="sequence", shape=(6, 2), **SCALED),
    "audio": Modality(name="audio", kind="timeseries", shape=(60, 1)),
    "photo": Modality(name="photo", kind="image", shape=(3, 8, 8)),
    "table": Modality(name="table", kind="tabular", shape=(2,), **SCALED),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of(modality, count=5, **more):
    values = torch.rand(count, *modality.shape, generator=seeded(1))
    return MultimodalBatch({modality.name: values}, **more)


def test_defaults_by_kind_and_name():
    chosen = noise_by_modality(list(MODALITIES.values()))
    assert {name: noise.family for name, noise in chosen.items()} == {
        "vision": "timeseries", "text": "text", "audio": "audio", "photo": "visual", "table": "tabular",
    }  # fmt: skip
    assert {noise.origin for noise in chosen.values()} == {"own"}
    features = Modality(name="audio", kind="sequence", shape=(6, 74))
    spectrogram = Modality(name="audio", kind="image", shape=(1, 28, 28))
    assert noise_by_modality([features])["audio"].family == "timeseries"
    assert noise_by_modality([spectrogram])["audio"].family == "audio"


def test_named_families_and_somebody_elses():
    theirs = Noise(family="timeseries", origin="theirs", apply=lambda values, *_: values + 1, scaled=False)
    chosen = noise_by_modality(
        list(MODALITIES.values()),
        "text=timeseries, audio=text",
        lambda family, modality: theirs if family == "timeseries" else f"not for {modality.name}",
    )
    assert chosen["text"] is theirs
    assert chosen["vision"] is theirs
    assert (chosen["audio"].family, chosen["audio"].origin) == ("text", "own (not for audio)")
    batch = batch_of(MODALITIES["vision"])
    assert torch.equal(add_noise(theirs, MODALITIES["vision"], batch, 0.5, seeded()), batch["vision"] + 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("visoin=text", "Did you mean 'vision'"),
        ("vision=txt", "Did you mean 'text'"),
        ("vision", "MODALITY=FAMILY"),
        ("vision=text,vision=audio", "twice"),
        ("vision=visual", "visual noise is for modalities of kind image; vision is of kind sequence: take text"),
        ("table=audio", "take tabular"),
    ],
)
def test_refused(spec, message):
    with pytest.raises(InputError, match=message):
        noise_by_modality(list(MODALITIES.values()), spec)


@pytest.mark.parametrize("name", list(MODALITIES))
@pytest.mark.parametrize("level", [0.0, 0.4])
def test_level_zero_is_the_same_tensor_and_the_rest_is_drawn_from_the_generator(name, level):
    modality = MODALITIES[name]
    noise, batch = noise_by_modality([modality])[name], batch_of(modality, 20)
    noised = add_noise(noise, modality, batch, level, seeded())
    if level == 0:
        assert noised is batch[name]
    else:
        assert noised.dtype == batch[name].dtype
        assert torch.equal(noised, add_noise(noise, modality, batch, level, seeded()))
        assert not torch.equal(noised, batch[name])


@pytest.mark.parametrize("family", ["timeseries", "text", "audio"])
def test_padding_absent_samples_and_what_is_not_hit_stay_bit_for_bit(family):
    modality = MODALITIES["vision"]
    padding = torch.arange(6) >= torch.tensor([6, 3, 1, 4, 6])[:, None]
    present = torch.tensor([True, True, True, True, False])
    batch = batch_of(modality, padding={"vision": padding}, present={"vision": present})
    batch["vision"][4] = torch.nan
    noise = noise_by_modality([modality], f"vision={family}")["vision"]
    noised = add_noise(noise, modality, batch, 1.0, seeded())
    assert torch.equal(noised[:4][padding[:4]], batch["vision"][:4][padding[:4]])
    assert noised[4].isnan().all()
    few = add_noise(noise, modality, batch, 0.05, seeded(3))[:4]
    assert (few == batch["vision"][:4]).float().mean() > 0.2


def test_dropped_is_the_mean_of_train_but_a_lost_word_is_zero():
    vision, text, table = (MODALITIES[name] for name in ("vision", "text", "table"))
    noises = noise_by_modality([vision, text, table])
    dropped = add_noise(noises["vision"], vision, batch_of(vision), 1.0, seeded())
    assert torch.allclose(dropped, torch.tensor(vision.mean).expand_as(dropped))
    rows = add_noise(noises["table"], table, batch_of(table), 1.0, seeded())
    assert torch.allclose(rows, torch.tensor(table.mean).expand_as(rows))
    assert not add_noise(noises["text"], text, batch_of(text), 1.0, seeded()).any()


def test_a_spectrogram_is_noised_along_its_columns():
    modality = Modality(name="audio", kind="image", shape=(2, 5, 40))
    batch = MultimodalBatch({"audio": torch.full((200, 2, 5, 40), 0.5)})
    noised = add_noise(noise_by_modality([modality])["audio"], modality, batch, 0.9, seeded())
    dropped = (noised == 0).flatten(1, 2)  # (B, C * H, W)
    assert dropped.any()
    assert torch.equal(dropped.any(dim=1), dropped.all(dim=1))


def test_every_family_says_what_it_does():
    assert all(entry.description and entry.kinds for entry in FAMILIES.values())


@pytest.mark.parametrize("lay", [lambda x: 255 * x, lambda x: 2 * x - 1], ids=["0 to 255", "-1 to 1"])
def test_noise_on_images_does_not_depend_on_the_scale_of_their_floats(lay):
    photo = MODALITIES["photo"]
    images = torch.rand(40, 3, 8, 8, generator=seeded(1))
    images[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    wide = Modality(name="photo", kind="image", shape=(3, 8, 8), bounds=tuple(lay(images[0, 0, 0, :2]).tolist()))
    theirs = Noise(family="visual", origin="x", apply=lambda x, *_: torch.where(x > 0.5, 1 - x, x), scaled=False)
    for noise in (noise_by_modality([photo])["photo"], theirs):
        expected = add_noise(noise, photo, MultimodalBatch({"photo": images}), 0.1, seeded())
        noised = add_noise(noise, wide, MultimodalBatch({"photo": lay(images)}), 0.1, seeded())
        torch.testing.assert_close(noised, lay(expected), rtol=1e-4, atol=1e-4)
        untouched = (expected == images).flatten(1).all(dim=1)
        assert torch.equal(noised[untouched], lay(images)[untouched])
        assert noise is theirs or 5 < untouched.sum() < 30


def test_an_image_beyond_the_range_of_train_is_left_as_it_is_where_no_coin_hits_it():
    photo = MODALITIES["photo"]
    images = 3 * torch.rand(200, 3, 8, 8, generator=seeded(1))
    noised = add_noise(noise_by_modality([photo])["photo"], photo, MultimodalBatch({"photo": images}), 0.1, seeded())
    untouched = (noised == images).flatten(1).all(dim=1).sum()
    assert 0.9**10 - 0.12 < untouched / 200 < 0.9**10 + 0.15
