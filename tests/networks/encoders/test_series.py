"""GRU and one-dimensional convolutions: shapes, the definition with loops, and padding."""

import pytest
import torch
import torch.nn.functional as F

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks.encoders.series import GRU, Conv1d

LENGTHS = torch.tensor([20, 1, 7, 2, 13])


def series(steps=20, features=3, kind="timeseries"):
    return Modality(name="force", kind=kind, shape=(steps, features))


def a_batch(steps=20, features=3):
    torch.manual_seed(1)
    padding = torch.arange(steps)[None] >= LENGTHS[:, None]
    return torch.randn(len(LENGTHS), steps, features, dtype=torch.float64), padding


def test_gru_returns_every_state():
    torch.manual_seed(0)
    encoder = GRU(series(), 5).double()
    x, _ = a_batch()
    out, none = encoder(x)
    assert out.shape == (5, 20, 5)
    assert none is None
    w, u, b, c = (p for p in encoder.gru.parameters())
    state = torch.zeros(5, 5, dtype=torch.float64)
    for step in range(20):  # reset, update and new gate, in torch's order
        r, z, n = (x[:, step] @ w.T + b).chunk(3, dim=1)
        hr, hz, hn = (state @ u.T + c).chunk(3, dim=1)
        r, z = torch.sigmoid(r + hr), torch.sigmoid(z + hz)
        state = (1 - z) * torch.tanh(n + r * hn) + z * state
        assert torch.allclose(out[:, step], state, atol=1e-10)


def test_gru_valid_states_never_see_right_padding():
    encoder = GRU(series(), 5, layers=2).double()
    x, padding = a_batch()
    other = torch.where(padding[..., None], 100.0, x)
    assert torch.allclose(encoder(x)[0][~padding], encoder(other)[0][~padding], atol=1e-12)
    assert encoder(x, padding)[1] is padding


def test_gru_of_the_last_state():
    """Of each sample its state after the last valid step, one token; a sample without steps has none."""
    torch.manual_seed(0)
    encoder = GRU(series(), 5, last=True).double()
    x, padding = a_batch()
    padding[3] = True
    out, left = encoder(torch.where(padding[..., None], 100.0, x), padding)
    assert out.shape == (5, 1, 5)
    assert left.tolist() == [[False], [False], [False], [True], [False]]
    for row, length in ((0, 20), (1, 1), (2, 7), (4, 13)):
        alone, none = encoder(x[row : row + 1, :length])
        assert none is None
        assert torch.allclose(out[row], alone[0], atol=1e-12)


@pytest.mark.parametrize(("options", "hidden", "layers"), [({}, 16, 1), ({"hidden": 9, "layers": 2}, 9, 2)])
def test_gru_options(options, hidden, layers):
    encoder = GRU(series(), 16, **options)
    assert encoder(torch.randn(2, 20, 3))[0].shape == (2, 20, hidden)
    assert encoder.gru.num_layers == layers


def naive_conv1d(encoder, x):
    """One sample ``(length, d)`` alone, as if it had no padding: sums over kernel positions inside the sample."""
    for convolution, norm in zip(encoder.convolutions, encoder.norms, strict=True):
        kernel, stride = convolution.kernel_size[0], convolution.stride[0]
        rows = []
        for centre in range(0, len(x), stride):
            total = convolution.bias
            for k in range(kernel):
                step = centre + k - kernel // 2
                if 0 <= step < len(x):
                    total = total + convolution.weight[:, :, k] @ x[step]
            total = (total - total.mean()) / torch.sqrt(((total - total.mean()) ** 2).mean() + 1e-5)
            rows.append(F.gelu(total * norm.weight + norm.bias))
        x = torch.stack(rows)
    return x


@pytest.mark.parametrize("options", [{}, {"kernel": 3, "stride": 3}, {"stride": 1, "channels": (4, 6)}, {"kernel": 1}])
def test_conv1d_of_unequal_lengths_is_that_of_each_sample_alone(options):
    torch.manual_seed(0)
    encoder = Conv1d(series(), 8, **options).double().eval()
    for parameter in encoder.norms.parameters():
        torch.nn.init.normal_(parameter)
    x, padding = a_batch()
    longer = torch.cat([torch.where(padding[..., None], 50.0, x), torch.randn(5, 9, 3).double()], dim=1)
    more = torch.cat([padding, torch.ones(5, 9, dtype=torch.bool)], dim=1)
    for values, mask in ((x, padding), (longer, more)):
        out, left = encoder(values, mask)
        assert left.shape == out.shape[:2]
        for sample, length in enumerate(LENGTHS.tolist()):
            assert torch.allclose(out[sample][~left[sample]], naive_conv1d(encoder, x[sample, :length]), atol=1e-10)


def test_conv1d_without_padding():
    encoder = Conv1d(series(), 8).double()
    x, _ = a_batch()
    out, left = encoder(x)
    assert left is None
    assert torch.allclose(out[0], naive_conv1d(encoder, x[0]), atol=1e-10)


@pytest.mark.parametrize(("steps", "tokens"), [(1, 1), (3, 3), (7, 7), (8, 4), (20, 5), (64, 8), (300, 38)])
def test_conv1d_strides_until_fewer_than_four_steps_would_be_left(steps, tokens):
    encoder = Conv1d(series(steps), 16)
    assert encoder(torch.randn(2, steps, 3))[0].shape == (2, tokens, 16)
    assert all(p.shape[0] <= 16 for p in encoder.parameters())


def test_conv1d_of_a_batch_shorter_than_the_modality():
    encoder = Conv1d(series(64), 8)
    padding = torch.tensor([[False], [False]])
    out, left = encoder(torch.randn(2, 1, 3), padding)
    assert out.shape == (2, 1, 8)
    assert not left.any()


@pytest.mark.parametrize("kernel", [2, 4, 0])
def test_conv1d_needs_an_odd_kernel(kernel):
    with pytest.raises(InputError, match=f"odd kernel, got {kernel}"):
        Conv1d(series(), 8, kernel=kernel)


@pytest.mark.parametrize("encoder", [GRU, Conv1d])
@pytest.mark.parametrize(("kind", "shape"), [("tabular", (5,)), ("image", (3, 8, 8))])
def test_wrong_kind(encoder, kind, shape):
    with pytest.raises(InputError, match=f"encodes series; 'm' is of kind {kind}"):
        encoder(Modality(name="m", kind=kind, shape=shape), 8)


@pytest.mark.parametrize("encoder", [GRU, Conv1d])
def test_both_temporal_kinds(encoder):
    encoder(series(kind="sequence"), 8)
