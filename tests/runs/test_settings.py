"""Settings of a run: defaults, presets, saving and reading back."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
import yaml

from coral_plugin.data import DatasetAdapter
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.settings import from_dict, make_settings


def test_the_papers_preset_is_the_default():
    settings = make_settings("coral", "digits")
    assert (settings.preset, settings.seeds) == ("paper", (41,))
    assert (settings.method.orthogonality, settings.method.masking) == ("cosine", "increasing")


def test_the_released_preset_differs_where_the_code_does():
    method = make_settings("coral", "digits", preset="released").method
    assert (method.orthogonality, method.orthogonality_weight) == ("squared_cosine", 10.0)
    assert (method.masking, method.mask_ratio, method.mask_partition) == ("constant", 0.75, "fixed")


def test_chosen_values_win_over_the_preset():
    settings = make_settings("coral", "digits", preset="released", method__mask_ratio=0.5, training__epochs=3)
    assert (settings.method.mask_ratio, settings.training.epochs) == (0.5, 3)


def test_saved_settings_are_read_back_the_same():
    settings = make_settings(
        "coral", "digits", seeds=(1, 2), augmentations={"top": "noise"}, network__encoders={"top": "small_conv"}
    )
    assert from_dict(yaml.safe_load(settings.to_yaml())) == settings


@pytest.mark.parametrize(
    ("seeds", "plain"),
    [
        (41, (41,)),
        (np.int64(41), (41,)),
        (range(41, 44), (41, 42, 43)),
        (np.arange(2, dtype=np.uint8), (0, 1)),
        ([np.int32(3), 4], (3, 4)),
        (torch.tensor([3, 4]), (3, 4)),
        (np.array(3), (3,)),
        ((seed for seed in (5, 6)), (5, 6)),
    ],
)
def test_seeds_come_in_many_forms(seeds, plain):
    settings = make_settings("coral", "digits", seeds=seeds)
    assert settings.seeds == plain
    assert from_dict(yaml.safe_load(settings.to_yaml())) == settings


@pytest.mark.parametrize(
    "seeds", ["41", 41.0, True, (1.0,), (np.float64(1),), [True], {1: 2}, None, np.array([0.5]), np.ones((2, 2), int)]
)
def test_seeds_that_are_no_whole_numbers(seeds):
    with pytest.raises(InputError, match="Seeds must be whole numbers") as caught:
        make_settings("coral", "digits", seeds=seeds)
    assert "\n" not in str(caught.value)


def test_a_tilde_in_the_path_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = make_settings("coral", "arrays", data="~/data/x.npz")
    assert settings.data == f"{tmp_path}/data/x.npz"
    assert dataclasses.replace(settings, data="~/y.npz").data == f"{tmp_path}/y.npz"
    assert make_settings("coral", "arrays", data="data/~x/y.npz").data == "data/~x/y.npz"


def test_every_default_is_in_the_saved_text():
    saved = yaml.safe_load(make_settings("coral", "digits").to_yaml())
    assert saved["method"]["mask_stages"] == [0.05, 0.35, 0.55, 0.75]
    assert saved["training"]["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"objective": "corall"}, UnknownNameError, "Did you mean 'coral'"),
        ({"dataset": "digit"}, UnknownNameError, "Did you mean 'digits'"),
        ({"preset": "papers"}, UnknownNameError, "Did you mean 'paper'"),
        ({"method__mask_ration": 0.5}, UnknownNameError, "Did you mean 'mask_ratio'"),
        ({"method__mask_ratio": 1.5}, InputError, r"shares in \[0, 1\]"),
        ({"seeds": ()}, InputError, "at least one"),
        ({"seeds": (1, 1)}, InputError, "different"),
        ({"seeds": (-1,)}, InputError, "from 0 on"),
    ],
)
def test_wrong_settings_are_refused(arguments, error, match):
    arguments = {"objective": "coral", "dataset": "digits", **arguments}
    with pytest.raises(error, match=match):
        make_settings(**arguments)


@pytest.mark.parametrize(
    ("saved", "match"),
    [
        ({}, "lack 'objective'"),
        ({"objective": "coral", "dataset": "digits", "method": 3}, "must be a mapping"),
        ({"objective": "coral", "dataset": "digits", "sede": [1]}, "Did you mean 'seeds'"),
    ],
)
def test_damaged_saved_settings_are_refused(saved, match):
    with pytest.raises(InputError, match=match):
        from_dict(saved)


def test_a_recipe_says_nothing_of_modalities_that_are_left_out(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Nothing:
        pass

    class WithRecipe(DatasetAdapter):
        name, source, licence, Settings = "with_recipe", "nowhere", "none", Nothing
        recipe: ClassVar = {
            "augmentations": {"a": "noise", "b": "drop"},
            "network.encoders": {"a": "gru", "b": "mlp"},
            "network.width": 16,
        }

    DATASETS.add("with_recipe", WithRecipe)
    try:
        settings = make_settings("coral", "with_recipe", modalities=("b",))
        everything = make_settings("coral", "with_recipe")
    finally:
        DATASETS.remove("with_recipe")
    assert settings.augmentations == {"b": "drop"}
    assert settings.network.encoders == {"b": "mlp"}
    assert settings.network.width == 16
    assert everything.augmentations == WithRecipe.recipe["augmentations"]


def test_unaugmented_branches_are_part_of_the_settings():
    assert make_settings("clip", "trifeature").plain_augmentations == {}
    settings = make_settings("clip", "trifeature", plain_augmentations={"image1": "none"})
    assert from_dict(yaml.safe_load(settings.to_yaml())) == settings
    assert make_settings("clip", "avmnist").plain_augmentations == "none"
    with pytest.raises(InputError, match="plain_augmentations must name modalities"):
        make_settings("clip", "digits", plain_augmentations={1: "none"})


def test_the_small_scales_unaugmented_branches_lose_no_more_than_its_views():
    from coral_plugin.reproduce.trifeature import SMALL

    for condition in ({}, *SMALL.by_pairing.values()):
        chosen = {**SMALL.chosen, **condition}
        assert "crop(scale=(0.6,1.0))" in chosen["augmentations"]
        assert chosen["plain_augmentations"] == "plain_crop(scale=(0.6,1.0))"


def test_one_augmentation_for_all_and_another_for_one_are_not_both_taken():
    with pytest.raises(InputError, match=r"augmentations is 'none' for all modalities; beside wave, name the others"):
        make_settings("coral", "arrays", **{"augmentations": "none", "augmentations.wave": "jitter"})
    with pytest.raises(InputError, match=r"augmentations is 'drop\+noise' for all modalities; beside AAPL"):
        make_settings("coral", "stocks", **{"augmentations.AAPL": "none"})
    chosen = make_settings("coral", "arrays", **{"augmentations.wave": "jitter", "augmentations.body": "none"})
    assert chosen.augmentations == {"wave": "jitter", "body": "none"}
