"""The affect transformer against torch's own pre-norm layers (specification 1.6)."""

from functools import partial

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks import attention, feedforward, long_attention
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.tokenizers import step_position

from ..sizes import largest_and_kept

SEQUENCE = Modality(name="text", kind="sequence", shape=(7, 6))
LENGTHS = torch.tensor([7, 1, 4, 2])


def a_batch(steps=7):
    torch.manual_seed(1)
    padding = torch.arange(steps)[None] >= LENGTHS[:, None]
    return torch.randn(4, steps, 6, dtype=torch.float64), padding


def a_pair(width=20, layers=3, feedforward=32, dropout=0.1):
    """Ours and torch's, with the same weights; torch's map to the width is a convolution of kernel 1."""
    torch.manual_seed(0)
    ours = AffectTransformer(SEQUENCE, width, layers=layers, feedforward=feedforward, dropout=dropout).double()
    for parameter in ours.parameters():
        if parameter.ndim == 1:  # norms and biases must matter
            nn.init.normal_(parameter)
    convolution = nn.Conv1d(6, width, 1, bias=False).double()
    stack = nn.ModuleList(
        nn.TransformerEncoderLayer(
            width, 5, dim_feedforward=feedforward, dropout=dropout, norm_first=True, batch_first=True
        )
        for _ in range(layers)
    ).double()
    with torch.no_grad():
        convolution.weight.copy_(ours.project.weight[:, :, None])
        for own, layer in zip(ours.layers, stack, strict=True):
            own_layers = (own.query_key_value, own.attention_out, own.linear1, own.linear2, own.norm1, own.norm2)
            attention = layer.self_attn
            attention.in_proj_weight.copy_(own_layers[0].weight)
            attention.in_proj_bias.copy_(own_layers[0].bias)
            others = (attention.out_proj, layer.linear1, layer.linear2, layer.norm1, layer.norm2)
            for source, target in zip(own_layers[1:], others, strict=True):
                target.load_state_dict(source.state_dict())

    def reference(x, padding=None):
        steps = convolution(x.transpose(1, 2)).transpose(1, 2)
        for layer in stack:
            steps = layer(steps, src_key_padding_mask=padding)
        return steps

    return ours, reference, stack


@pytest.mark.parametrize("padded", [True, False])
def test_equals_torchs_layers_in_evaluation_mode(padded):
    ours, reference, stack = a_pair()
    x, padding = a_batch()
    mask = padding if padded else None
    ours.eval(), stack.eval()
    valid = ~padding if padded else torch.ones_like(padding)
    assert torch.allclose(ours(x, mask)[valid], reference(x, mask)[valid], atol=1e-10)


def test_gradients_equal_those_of_torchs_layers():
    ours, reference, stack = a_pair(dropout=0.0)
    x, padding = a_batch()
    ours(x, padding)[~padding].square().sum().backward()
    reference(x, padding)[~padding].square().sum().backward()
    for own, layer in zip(ours.layers, stack, strict=True):
        assert torch.allclose(own.query_key_value.weight.grad, layer.self_attn.in_proj_weight.grad, atol=1e-9)
        assert torch.allclose(own.attention_out.weight.grad, layer.self_attn.out_proj.weight.grad, atol=1e-9)
        assert torch.allclose(own.linear1.bias.grad, layer.linear1.bias.grad, atol=1e-9)
        assert torch.allclose(own.norm1.weight.grad, layer.norm1.weight.grad, atol=1e-9)


def test_dropout_moves_the_output_as_much_as_torchs_does():
    """Mean and deviation over many draws: a missing place would show."""
    ours, reference, _ = a_pair(width=10, layers=1, feedforward=8, dropout=0.25)
    x, padding = (t[2:3].expand(20_000, *t.shape[1:]) for t in a_batch(steps=5))
    with torch.no_grad():
        got, want = (module(x, padding)[:, :4] for module in (ours, reference))
    error = want.std(0) / len(want) ** 0.5
    assert ((got.mean(0) - want.mean(0)).abs() < 7 * error).all()
    assert torch.allclose(got.std(0), want.std(0), rtol=0.06)


def test_training_is_random_and_repeats_with_the_seed():
    ours, _, _ = a_pair()
    x, padding = a_batch()
    torch.manual_seed(3)
    first, second = ours(x, padding), ours(x, padding)
    torch.manual_seed(3)
    assert torch.equal(first, ours(x, padding))
    assert not torch.allclose(first, second)
    ours.eval()
    assert not torch.allclose(first, ours(x, padding))
    assert torch.equal(ours(x, padding), ours(x, padding))


def test_gradient_with_dropout_against_finite_differences():
    ours, _, _ = a_pair(width=5, layers=2, feedforward=4, dropout=0.3)
    x, padding = (t[1:3] for t in a_batch(steps=4))

    def seeded(values):
        torch.manual_seed(5)
        return ours(values, padding)

    assert torch.autograd.gradcheck(seeded, x.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("training", [True, False])
def test_what_lies_under_the_padding_is_never_seen(training):
    ours, _, _ = a_pair()
    ours.train(training)
    x, padding = a_batch()
    torch.manual_seed(4)
    out = ours(x, padding)
    torch.manual_seed(4)
    other = ours(torch.where(padding[..., None], float("nan"), x), padding)
    assert torch.equal(out, other)
    assert (out[padding] == 0).all()


def test_amount_of_padding_changes_nothing():
    ours, _, _ = a_pair()
    ours.eval()
    x, padding = a_batch()
    longer = torch.cat([x, torch.randn(4, 9, 6, dtype=torch.float64)], dim=1)
    more = torch.cat([padding, torch.ones(4, 9, dtype=torch.bool)], dim=1)
    out = ours(x, padding)
    assert torch.allclose(ours(longer, more)[:, :7], out, atol=1e-6)
    for sample, length in enumerate(LENGTHS.tolist()):
        alone = ours(x[sample : sample + 1, :length])
        assert torch.allclose(alone[0], out[sample, :length], atol=1e-6)


def test_permutation_of_the_steps_permutes_the_output():
    ours, _, _ = a_pair()
    ours.eval()
    x, _ = a_batch()
    order = torch.randperm(7)
    assert torch.allclose(ours(x[:, order]), ours(x)[:, order], atol=1e-10)


def test_defaults_are_the_papers():
    encoder = AffectTransformer(Modality(name="text", kind="sequence", shape=(50, 300)), 40)
    layer = nn.TransformerEncoderLayer(40, 5, dim_feedforward=2048)
    count = 300 * 40 + 5 * sum(p.numel() for p in layer.parameters())
    assert sum(p.numel() for p in encoder.parameters()) == count
    assert [(x.heads, x.dropout) for x in encoder.layers] == [(5, 0.1)] * 5


def test_starts_like_torchs_layers():
    torch.manual_seed(0)
    own = AffectTransformer(SEQUENCE, 40, layers=1).layers[0]
    layer = nn.TransformerEncoderLayer(40, 5, dim_feedforward=2048)
    for ours, theirs in (
        (own.query_key_value.weight, layer.self_attn.in_proj_weight),
        (own.attention_out.weight, layer.self_attn.out_proj.weight),
        (own.linear1.weight, layer.linear1.weight),
        (own.linear2.weight, layer.linear2.weight),
    ):
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.02)
    assert not own.query_key_value.bias.any()
    assert not own.attention_out.bias.any()


@pytest.mark.parametrize(("width", "heads"), [(40, 5), (16, 4), (7, 1)])
def test_most_heads_up_to_five_that_divide_the_width(width, heads):
    assert AffectTransformer(SEQUENCE, width, layers=1, feedforward=4).layers[0].heads == heads


@pytest.mark.parametrize(("kind", "shape"), [("tabular", (5,)), ("image", (3, 8, 8))])
def test_wrong_kind(kind, shape):
    with pytest.raises(InputError, match=f"encodes sequences; 'm' is of kind {kind}"):
        AffectTransformer(Modality(name="m", kind=kind, shape=shape), 8)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_dropout_is_a_probability(p):
    with pytest.raises(InputError, match=r"dropout in \[0, 1\), got"):
        AffectTransformer(SEQUENCE, 8, dropout=p)


def test_long_series_in_pieces_equal_the_whole(monkeypatch):
    ours, _, _ = a_pair(dropout=0.0)
    x, padding = a_batch()
    results = []
    for most in (10**9, 100):
        monkeypatch.setattr(feedforward, "_CACHED", most)
        monkeypatch.setattr(attention, "MOST_WEIGHTS", most)
        monkeypatch.setattr(attention, "PIECE_WEIGHTS", most)
        monkeypatch.setattr(long_attention, "CACHED_WEIGHTS", most)
        ours.zero_grad()
        out = ours(x, padding)
        out.square().sum().backward()
        results.append([out, *(p.grad.clone() for p in ours.parameters())])
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*results, strict=True))


def test_gradient_in_pieces_with_dropout_against_finite_differences(monkeypatch):
    monkeypatch.setattr(feedforward, "_CACHED", 10)
    monkeypatch.setattr(attention, "MOST_WEIGHTS", 10)
    monkeypatch.setattr(attention, "PIECE_WEIGHTS", 10)
    monkeypatch.setattr(long_attention, "CACHED_WEIGHTS", 10)
    test_gradient_with_dropout_against_finite_differences()


@pytest.mark.parametrize("padded", [True, False])
def test_memory_of_a_training_step_does_not_grow_with_the_square_of_the_steps(monkeypatch, padded):
    """All weights of a layer would be 2 * 4 * steps**2, all hidden values 2 * 64 * steps; neither is held."""
    monkeypatch.setattr(feedforward, "_CACHED", 2**13)
    monkeypatch.setattr(attention, "MOST_WEIGHTS", 2**13)
    monkeypatch.setattr(attention, "PIECE_WEIGHTS", 2**13)
    monkeypatch.setattr(long_attention, "CACHED_WEIGHTS", 2**13)
    found = {}
    for steps in (256, 512, 1024):
        modality = Modality(name="long", kind="sequence", shape=(steps, 3))
        encoder = AffectTransformer(modality, 8, layers=2, feedforward=64, positions=True)
        padding = torch.arange(steps) >= torch.tensor([[steps], [steps // 2]]) if padded else None
        found[steps] = largest_and_kept(partial(encoder, torch.randn(2, steps, 3), padding))
        assert found[steps][0] <= max(2**13, 2 * steps * 24)
    assert found[1024][1] <= 2.2 * found[512][1] <= 2.2**2 * found[256][1]


@pytest.mark.parametrize("training", [True, False])
def test_with_position_codes_the_order_of_the_steps_counts(training):
    torch.manual_seed(0)
    ours = AffectTransformer(SEQUENCE, 20, layers=2, feedforward=16, dropout=0.0, positions=True).double()
    ours.train(training)
    x, padding = a_batch()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    assert (ours(x[:, order]) - ours(x)[:, order]).abs().mean() > 0.01
    # a step's code is that of its place, whatever is padded
    whole = ours(x, padding)
    for sample, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(ours(x[sample : sample + 1, :length])[0], whole[sample, :length], atol=1e-6)
    assert (whole[padding] == 0).all()


def test_position_codes_are_added_to_the_mapped_steps():
    torch.manual_seed(0)
    ours = AffectTransformer(SEQUENCE, 8, layers=1, feedforward=4, positions=True)
    plain = AffectTransformer(SEQUENCE, 8, layers=1, feedforward=4)
    plain.load_state_dict({k: v for k, v in ours.state_dict().items() if k != "position_scale"})
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in plain.parameters())
    x = torch.randn(3, 7, 6)
    steps = plain.project(x) + step_position(7, 8)
    plain.project = nn.Identity()
    assert torch.allclose(ours.eval()(x), plain.eval()(steps), atol=1e-6)


def test_weights_of_a_network_without_codes_are_not_taken_for_one_with_them():
    with_codes, without = (AffectTransformer(SEQUENCE, 8, layers=1, positions=each) for each in (True, False))
    with pytest.raises(RuntimeError, match="position_scale"):
        with_codes.load_state_dict(without.state_dict())


class Adapted(nn.Linear):
    """A layer that somebody has put in place of a linear one: another output, and a weight of its own."""

    def forward(self, x):
        return super().forward(x) + self.shift


@pytest.mark.parametrize("fused", [True, False])
def test_what_takes_the_place_of_a_linear_layer_is_called(fused):
    encoder = AffectTransformer(SEQUENCE, 20, layers=2, heads=2, feedforward=32, dropout=0.0, fused=fused)
    x = torch.randn(3, 7, SEQUENCE.features)
    before = encoder(x)
    names = [name for name, module in encoder.named_modules() if type(module) is nn.Linear]
    assert len(names) == 1 + 2 * 4
    for name in names:
        layer = encoder.get_submodule(name)
        hooked = []
        handle = layer.register_forward_hook(lambda *_, name=name, hooked=hooked: hooked.append(name))
        torch.testing.assert_close(encoder(x), before)
        assert hooked, f"the hook of {name} is not called"
        handle.remove()
        layer.__class__, layer.shift = Adapted, nn.Parameter(torch.tensor(0.5))
        assert encoder.draws(x, None) is None or name == "project"
        out = encoder(x)
        (gradient,) = torch.autograd.grad(out.square().sum(), layer.shift)
        assert (out - before).abs().max() > 1e-3
        assert gradient != 0
        layer.__class__ = nn.Linear
        del layer.shift


def test_gradients_of_torch_func_are_those_of_autograd():
    encoder = AffectTransformer(SEQUENCE, 20, layers=1, heads=2, feedforward=32, dropout=0.0)
    x = torch.randn(3, 7, SEQUENCE.features, requires_grad=True)
    (expected,) = torch.autograd.grad(encoder(x).square().sum(), x)
    torch.testing.assert_close(torch.func.grad(lambda x: encoder(x).square().sum())(x.detach()), expected)


class Around(nn.Module):
    """An adapter that is no linear layer, with dropout of its own."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(base.in_features, 2), nn.Linear(2, base.out_features)

    def forward(self, x):
        return self.base(x) + self.up(nn.functional.dropout(self.down(x), 0.5, training=self.training))


@pytest.mark.parametrize("name", ["query_key_value", "attention_out", "linear1", "linear2"])
def test_an_encoder_with_an_adapter_does_not_run_beside_others(name):
    encoder = AffectTransformer(SEQUENCE, 20, layers=2, heads=2, feedforward=32)
    x = torch.randn(3, 7, SEQUENCE.features)
    assert encoder.draws(x, None) is not None
    setattr(encoder.layers[1], name, Around(getattr(encoder.layers[1], name)))
    assert encoder.draws(x, None) is None
    encoder(x).square().sum().backward()
    assert all(p.grad is not None for p in getattr(encoder.layers[1], name).parameters())
