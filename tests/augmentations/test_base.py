"""What an augmentation declares, how a declaration is held to its function, and that all of ours keep the contract."""

import math
import pickle
from importlib.metadata import EntryPoint

import pytest
import torch

from coral_plugin.augmentations import NOT_NEGATIVE, augmentation, build_augmenter, sequences
from coral_plugin.augmentations.base import ABOVE_ZERO
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError, PluginError
from coral_plugin.registry import AUGMENTATIONS
from coral_plugin.testing import check_augmentation

PHOTO = Modality(name="photo", kind="image", shape=(3, 8, 8))
TABLE = Modality(name="table", kind="tabular", shape=(7,))
DRAW_NOTHING = {"none", "flip", "grayscale", "negate"}


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@augmentation("image", bounds={"degrees": (-45.0, 45.0), "gain": (ABOVE_ZERO, 4.0), "shift": NOT_NEGATIVE})
def tilt(values, lengths, generator, *, degrees=(-10.0, 10.0), gain=1.0, shift=0.0, free=-1.0):
    """Brighter."""
    return (gain * values + shift).clamp(0, 1)


@pytest.fixture
def registered():
    AUGMENTATIONS.add("tilt", tilt)
    yield
    AUGMENTATIONS.remove("tilt")


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_registered_one_keeps_the_contract(name):
    check_augmentation(name)
    entry = AUGMENTATIONS.get(name)
    shape, lengths = ((2, 3, 64, 64), None) if "image" in entry.kinds else ((4, 12, 6), torch.full((4,), 12))
    values = torch.rand(shape, generator=gen())
    same = torch.equal(entry(values, lengths, gen(1)), entry(values, lengths, gen(2)))
    assert same is (name in DRAW_NOTHING)


def test_bounds_are_those_of_the_declaration(registered):
    batch = MultimodalBatch({"photo": torch.rand(5, 3, 8, 8)})
    view = build_augmenter("tilt(degrees=(-10, 10), gain=0.5, free=-1e3)@1", [PHOTO])(batch)
    assert torch.equal(view["photo"], 0.5 * batch["photo"])


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("degrees=(-50, 0)", "two numbers, the lesser first, from -45 to 45, got (-50, 0)"),
        ("degrees=(10, -10)", "two numbers, the lesser first, from -45 to 45"),
        ("gain=0", "one number, above 0, at most 4, got 0"),
        ("shift=-1", "one number, not negative, got -1"),
        ("free=(1, 2)", "one number, got (1, 2)"),
        ("free=1e9", "one number, got 1000000000.0"),
    ],
)
def test_values_out_of_bounds_are_refused(registered, setting, wanted):
    with pytest.raises(InputError) as caught:
        build_augmenter(f"tilt({setting})", [PHOTO])
    assert f"Setting {setting.partition('=')[0]} of augmentation 'tilt' needs {wanted}" in str(caught.value)


def test_it_applies_to_the_kinds_that_it_declares(registered):
    with pytest.raises(InputError, match=r"'tilt' does not apply to modality 'table' \(tabular, 7\); these do: crop"):
        build_augmenter("tilt", [TABLE])
    with pytest.raises(InputError, match="'tilt' does not apply to modality 'table'"):
        build_augmenter({"table": tilt}, [TABLE])


def test_one_from_python_needs_no_name_and_has_its_probability():
    augmenter = build_augmenter({"photo": tilt}, [PHOTO])
    assert augmenter.describe() == {"photo": "tilt@0.5"}
    batch = MultimodalBatch({"photo": torch.rand(5, 3, 8, 8)})
    assert torch.equal(augmenter(batch, gen())["photo"], batch["photo"]), "a gain of 1"


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (lambda f: augmentation()(f), "must declare one or more kinds"),
        (lambda f: augmentation("video")(f), "must declare one or more kinds"),
        (lambda f: augmentation("image", bounds={"angle": (0, 1)})(f), "no keyword-only parameter angle"),
        (lambda f: augmentation("image", bounds={"size": (2, 3)})(f), "the default of size"),
        (lambda f: augmentation("image", bounds={"size": (9, 1)})(f), r"bounds of size must be \(least, greatest\)"),
        (lambda f: augmentation("image", probability=3)(f), "probability must be from 0 to 1, got 3"),
        (lambda f: augmentation("image", probability=math.nan)(f), "probability must be from 0 to 1, got nan"),
        (lambda _: augmentation("image")(lambda v, lengths, generator, gain=1.0: v), "gain must be keyword-only"),
    ],
)
def test_a_declaration_that_does_not_fit_its_function_is_refused(declaration, message):
    def function(values, lengths, generator, *, size=1.0):
        return values

    with pytest.raises(ValueError, match=message):
        declaration(function)


def test_a_setting_without_a_number_as_default_is_refused():
    for default in (None, "x", True, (1, 0), math.nan):

        def function(values, lengths, generator, *, size=default):
            return values

        with pytest.raises(ValueError, match="the default of size"):
            augmentation("image")(function)


def test_it_is_pickled_by_name():
    """Several processes get the augmenter of the run."""
    assert pickle.loads(pickle.dumps(sequences.drop)) is sequences.drop
    augmenter = pickle.loads(pickle.dumps(build_augmenter("noise", [TABLE])))
    batch = MultimodalBatch({"table": torch.rand(5, 7)})
    assert torch.equal(augmenter(batch, gen())["table"], build_augmenter("noise", [TABLE])(batch, gen())["table"])


def test_what_is_no_augmentation_is_refused_by_name(monkeypatch):
    point = EntryPoint("bare", "builtins:len", AUGMENTATIONS.group)
    monkeypatch.setattr(AUGMENTATIONS, "_points", lambda: {"bare": [point]})
    with pytest.raises(PluginError, match=r"'bare' .* is no augmentation: it has no kinds, bounds"):
        build_augmenter("bare", [PHOTO])
