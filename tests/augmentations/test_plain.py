"""What un-augmented branches get: a plain crop of images, everything else as it is."""

import pytest
import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError

PHOTO = Modality(name="photo", kind="image", shape=(3, 8, 8))
GRAY = Modality(name="gray", kind="image", shape=(1, 8, 12))
SERIES = Modality(name="vision", kind="sequence", shape=(20, 4))
SIGNAL = Modality(name="imu", kind="timeseries", shape=(20, 3))
TABLE = Modality(name="table", kind="tabular", shape=(7,), mean=(0.0,) * 7, std=(2.0,) * 7)
ALL = [SERIES, SIGNAL, TABLE, PHOTO, GRAY]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def make(modalities, size=6):
    values = {m.name: torch.rand(size, *m.shape, generator=gen(i)) for i, m in enumerate(modalities)}
    padding = {m.name: torch.arange(20).expand(size, 20) >= 12 for m in modalities if m.kind == "sequence"}
    for name, mask in padding.items():
        values[name] = values[name].masked_fill(mask.unsqueeze(-1), 0)
    return MultimodalBatch(values, padding, {"label": torch.arange(size)}, torch.arange(size))


def changed(view, batch, name):
    """Which samples differ, ``(B,)``."""
    return (view[name] != batch[name]).flatten(1).any(dim=1)


def test_unaugmented_images_are_cropped_as_in_the_references_and_nothing_else_changes():
    """RandomResizedCrop of 0.5 to 1 of the area (specification 1.8)."""
    batch = make(ALL, size=400)
    plain = build_augmenter("auto", ALL).unaugmented(batch, gen(5))
    for modality in ALL:
        if modality.kind == "image":
            assert changed(plain, batch, modality.name).double().mean() > 0.75
        else:
            assert torch.equal(plain[modality.name], batch[modality.name])
    assert (plain.padding, plain.targets) == (batch.padding, batch.targets)


def test_the_share_that_an_unaugmented_image_keeps():
    """On a ramp over the width a crop shows as the range that is left of it: at least half of the area."""
    ramp = torch.linspace(0, 1, 64).expand(300, 1, 64, 64)
    modality = Modality(name="ramp", kind="image", shape=(1, 64, 64))
    batch = MultimodalBatch({"ramp": ramp})
    left = build_augmenter("auto", [modality]).unaugmented(batch, gen())["ramp"]
    width = (left.amax(dim=(1, 2, 3)) - left.amin(dim=(1, 2, 3))).double()
    # area >= 0.5 and aspect >= 3 / 4: no narrower than sqrt(3 / 8)
    assert width.min() > (3 / 8) ** 0.5 - 0.04
    assert width.max() > 0.95
    assert width.std() > 0.05


def test_unaugmented_branches_by_choice():
    batch = make([PHOTO, SERIES])
    whole = build_augmenter("auto", [PHOTO, SERIES], plain="none").unaugmented(batch, gen())
    assert whole is batch
    chosen = build_augmenter("auto", [PHOTO, SERIES], plain={"photo": "none", "vision": "noise@1"}).unaugmented(
        batch, gen()
    )
    assert torch.equal(chosen["photo"], batch["photo"])
    assert changed(chosen, batch, "vision").all()
    with pytest.raises(InputError, match="resized_cropp"):
        build_augmenter("auto", [PHOTO], plain="resized_cropp")
