"""Image augmentations against per-pixel oracles: colorsys, a direct convolution, and torch's own resize."""

import colorsys
import math

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.augmentations import colour as C
from coral_plugin.augmentations import images as I
from coral_plugin.augmentations.sequences import noise
from coral_plugin.errors import InputError


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(batch=4, channels=3, height=12, width=10):
    return torch.rand(batch, channels, height, width, generator=gen(7))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_colour_needs_three_channels_but_the_recipe_does_not(channels):
    images = pictures(channels=channels)
    assert I.simclr(images, None, gen()).shape == images.shape
    for function in (C.color_jitter, C.grayscale):
        with pytest.raises(InputError, match="3 channels"):
            function(images, None, gen())


def test_sampling_agrees_with_cropping_and_resizing():
    images = pictures(2, 3, 16, 12)
    corner = [torch.full((2,), part) for part in (3 / 12, 4 / 16, 6 / 12, 8 / 16)]
    expected = F.interpolate(images[:, :, 4:12, 3:9], size=(16, 12), mode="bilinear", align_corners=False)
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # at its border a crop cannot see its neighbours
    torch.testing.assert_close(I._sample(images, *corner)[inner], expected[inner])
    left, top, width, height = corner
    mirrored = I._sample(images, left + width, top, -width, height)
    torch.testing.assert_close(mirrored[inner], expected.flip(-1)[inner])


def test_boxes_have_the_areas_and_ratios_asked_for():
    left, top, width, height = I._boxes(torch.empty(5000, 3, 20, 40), gen(), (0.08, 1.0), (3 / 4, 4 / 3))
    for start, side in ((left, width), (top, height)):
        assert start.min() >= 0
        assert (start + side).max() <= 1 + 1e-6
    whole = (width == 1) & (height == 1)
    aspect = (2 * width / height)[~whole]
    assert aspect.min() >= 3 / 4 - 1e-5
    assert aspect.max() <= 4 / 3 + 1e-5
    area = (width * height)[~whole]
    assert area.min() >= 0.08 - 1e-5
    # within a wide image most tries fit only below 4/3 * 1/2 of the area
    assert area.max() <= 2 / 3 + 1e-5
    square = I._boxes(torch.empty(5000, 3, 8, 8), gen(), (0.5, 0.5), (1.0, 1.0))
    torch.testing.assert_close(square[2], torch.full((5000,), math.sqrt(0.5)))
    assert square[0].mean().item() == pytest.approx((1 - math.sqrt(0.5)) / 2, rel=0.03)


def test_a_box_that_never_fits_is_the_whole_image():
    images = pictures()
    torch.testing.assert_close(I.resized_crop(images, None, gen(), scale=(1.0, 1.0), ratio=(3.0, 3.0)), images)


def test_flip_is_left_right():
    images = pictures()
    assert torch.equal(I.flip(images, None, None)[..., 0], images[..., -1])


def shift_hue(pixel, turn):
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.07, 0.4])
def test_hue_against_colorsys(turn):
    images = pictures(2, 3, 5, 6).double()
    images[0, :, 0, :4] = torch.tensor([[0, 1, 0.5, 1], [0, 1, 0.5, 0], [0, 1, 0.5, 1]])  # gray and pure colours
    result = C.turn_hue(images, torch.full((2,), turn, dtype=torch.float64))
    for b in range(2):
        for i in range(5):
            for j in range(6):
                expected = torch.tensor(shift_hue(images[b, :, i, j].tolist(), turn), dtype=torch.float64)
                torch.testing.assert_close(result[b, :, i, j], expected)


def test_brightness_contrast_saturation_pixel_by_pixel():
    images = pictures(2, 3, 4, 4).double()
    bright, contrast, saturation = (torch.tensor(f, dtype=torch.float64) for f in ([1.3, 0.7], [0.6, 1.4], [1.4, 0.6]))
    result = C.adjust(images, bright, contrast, saturation, torch.zeros(2))

    def gray(pixel):
        return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]

    def cut(x):
        return min(max(x, 0.0), 1.0)

    for b in range(2):
        pixels = [[cut(v * bright[b].item()) for v in p] for p in images[b].flatten(1).T.tolist()]
        mean = sum(map(gray, pixels)) / len(pixels)
        pixels = [[cut(mean + contrast[b].item() * (v - mean)) for v in p] for p in pixels]
        pixels = [[cut(gray(p) + saturation[b].item() * (v - gray(p))) for v in p] for p in pixels]
        torch.testing.assert_close(result[b].flatten(1).T, torch.tensor(pixels, dtype=torch.float64))


def test_jitter_of_strength_zero_and_grayscale():
    images = pictures()
    same = C.color_jitter(images, None, gen(), brightness=0, contrast=0, saturation=0, hue=0)
    torch.testing.assert_close(same, images, atol=1e-6, rtol=0)
    gray = C.grayscale(images, None, None)
    assert torch.equal(gray[:, 0], gray[:, 2])
    torch.testing.assert_close(gray[:, :1], C.luma(images))


def test_blur_against_a_direct_convolution():
    images = pictures(2, 2, 9, 8).double()
    sigma = torch.tensor([0.4, 1.1], dtype=torch.float64)
    greatest = 1.2 * 224 / 8
    result = I.gaussian_blur(images, sigma, greatest)
    reach = 4  # ceil(3 * 1.2)
    for b in range(2):
        weight = [math.exp(-(k**2) / (2 * sigma[b].item() ** 2)) for k in range(-reach, reach + 1)]
        weight = [w / sum(weight) for w in weight]
        for i in range(9):
            for j in range(8):
                expected = sum(
                    weight[u + reach] * weight[v + reach] * images[b, :, min(max(i + u, 0), 8), min(max(j + v, 0), 7)]
                    for u in range(-reach, reach + 1)
                    for v in range(-reach, reach + 1)
                )
                torch.testing.assert_close(result[b, :, i, j], expected)


def test_blur_of_images_with_the_channels_innermost():
    images = pictures()
    inside = images.contiguous(memory_format=torch.channels_last)
    sigma = torch.full((len(images),), 0.7)
    torch.testing.assert_close(I.gaussian_blur(inside, sigma, 2.0), I.gaussian_blur(images, sigma, 2.0))


def test_blur_of_width_zero_is_the_image():
    images = pictures()
    assert torch.equal(I.gaussian_blur(images, torch.zeros(4), 2.0), images)


def test_noise_has_the_right_spread():
    draw = noise(torch.full((20, 3, 32, 32), 0.5), None, gen(), std=0.05) - 0.5
    assert draw.std().item() == pytest.approx(0.05, rel=0.02)


def test_recipe_applies_each_part_with_its_probability(monkeypatch):
    seen = {}
    blur = I.gaussian_blur

    def spy(images, sigma, greatest):
        seen["sigma"] = sigma
        return blur(images, sigma, greatest)

    monkeypatch.setattr(I, "gaussian_blur", spy)
    monkeypatch.setattr(I, "_sample", lambda images, left, top, width, height: seen.update(width=width) or images)
    images = torch.rand(4000, 3, 2, 2, generator=gen(1))
    result = I.simclr(images, None, gen())
    assert (seen["sigma"] == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert seen["sigma"].max() <= 2 * 2 / 224
    assert (seen["width"] < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    gray = (result - C.luma(result)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert gray.float().mean().item() == pytest.approx(0.2, abs=0.03)
    same = (result - images).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert same.float().mean().item() == pytest.approx(0.2 * 0.8, abs=0.03)


def test_pose_that_moves_nothing_keeps_the_image():
    images = pictures()
    assert torch.allclose(I.pose(images, None, gen(1), degrees=0, fraction=0, zoom=(1, 1)), images, atol=1e-5)


@pytest.mark.parametrize(("quarters", "height", "width"), [(1, 9, 9), (-1, 9, 9), (2, 12, 10)])
def test_pose_turns_about_the_middle(monkeypatch, quarters, height, width):
    images = pictures(height=height, width=width).double()
    draws = iter([quarters * math.pi / 2, 0.0])  # angle, then the logarithm of the enlargement
    monkeypatch.setattr(I, "uniform", lambda count, *_: torch.full((count,), next(draws), dtype=torch.float64))
    turned = I.pose(images, None, gen(1), degrees=180, fraction=0)
    assert torch.allclose(turned, torch.rot90(images, quarters, (-2, -1)), atol=1e-6)


def test_pose_keeps_angles_of_an_image_that_is_not_square(monkeypatch):
    """A square of pixels turned by 45 degrees stays a square: its mass does not change."""
    images = torch.zeros(1, 1, 40, 80, dtype=torch.float64)
    images[:, :, 15:25, 35:45] = 1
    draws = iter([math.pi / 4, 0.0])
    monkeypatch.setattr(I, "uniform", lambda count, *_: torch.full((count,), next(draws), dtype=torch.float64))
    turned = I.pose(images, None, gen(1), degrees=45, fraction=0)
    assert turned.sum() == pytest.approx(100, rel=0.01)
    extent = (turned[0, 0] > 0.5).nonzero()
    assert (extent.max(dim=0).values - extent.min(dim=0).values + 1).tolist() == pytest.approx([14, 14], abs=1)


def test_pose_enlarges():
    image = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
    image[:, :, 15:25, 15:25] = 1
    assert I.pose(image, None, gen(1), degrees=0, fraction=0, zoom=(2, 2)).sum() == pytest.approx(400, rel=0.01)


@pytest.mark.parametrize("function", [I.shift, I.pose])
def test_what_moves_stays_within_its_fraction(function):
    image = torch.zeros(200, 1, 40, 40)
    image[:, :, 20, 20] = 1
    settings = {} if function is I.shift else {"degrees": 0, "zoom": (1, 1)}
    moved = function(image, None, gen(1), fraction=0.1, **settings)
    weights = moved[:, 0] / moved[:, 0].sum(dim=(1, 2), keepdim=True)
    places = torch.stack([(weights.sum(2) * torch.arange(40)).sum(1), (weights.sum(1) * torch.arange(40)).sum(1)])
    far = (places - 20).abs()
    assert far.max() <= 4 + 0.01
    assert far.max() > 3.5


def test_spectrogram_warp_that_changes_nothing_keeps_the_image():
    images = pictures()
    same = I.spectrogram_warp(images, None, gen(1), time=(1, 1), frequency=(1, 1), delay=0, offset=0)
    assert torch.allclose(same, images, atol=1e-5)


def test_spectrogram_warp_stretches_from_the_first_step_and_the_lowest_band():
    def early_and_low(length, bands):
        image = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
        image[:, :, 40 - bands :, :length] = 1
        return image

    still = {"delay": 0, "offset": 0}
    slower = I.spectrogram_warp(early_and_low(10, 10), None, gen(1), time=(2, 2), frequency=(1, 1), **still)
    assert (slower - early_and_low(20, 10)).abs().mean() < 0.005
    higher = I.spectrogram_warp(early_and_low(10, 10), None, gen(1), time=(1, 1), frequency=(2, 2), **still)
    assert (higher - early_and_low(10, 20)).abs().mean() < 0.005


def test_spectrogram_warp_stays_within_its_moves_and_factors():
    image = torch.zeros(300, 1, 40, 40)
    image[:, :, 20, 20] = 1
    moved = I.spectrogram_warp(image, None, gen(1), time=(1, 1), frequency=(1, 1), delay=0.2, offset=0.05)
    weights = moved[:, 0] / moved[:, 0].sum(dim=(1, 2), keepdim=True)
    down, right = ((weights.sum(axis) * torch.arange(40)).sum(1) - 20 for axis in (2, 1))
    assert 7.5 < right.abs().max() <= 8.01
    assert 1.8 < down.abs().max() <= 2.01
    block = torch.zeros(300, 1, 40, 40)
    block[:, :, 20:, :20] = 1
    stretched = I.spectrogram_warp(block, None, gen(2), time=(0.5, 1.5), frequency=(1, 1), delay=0, offset=0)
    lengths = stretched[:, 0, 35].sum(1)
    assert 10 <= lengths.min() < 11
    assert 29 < lengths.max() <= 30.5


@pytest.mark.parametrize("size", [(12, 10), (1, 7), (32, 32)])
@pytest.mark.parametrize(("kind", "off"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_places_of_pixels_are_those_of_torch(size, kind, off):
    affine = torch.randn(5, 2, 3, generator=gen(), dtype=kind)
    images = torch.zeros(5, 3, *size, dtype=kind)
    expected = F.affine_grid(affine, list(images.shape), align_corners=False)
    torch.testing.assert_close(I.pixel_places(affine, images), expected, rtol=0, atol=off)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_trapezium_is_that_of_the_remainder_to_the_last_bit(kind):
    places = torch.rand(200_000, generator=torch.Generator().manual_seed(0), dtype=kind) * 17 - 4
    edges = torch.arange(-6, 15, dtype=kind)
    for towards in (-100.0, 100.0):
        near = torch.nextafter(edges, torch.tensor(towards, dtype=kind))
        places = torch.cat([places, edges, near, torch.nextafter(near, torch.tensor(towards, dtype=kind))])
    plain = places.remainder(6)
    assert torch.equal(C._trapezium(places), torch.minimum(plain, 4 - plain).clamp(0, 1))
