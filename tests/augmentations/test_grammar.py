"""What a specification may say, and the one line that answers a wrong one."""

import pytest

from coral_plugin.augmentations import build_augmenter
from coral_plugin.augmentations.grammar import parse
from coral_plugin.data import Modality
from coral_plugin.errors import InputError, UnknownNameError

VISION = Modality(name="vision", kind="sequence", shape=(20, 4))
TEXT = Modality(name="text", kind="sequence", shape=(30, 5))
PHOTO = Modality(name="photo", kind="image", shape=(3, 8, 8))


@pytest.mark.parametrize("text", ["noise(std=1e+1)+drop", " noise( std = 10.0 ) + drop ", "noise(std=10.)+drop()"])
def test_blanks_and_signs_inside_of_settings(text):
    elements, choice = parse(text)
    assert [(e.name, e.settings, e.probability) for e in elements] == [
        ("noise", {"std": 10.0}, None),
        ("drop", {}, None),
    ]
    assert not choice


def test_one_number_stands_for_both_ends():
    (element,), _ = parse("drop(fraction=0.2)@1e-1")
    assert element.arguments(element.find(VISION)) == {"fraction": (0.2, 0.2)}
    assert element.probability == 0.1
    (element,), _ = parse("resized_crop(scale=(0.5, 1), ratio=[1, 1])")
    assert element.arguments(element.find(PHOTO)) == {"scale": (0.5, 1.0), "ratio": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("simclr", "'simclr' does not apply to modality 'vision'.*these do: channel_drop, crop, drop"),
        ("rotate", "'rotate' does not apply to modality 'vision'"),
        ("noise+", "Cannot read ''"),
        ("drop noise", "Cannot read 'drop noise'"),
        ("noise+drop|none", "mixes"),
        ("noise@0.3|none", "leave out the probabilities"),
        ("noise@1.5", "from 0 to 1"),
        ("noise@half", "from 0 to 1"),
        ("noise(0.3)", "key=value"),
        ("noise(std=)", "key=value"),
        ("noise(std=open('x'))", "key=value"),
        ("noise(sdt=1)", "'sdt'. Did you mean 'std'"),
        ("permute(std=1)", "'std'. Known: none"),
        ("noise(std='big')", "needs one number, not negative"),
        ("noise(std=(1, 2))", "needs one number"),
        ("noise(std=True)", "needs one number"),
        ("noise(std=-1)", "not negative"),
        ("drop(fraction=1.5)", "from 0 to 1"),
        ("drop(fraction=(0.8, 0.1))", "lesser first"),
        ({"sight": "noise"}, "modality sight, but there are vision, text"),
        ({"vision": 3}, "must be a text or a function"),
        ({"vision": "multi_drop"}, "nothing to share"),
        (["noise"], "a text or a mapping"),
    ],
)
def test_wrong_specifications(spec, message):
    with pytest.raises(InputError, match=message):
        build_augmenter(spec, [VISION, TEXT])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pose(zoom=(0, 1))", "two numbers, the lesser first, above 0, got"),
        ("spectrogram_warp(time=0)", "two numbers, the lesser first, above 0, got 0"),
        ("spectrogram_warp(frequency=(2, 1))", "the lesser first, above 0"),
        ("spectrogram_warp(delay=2)", "one number, from 0 to 1, got 2"),
        ("spectrogram_warp(offset=-0.1)", "one number, from 0 to 1"),
        ("spectrogram_warp(tempo=1)", "'tempo'. Known: delay, frequency, offset, time"),
    ],
)
def test_wrong_specifications_of_images(spec, message):
    with pytest.raises(InputError, match=message):
        build_augmenter(spec, [PHOTO])


def test_unknown_name_suggests_one():
    with pytest.raises(UnknownNameError, match=r"Unknown augmentation 'nois'\. Did you mean 'noise'\?"):
        build_augmenter("nois", [VISION])
