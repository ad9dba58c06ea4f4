"""Image encoders: shapes, parameters and sizes that do not fit."""

import pytest
import torch

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.encoders.images import AlexNet, SmallConv


def image(*shape):
    return Modality(name="scan", kind="image", shape=shape)


def test_alexnet_at_224_is_the_papers():
    encoder = AlexNet(image(3, 224, 224), 512)
    assert encoder(torch.rand(1, 3, 224, 224)).shape == (1, 256, 6, 6)
    layers = [(3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)]
    assert sum(p.numel() for p in encoder.parameters()) == sum(i * o * k * k + o for i, o, k in layers)


@pytest.mark.parametrize(("size", "grid"), [((63, 63), (1, 1)), ((63, 127), (1, 3)), ((128, 128), (3, 3))])
def test_alexnet_of_other_sizes_and_channels(size, grid):
    assert AlexNet(image(1, *size), 512)(torch.rand(2, 1, *size)).shape == (2, 256, *grid)


@pytest.mark.parametrize("size", [(62, 62), (62, 224), (224, 8)])
def test_alexnet_too_small(size):
    with pytest.raises(InputError, match=r"at least 63 px, 'scan' has .*--encoder scan=small_conv"):
        AlexNet(image(3, *size), 512)


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((4, 4), (4, 4)),
        ((8, 8), (4, 4)),
        ((16, 16), (4, 4)),
        ((32, 32), (4, 4)),
        ((64, 64), (4, 4)),
        ((8, 32), (4, 16)),
        ((64, 16), (16, 4)),
        ((1, 1), (1, 1)),
    ],
)
def test_small_conv(size, grid):
    encoder = SmallConv(image(3, *size), 40)
    out = encoder(torch.rand(2, 3, *size))
    assert out.shape == (2, out.shape[1], *grid)
    assert out.isfinite().all()
    assert encoder.eval()(torch.rand(1, 3, *size)).shape == (1, *out.shape[1:])


@pytest.mark.parametrize("side", [9, 12, 15, 17, 20, 28, 31, 33, 48, 63, 65, 100, 127])
def test_small_conv_leaves_three_or_four_cells_a_side(side):
    grid = SmallConv(image(1, side, side), 40)(torch.rand(2, 1, side, side)).shape[2:]
    assert 3 <= grid[0] <= 4
    assert grid[0] == grid[1]


@pytest.mark.parametrize("grid", [1, 2, 4])
def test_small_conv_stops_at_its_grid(grid):
    cells = SmallConv(image(3, 32, 32), 40, grid=grid)(torch.rand(2, 3, 32, 32)).shape[2:]
    assert cells == (grid, grid)
    with pytest.raises(InputError, match="at least one cell"):
        SmallConv(image(3, 32, 32), 40, grid=0)


def test_small_conv_pools_its_cells():
    x = torch.rand(2, 3, 32, 32)
    cells = SmallConv(image(3, 32, 32), 40).eval()
    pooled = SmallConv(image(3, 32, 32), 40, pool=True).eval()
    pooled.load_state_dict(cells.state_dict())
    assert torch.allclose(pooled(x), cells(x).mean(dim=(2, 3)))


@pytest.mark.parametrize(("stride", "grid"), [(1, (4, 4)), (4, (4, 4)), (8, (4, 4)), (32, (4, 4))])
def test_small_conv_strides(stride, grid):
    encoder = SmallConv(image(1, 112, 112), 40, stride=stride)
    assert encoder.net[0].stride == (stride, stride)
    assert encoder(torch.rand(2, 1, 112, 112)).shape[2:] == grid


@pytest.mark.parametrize(("stride", "orientations"), [(-1, 0), (33, 0), (4, 6), (1, 6)])
def test_small_conv_refuses_strides(stride, orientations):
    with pytest.raises(InputError, match=rf"strides 1 to 32 \(2 with orientations\), or 0; got {stride}"):
        SmallConv(image(3, 32, 32), 40, stride=stride, orientations=orientations)


@pytest.mark.parametrize("stride", [2, 4])
def test_every_pixel_counts_under_a_stride(stride):
    x = torch.rand(1, 1, 32, 32, requires_grad=True)
    SmallConv(image(1, 32, 32), 40, stride=stride).eval()(x).square().sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_small_conv_options():
    assert SmallConv(image(1, 32, 32), 40, channels=8, most=16)(torch.rand(2, 1, 32, 32)).shape == (2, 16, 4, 4)


def test_every_pixel_of_a_small_image_counts():
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    SmallConv(image(3, 16, 16), 40).eval()(x).square().sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("encoder", [AlexNet, SmallConv])
@pytest.mark.parametrize(("kind", "shape"), [("tabular", (5,)), ("sequence", (64, 64)), ("timeseries", (64, 64))])
def test_wrong_kind(encoder, kind, shape):
    with pytest.raises(InputError, match=f"encodes images; 'm' is of kind {kind}"):
        encoder(Modality(name="m", kind=kind, shape=shape), 8)


@pytest.mark.parametrize(
    ("size", "grid"), [((32, 32), (4, 4)), ((28, 28), (4, 4)), ((1, 1), (1, 1)), ((16, 40), (4, 10))]
)
def test_small_conv_on_energies(size, grid):
    encoder = SmallConv(image(3, *size), 40, orientations=6)
    assert encoder(torch.rand(2, 3, *size)).shape[2:] == grid
    pooled = SmallConv(image(1, *size), 40, orientations=2, pool=True)
    assert pooled(torch.rand(2, 1, *size)).ndim == 2


@pytest.mark.parametrize("orientations", [-1, 65])
def test_small_conv_refuses_orientations(orientations):
    with pytest.raises(InputError, match=rf"0 to 64 orientations, got {orientations}"):
        SmallConv(image(3, 32, 32), 40, orientations=orientations)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(32, 32), (17, 20)])
def test_a_folded_normalisation_equals_the_layers_one_by_one(training, size):
    torch.manual_seed(0)
    one = SmallConv(image(3, *size), 40, orientations=3, folded=False).double()
    torch.nn.init.normal_(one.net[1].weight)
    torch.nn.init.normal_(one.net[1].bias)
    one(torch.rand(8, 3, *size, dtype=torch.float64))  # statistics that are not the initial ones
    two = SmallConv(image(3, *size), 40, orientations=3).double()
    two.load_state_dict(one.state_dict())
    x, weights = torch.rand(6, 3, *size, dtype=torch.float64), None
    for encoder in (one, two):
        out = encoder.train(training)(x)
        weights = torch.randn_like(out) if weights is None else weights
        (out * weights).sum().backward()
    torch.testing.assert_close(two(x), one(x))
    torch.testing.assert_close(two.state_dict(), one.state_dict())
    gradients = [{name: p.grad for name, p in encoder.named_parameters()} for encoder in (one, two)]
    torch.testing.assert_close(*gradients)


def test_float32_folds_within_rounding_and_half_precision_does_not_fold():
    torch.manual_seed(0)
    encoder = SmallConv(image(3, 32, 32), 40, orientations=3)
    x = torch.rand(8, 3, 32, 32)
    calls = []
    encoder.net[1].register_forward_hook(lambda *_: calls.append(0))
    folded = encoder(x)
    assert not calls  # the normalisation is in the weights of the convolution
    encoder.folded = False
    torch.testing.assert_close(folded, encoder(x), rtol=1e-4, atol=1e-5)
    assert len(calls) == 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = encoder(x)
        encoder.folded = True
        assert torch.equal(encoder(x), plain)
    assert len(calls) == 3


def test_shapes_alone_are_computed_on_the_meta_device():
    """The memory of a step is estimated there; autocast does not know that device."""
    with torch.device("meta"):
        encoder = SmallConv(Modality(name="m", kind="image", shape=(3, 32, 32)), 16, orientations=2)
        assert encoder(torch.empty(2, 3, 32, 32)).device.type == "meta"
