import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from coral_plugin.adapters.digits import Digits, DigitsSettings
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.registry import DATASETS


def whole(split, parts):
    """The digits (N, 8, 8) put together again."""
    batch = split.batch(torch.arange(len(split)))
    if parts == "halves":
        return torch.cat([batch["top"], batch["bottom"]], dim=2)[:, 0]
    rows = [torch.cat([batch[f"{row}_left"], batch[f"{row}_right"]], dim=3) for row in ("top", "bottom")]
    return torch.cat(rows, dim=2)[:, 0]


@pytest.mark.parametrize(("parts", "shape"), [("halves", (1, 4, 8)), ("quarters", (1, 4, 4))])
def test_parts_are_the_digits(parts, shape):
    data = Digits.load(None, DigitsSettings(parts=parts))
    assert {m.shape for m in data.modalities} == {shape}
    assert {m.kind for m in data.modalities} == {"image"}
    source = load_digits()
    ours = [
        (*(16 * image).flatten().tolist(), float(label))
        for split in data.splits().values()
        for image, label in zip(whole(split, parts), split.targets["digit"], strict=True)
    ]
    theirs = [(*image.flatten(), float(label)) for image, label in zip(source.images, source.target, strict=True)]
    assert sorted(ours) == sorted(theirs)


def test_split_is_stratified_and_seeded():
    data = Digits.load()
    sizes = {label: len(split) for label, split in data.splits().items()}
    assert sum(sizes.values()) == 1797
    for label, share in (("train", 0.60), ("valid", 0.15), ("test", 0.25)):
        assert abs(sizes[label] / 1797 - share) < 0.002
        counts = torch.bincount(data.splits()[label].targets["digit"], minlength=10)
        wanted = share * np.bincount(load_digits().target)
        assert np.abs(counts.numpy() - wanted).max() < 2
    assert Digits.load().fingerprint == data.fingerprint
    assert Digits.load(None, DigitsSettings(seed=1)).fingerprint != data.fingerprint


def test_statistics_are_those_of_train():
    data = Digits.load()
    values = data.train.batch(torch.arange(len(data.train)))["top"].double()
    top = data.modalities[0]
    assert top.mean == pytest.approx((float(values.mean()),))
    assert top.std == pytest.approx((float(values.std(correction=0)),))
    assert values.min() == 0
    assert values.max() == 1


def test_registered():
    assert DATASETS.get("digits") is Digits
    assert Digits.Settings is DigitsSettings
    assert [(t.name, t.classes) for t in Digits.load().tasks] == [("digit", tuple("0123456789"))]


def test_wrong_settings():
    with pytest.raises(InputError, match="reads no file"):
        Digits.load("digits.npz")
    with pytest.raises(UnknownNameError, match="Did you mean 'halves'"):
        check_choices(DigitsSettings(parts="half"))
    with pytest.raises(InputError, match="seed must be"):
        DigitsSettings(seed=-1)
