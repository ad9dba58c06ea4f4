"""Encoder plus tokenizer, and the shared pathway."""

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import SharedPathway, module_key
from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.networks.tokenizers import FeatureTokenizer, PatchTokenizer, SequenceTokenizer, VectorTokenizer

TABLE = Modality(name="table", kind="tabular", shape=(5,))
SERIES = Modality(name="series", kind="sequence", shape=(6, 3))
IMAGE = Modality(name="image", kind="image", shape=(3, 4, 6))


class Returns(nn.Module):
    """Calls a function, as a user's encoder may."""

    def __init__(self, function, accepts_padding=False):
        super().__init__()
        self.function, self.accepts_padding = function, accepts_padding

    def forward(self, *args):
        return self.function(*args)


@pytest.mark.parametrize(
    ("modality", "function", "tokenizer", "tokens"),
    [
        (TABLE, lambda x: x, FeatureTokenizer, 5),
        (TABLE, lambda x: x.repeat(1, 20), VectorTokenizer, 1),
        (SERIES, lambda x: x.mean(1), FeatureTokenizer, 3),
        (SERIES, lambda x: x, SequenceTokenizer, 6),
        (SERIES, lambda x: (x[:, ::2], "state"), SequenceTokenizer, 3),
        (IMAGE, lambda x: x, PatchTokenizer, 24),
        (IMAGE, lambda x: (x.mean((2, 3)),), FeatureTokenizer, 3),
    ],
)
def test_vector_sequence_map_and_tuple(modality, function, tokenizer, tokens):
    encoder = TokenEncoder(modality, Returns(function), 8)
    assert type(encoder.tokenizer) is tokenizer
    out, padding = encoder(torch.randn(4, *modality.shape))
    assert out.shape == (4, tokens, 8)
    assert padding is None


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        (lambda x: x.sum(), r"got \(\)"),
        (lambda x: x[:, 0], r"got \(2,\)"),
        (lambda x: x[:1], r"got \(1, 5\)"),
        (lambda x: x[..., None, None, None, None], r"got \(2, 5, 1, 1, 1, 1\)"),
        (lambda x: {"out": x}, "got dict"),
        (lambda x: (None, x), "got NoneType"),
    ],
)
def test_outputs_without_a_tokenizer(function, seen):
    with pytest.raises(InputError, match=rf"Returns of 'table' must return \(B, m\).*{seen}"):
        TokenEncoder(TABLE, Returns(function), 8)


@pytest.mark.parametrize("encoder", [nn.Linear(4, 8), Returns(lambda x: x[:, :, :, 9]), Returns(lambda x, y: x)])
def test_encoder_that_fails_on_the_shape(encoder):
    with pytest.raises(InputError, match=r"of 'table' fails on a batch of shape \(2, \*\(5,\)\)"):
        TokenEncoder(TABLE, encoder, 8)


def test_probing_leaves_modes_and_statistics_as_they_were():
    encoder = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    encoder[1].eval()  # a part that its owner has frozen
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    state = torch.get_rng_state()
    TokenEncoder(TABLE, encoder, 4)
    assert [m.training for m in encoder.modules()] == [True, True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(p.grad is None for p in encoder.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_probing_restores_the_mode_of_an_encoder_that_fails():
    encoder = nn.Linear(4, 8)
    with pytest.raises(InputError):
        TokenEncoder(TABLE, encoder, 8)
    assert encoder.training


@pytest.mark.parametrize(("modality", "axis"), [(IMAGE, 1), (SERIES, 2), (TABLE, 1)])
def test_mean_and_deviation_are_applied_before_the_encoder(modality, axis):
    count = modality.features
    mean, std = tuple(0.1 * i + 0.2 for i in range(count)), tuple(0.5 * i + 0.5 for i in range(count))
    scaled = Modality(name=modality.name, kind=modality.kind, shape=modality.shape, mean=mean, std=std)
    seen = []
    encoder = TokenEncoder(scaled, Returns(lambda x: (seen.append(x), x)[1]), 8)
    x = torch.rand(2, *modality.shape)
    encoder(x)
    for i in range(count):
        expected = (x.select(axis, i) - mean[i]) / std[i]
        assert torch.allclose(seen[-1].select(axis, i), expected, atol=1e-6)


def test_padding_stays_zero_when_values_are_scaled():
    scaled = Modality(name="series", kind="sequence", shape=(6, 3), mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0))
    seen = []
    encoder = TokenEncoder(scaled, Returns(lambda x: (seen.append(x), x)[1]), 8)
    padding = torch.tensor([[False] * 6, [False, False] + [True] * 4])
    _, left = encoder(torch.zeros(2, 6, 3), padding)
    assert (seen[-1][1, 2:] == 0).all()
    assert (seen[-1][1, :2] == torch.tensor([-1.0, -2.0, -3.0])).all()
    assert torch.equal(left, padding)


def test_padding_is_given_to_encoders_that_accept_it_and_may_come_back():
    padding = torch.tensor([[False] * 6, [False] * 3 + [True] * 3])
    x = torch.randn(2, 6, 3)

    def halved(values, mask):
        return values[:, ::2], None if mask is None else mask[:, ::2]

    tokens, left = TokenEncoder(SERIES, Returns(halved, accepts_padding=True), 8)(x, padding)
    assert tokens.shape == (2, 3, 8)
    assert left.tolist() == [[False] * 3, [False, False, True]]
    _, left = TokenEncoder(SERIES, Returns(lambda values, mask: values, accepts_padding=True), 8)(x, padding)
    assert torch.equal(left, padding)


@pytest.mark.parametrize("steps", [6, 3])
def test_padding_is_dropped_when_the_encoder_pools_the_steps(steps):
    """3 features become 3 tokens: padding of a batch of 3 steps fits them by chance, and must not hide them."""
    encoder = TokenEncoder(SERIES, Returns(lambda x: x.sum(1)), 8)
    padding = torch.zeros(2, steps, dtype=torch.bool)
    padding[1, 1:] = True
    tokens, left = encoder(torch.randn(2, steps, 3), padding)
    assert tokens.shape == (2, 3, 8)
    assert left is None


@pytest.mark.parametrize("name", ["a.b", "keys", "type", "forward", "training", "ünï code", "a%2Eb", "m_a"])
def test_any_name_is_a_key_of_a_module_dict(name):
    assert module_key(name) in nn.ModuleDict({module_key(name): nn.Identity()})


def test_different_names_have_different_keys():
    names = ["a.b", "a_dot_b", "a%2Eb", "a%252Eb", "a_b", "ab"]
    assert len({module_key(name) for name in names}) == len(names)


def a_pathway(depth=1):
    torch.manual_seed(0)
    builders = {"table": lambda: nn.Linear(5, 8), "series": lambda: nn.Linear(3, 8)}
    return SharedPathway((TABLE, SERIES), builders, 8, depth, heads=2)


def a_batch():
    torch.manual_seed(1)
    padding = torch.tensor([[False] * 6, [False, False] + [True] * 4])
    return MultimodalBatch({"table": torch.randn(2, 5), "series": torch.randn(2, 6, 3)}, {"series": padding})


def test_shared_pathway_is_encoders_then_masks_then_fusion(monkeypatch):
    pathway, batch, seen = a_pathway(), a_batch(), []
    fusion = pathway.fusion.forward
    monkeypatch.setattr(pathway.fusion, "forward", lambda *args: (seen.append(args), fusion(*args))[1])
    pathway(batch)
    pathway(batch, {"series": 1.0}, torch.Generator().manual_seed(0))
    (plain, padding), (masked, _) = seen
    assert list(plain) == ["table", "series"]
    assert torch.equal(padding["series"], batch.padding["series"])
    assert torch.equal(masked["table"], plain["table"])
    assert (masked["series"] == 0).all()
    encoder = pathway.encoders[module_key("series")]
    assert torch.equal(plain["series"], encoder(batch["series"], batch.padding["series"])[0])


@pytest.mark.parametrize("ratios", [None, {}, {"series": 0.0}])
def test_without_ratios_nothing_is_masked(ratios):
    pathway, batch = a_pathway(depth=2), a_batch()
    assert torch.equal(pathway(batch, ratios), pathway(batch))


def test_a_subset_of_modalities():
    pathway, batch = a_pathway(), a_batch()
    alone = pathway(batch.select(["series"]))
    changed = MultimodalBatch({**batch, "table": torch.zeros(2, 5)}, batch.padding)
    assert torch.equal(pathway(changed.select(["series"])), alone)
    assert not torch.allclose(pathway(batch), alone)
