"""Patches: what is cut, what is hidden, what counts, and which token they lie under."""

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality
from coral_plugin.networks.patches import Patches
from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.networks.tokenizers import sine_cosine_position


class Cells(nn.Module):
    """A feature map of a given grid: the mean over each cell."""

    def __init__(self, grid):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)

    def forward(self, x):
        return self.pool(x)


class Steps(nn.Module):
    """Every ``stride``-th step."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :: self.stride]


def patches(kind, shape, encoder, **statistics):
    modality = Modality(name="m", kind=kind, shape=shape, **statistics)
    return Patches(TokenEncoder(modality, encoder, 8))


def test_an_image_has_a_patch_a_cell_in_the_order_of_the_tokens():
    cut = patches("image", (2, 6, 8), Cells((3, 2)))
    assert (cut.aligned, cut.count, cut.size) == (True, 6, 2 * 2 * 4)
    image = torch.randn(3, 2, 6, 8)
    for i in range(6):
        row, column = divmod(i, 2)
        cell = image[:, :, 2 * row : 2 * row + 2, 4 * column : 4 * column + 4]
        assert torch.equal(cut.cut(image)[:, i], cell.flatten(1))
    assert torch.equal(cut.position, sine_cosine_position((3, 2), 8))
    assert cut.valid(image, None).all()


def test_an_image_that_the_grid_does_not_divide_is_resampled_for_the_target_only():
    cut = patches("image", (1, 7, 7), Cells((3, 3)))
    assert (cut.count, cut.size) == (9, 9)
    ramp = torch.arange(7.0).expand(1, 1, 7, 7)
    assert torch.allclose(cut.cut(torch.ones(1, 1, 7, 7)), torch.ones(1, 9, 9))
    means = cut.cut(ramp).mean(2).view(3, 3)
    assert torch.allclose(means, means[:1].expand(3, 3), atol=1e-5)
    assert (means[0].diff() > 1.5).all()
    hidden = torch.zeros(1, 9, dtype=torch.bool)
    hidden[0, 4] = True
    changed = cut.hide(ramp + 1, hidden) == 0
    assert changed[0, 0].nonzero().min().item() == 3  # floor(r * 3 / 7) is 1 for rows 3 and 4
    assert changed.sum() == 4


@pytest.mark.parametrize(("encoder", "aligned"), [(nn.Flatten(), False), (Cells((1, 1)), False), (Cells((2, 2)), True)])
def test_images_without_a_grid_have_sixteen_patches(encoder, aligned):
    cut = patches("image", (1, 8, 8), encoder)
    assert (cut.aligned, cut.count) == (aligned, 4 if aligned else 16)


@pytest.mark.parametrize(("steps", "stride", "group"), [(12, 1, 1), (12, 2, 2), (50, 8, 8), (9, 4, 3)])
def test_a_series_is_grouped_as_its_tokens_are(steps, stride, group):
    cut = patches("timeseries", (steps, 3), Steps(stride))
    tokens = -(-steps // stride)
    assert (cut.aligned, cut.steps, cut.count, cut.size) == (True, group, tokens, 3 * group)
    series = torch.randn(2, steps, 3)
    for i in range(cut.count):
        group_of = series[:, i * group : (i + 1) * group].flatten(1)
        assert torch.equal(cut.cut(series)[:, i, : group_of.shape[1]], group_of)
        assert not cut.cut(series)[:, i, group_of.shape[1] :].any()
    counted = cut.valid(series, None)
    assert counted.sum() == 2 * steps * 3  # what fills the last group does not count
    padding = torch.arange(steps)[None] >= torch.tensor([3, steps])[:, None]
    assert cut.valid(series, padding).sum(dim=(1, 2)).tolist() == [9, 3 * steps]
    assert cut.valid(series, padding)[0].flatten()[:9].all()


@pytest.mark.parametrize("encoder", [nn.Flatten(), Steps(12)])
def test_a_series_without_tokens_by_step_is_hidden_step_by_step(encoder):
    cut = patches("timeseries", (12, 3), encoder)
    assert (cut.aligned, cut.count, cut.size) == (False, 12, 3)


def test_a_table_has_a_patch_an_entry():
    cut = patches("tabular", (5,), nn.Linear(5, 10))
    assert (cut.aligned, cut.count, cut.size) == (False, 5, 1)
    table = torch.randn(2, 5)
    assert torch.equal(cut.cut(table), table[..., None])


@pytest.mark.parametrize(
    ("kind", "shape", "encoder", "features"),
    [
        ("image", (2, 6, 8), Cells((3, 2)), 2),
        ("timeseries", (7, 3), Steps(2), 3),
        ("sequence", (7, 3), Steps(1), 3),
        ("tabular", (5,), nn.Linear(5, 10), 5),
    ],
)
def test_hidden_values_are_the_mean_and_the_others_stay(kind, shape, encoder, features):
    mean = tuple(float(i + 1) for i in range(features))
    cut = patches(kind, shape, encoder, mean=mean, std=(2.0,) * features)
    torch.manual_seed(0)
    values, hidden = torch.rand(4, *shape), torch.rand(4, cut.count) < 0.5
    after = cut.cut(cut.hide(values, hidden))  # standardised: the mean is 0
    there = cut.valid(values, None)
    assert torch.equal(after[~hidden], cut.cut(values)[~hidden])
    assert after[hidden.unsqueeze(2) & there].abs().max() == 0
    assert values.min() >= 0  # the input is not written to
