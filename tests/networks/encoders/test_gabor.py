"""Gabor energies: what they answer to, by the definition of a grating."""

import math

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.networks.encoders.gabor import GaborEnergy, gabor_pairs


def grating(angle, wavelength, phase, side=33):
    down, right = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
    along = right * math.cos(angle) + down * math.sin(angle)
    return (0.5 + 0.5 * torch.cos(2 * math.pi * along / wavelength + phase)).float().expand(1, 3, -1, -1)


def middle(energies):
    return energies.values[0, :-4, 6:11, 6:11].mean(dim=(1, 2))  # away from the border, without the colours


@pytest.mark.parametrize("turn", range(6))
def test_the_strongest_answer_is_the_orientation_of_the_grating(turn):
    energies = GaborEnergy(3, 6, 9)(grating(math.pi * turn / 6, 0.42 * 9, 0.3))
    assert int(middle(energies)[:6].argmax()) == turn


def test_energy_does_not_depend_on_where_the_crests_lie():
    layer = GaborEnergy(3, 6, 9)
    answers = torch.stack([middle(layer(grating(0.5, 0.42 * 9, phase))) for phase in torch.linspace(0, 6, 7).tolist()])
    strongest = int(answers[0].argmax())
    assert answers[:, strongest].std() < 0.03 * answers[:, strongest].mean()


def test_a_uniform_image_has_colour_and_no_energy():
    layer = GaborEnergy(3, 4, 9)
    out = layer(torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 31, 32)).values
    assert out.shape == (1, 2 * 4 + 3 + 1, 16, 16)
    assert out[:, :8, 3:-3, 3:-3].abs().max() < 1e-5
    torch.testing.assert_close(out[0, 8:11, 3, 3], torch.tensor([0.2, 0.5, 0.9]))


def test_nothing_is_trained_or_saved():
    layer = GaborEnergy(1, 4, 9)
    assert not list(layer.parameters())
    assert not layer.state_dict()
    assert not layer(torch.rand(1, 1, 8, 8)).values.requires_grad


def test_the_images_have_a_gradient_also_where_they_are_black():
    layer = GaborEnergy(3, 2, 5).double()
    images = torch.rand(2, 3, 7, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tuple(layer(x)), images)
    black = torch.zeros(1, 3, 7, 6, requires_grad=True)
    torch.testing.assert_close(layer.float()(black).values, layer(black.detach()).values)
    (gradient,) = torch.autograd.grad(layer(black).values.sum(), black)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("window", [5, 9])
def test_filters_have_unit_length_and_pairs_are_in_quadrature(window):
    filters = gabor_pairs(4, window).flatten(1)
    torch.testing.assert_close(filters.norm(dim=1), torch.ones(16))
    assert (filters[:8] * filters[8:]).sum(dim=1).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(32, 32), (31, 32), (32, 31), (9, 11)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_fast_form_equals_the_definition(size, layout):
    images = torch.randn(4, 3, *size, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    layer = GaborEnergy(3, 6, 9).to(memory_format=layout)
    even, odd = F.conv2d(images.mean(dim=1, keepdim=True), gabor_pairs(6, 9), stride=2, padding=4).chunk(2, dim=1)
    expected = torch.cat([torch.hypot(even, odd), F.avg_pool2d(images, 2, ceil_mode=True)], dim=1)
    values, mean, variance = layer(images)
    torch.testing.assert_close(values[:, :-1], expected, rtol=1e-5, atol=1e-6)
    assert (values[:, -1] == 1).all()
    torch.testing.assert_close(mean, expected.mean(dim=(0, 2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(variance, expected.var(dim=(0, 2, 3), correction=0), rtol=1e-4, atol=1e-6)
