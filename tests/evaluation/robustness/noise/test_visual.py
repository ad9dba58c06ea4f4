"""Noise on images, each operation against what it says."""

import pytest
import torch

from coral_plugin.augmentations.colour import luma
from coral_plugin.evaluation.robustness.noise import visual


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(40, 3, 12, 18, generator=seeded(5))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_shape_range_and_determinism(channels):
    images = torch.rand(30, channels, 9, 14, generator=seeded(2))
    lengths = torch.ones(30)
    assert torch.equal(visual.visual(images, lengths, 0.0, seeded()), images)
    for level in (0.3, 1.0):
        noised = visual.visual(images, lengths, level, seeded())
        assert noised.shape == images.shape
        assert 0 <= noised.min() <= noised.max() <= 1
        assert torch.equal(noised, visual.visual(images, lengths, level, seeded()))
        assert not torch.equal(noised, visual.visual(images, lengths, level, seeded(1)))


def test_as_many_images_are_left_alone_as_the_level_says():
    images = torch.rand(4000, 3, 6, 6, generator=seeded(2))
    noised = visual.visual(images, torch.ones(4000), 0.05, seeded())
    untouched = (noised == images).flatten(1).all(dim=1).float().mean().item()
    # ten coins; one of the two on colour is not thrown where gray was, a flip or pepper may change nothing
    assert 0.95**10 - 0.03 < untouched < 0.95**10 + 0.05


def test_at_level_one_everything_is_gray(images):
    noised = visual.visual(images, torch.ones(40), 1.0, seeded())
    assert torch.allclose(noised[:, 0], noised[:, 1])
    assert torch.allclose(noised[:, 0], noised[:, 2])


def test_contrast_is_halved(images):
    changed = visual.low_contrast(images)
    pixel = images[0, :, 0, 0] - images[0, :, 3, 4]
    assert torch.allclose(changed[0, :, 0, 0] - changed[0, :, 3, 4], pixel / 2, atol=1e-6)
    gray = luma(images)
    assert torch.allclose(luma(changed).mean(dim=(1, 2, 3)), gray.mean(dim=(1, 2, 3)), atol=1e-5)


def test_colour_is_for_three_channels_only(images):
    one = images[:, :1]
    assert torch.equal(visual.tint(one, seeded()), one)
    assert torch.equal(visual.white_balance(one, seeded()), one)
    tinted = visual.tint(images, seeded()) - 0.7 * images
    kinds = {tuple(round(v, 3) for v in row) for row in (tinted.mean(dim=(2, 3)) / 0.3).tolist()}
    assert kinds == {(1.0, 0.0, 0.0), (0.0, 0.502, 0.0), (0.0, 0.0, 1.0)}
    ratio = (visual.white_balance(images, seeded()) / images.clamp(min=1e-6)).flatten(2).median(dim=2).values
    assert ratio.max() <= 1 + 1e-5
    assert len({tuple(row) for row in (ratio * 1000).round().tolist()}) > 8


def test_black_bodies_get_bluer():
    colours = visual.black_body(torch.arange(1000.0, 10001.0, 500.0))
    assert (colours[1:, 2] >= colours[:-1, 2]).all()
    assert (colours[1:, 0] <= colours[:-1, 0]).all()
    assert colours[0, 2] == 0
    assert colours[0, 0] == 1
    assert torch.allclose(visual.black_body(torch.tensor([6600.0])), torch.ones(1, 3, dtype=torch.float64), atol=0.02)


def test_salt_and_pepper_share():
    half = torch.full((10, 3, 60, 60), 0.5)
    noised = visual.salt_and_pepper(half, 0.4, seeded())
    assert torch.equal(noised[:, 0], noised[:, 2])
    assert (noised == 1).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (noised == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (visual.salt_and_pepper(half, 1.0, seeded()) != 0.5).all()


def test_gaussian_deviation():
    half = torch.full((10, 3, 60, 60), 0.5)
    noised = visual.gaussian(half, 0.1, seeded())
    assert noised.std().item() == pytest.approx(0.1, rel=0.03)


def test_moves_keep_what_they_should(images):
    assert torch.equal(visual.mirrored(visual.mirrored(images, seeded()), seeded()), images)
    ones = torch.ones(50, 1, 30, 30)
    turned = visual.turned(ones, seeded())
    assert torch.allclose(turned[:, :, 10:20, 10:20], ones[:, :, 10:20, 10:20])
    assert turned[:, :, 0, 0].min() < 0.1
    assert torch.allclose(visual.cropped(ones, seeded()), ones)
    ramp = torch.linspace(0, 1, 50).view(1, 1, 1, 50).expand(20, 1, 40, 50)
    cropped = visual.cropped(ramp, seeded())
    slope = cropped[:, 0, 20, 30] - cropped[:, 0, 20, 10]
    assert torch.allclose(slope, torch.full((20,), visual.CROP * 20 / 49), atol=1e-4)
