"""Modules that are called as MultiBench calls them, as encoders of a pathway."""

import copy

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.data.layouts import Layout
from coral_plugin.errors import InputError
from coral_plugin.multibench.encoders import MultiBenchEncoder
from coral_plugin.multibench.layout import Form
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.pathways import TokenEncoder
from coral_plugin.networks.tokenizers import FeatureTokenizer, PatchTokenizer, SequenceTokenizer, VectorTokenizer
from coral_plugin.objectives import Step
from coral_plugin.objectives.coral import Coral, CoralSettings

SERIES = Modality(name="series", kind="sequence", shape=(8, 4))
TABLE = Modality(name="table", kind="tabular", shape=(5,))
IMAGE = Modality(name="image", kind="image", shape=(1, 28, 28))


def ragged(count=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 8, (count,), generator=generator)
    padding = torch.arange(8)[None] >= lengths[:, None]
    return torch.randn(count, 8, 4, generator=generator).masked_fill(padding[..., None], 0), padding


@pytest.mark.parametrize(
    ("name", "arguments", "options", "modality", "packed", "tokenizer"),
    [
        ("GRU", (4, 9), {}, SERIES, False, SequenceTokenizer),
        ("GRU", (4, 90), {"last_only": True}, SERIES, False, VectorTokenizer),
        ("GRU", (4, 9), {"has_padding": True}, SERIES, True, FeatureTokenizer),
        ("GRU", (4, 90), {"flatten": True}, SERIES, False, VectorTokenizer),
        ("Identity", (), {}, SERIES, False, SequenceTokenizer),
        ("Identity", (), {}, SERIES, True, SequenceTokenizer),
        ("MLP", (5, 6, 7), {}, TABLE, False, FeatureTokenizer),
        ("MLP", (5, 6, 7), {"output_each_layer": True}, TABLE, False, FeatureTokenizer),
        ("LeNet", (1, 6, 3), {}, IMAGE, False, FeatureTokenizer),
        ("LeNet", (1, 6, 1), {}, IMAGE, False, PatchTokenizer),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_tokens_of_multibench_modules(bench, name, arguments, options, modality, packed, tokenizer, count):
    module = bench.model(name, *arguments, **options)
    encoder = TokenEncoder(modality, MultiBenchEncoder(module, modality, packed=packed), 16).eval()
    assert type(encoder.tokenizer) is tokenizer
    values, padding = ragged(5) if modality is SERIES else (torch.randn(5, *modality.shape), None)
    tokens, left = encoder(values[:count], None if padding is None else padding[:count])
    assert tokens.shape[::2] == (count, 16)
    if tokenizer is SequenceTokenizer:
        assert torch.equal(left, padding[:count])
    else:
        assert left is None
    whole, _ = encoder(values, padding)
    assert torch.allclose(tokens, whole[:count, : tokens.shape[1]], atol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_a_sample_does_not_depend_on_the_padding_of_its_batch(packed):
    class Sums(nn.Module):
        """Looks at every step it is given, padding included."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            x = x[0] if isinstance(x, list) else x
            return (x + 1).sum(1) * self.weight

    encoder = MultiBenchEncoder(Sums(), SERIES, packed=packed)
    values, padding = ragged()
    whole, _ = encoder(values, padding)
    for i in range(len(values)):
        steps = int((~padding[i]).sum())
        alone, _ = encoder(values[i : i + 1, :steps], padding[i : i + 1, :steps])
        assert torch.allclose(alone, whole[i : i + 1])


def test_packed_modules_get_lengths_on_the_cpu_of_at_least_one():
    seen = []

    class Packed(nn.Module):
        def forward(self, given):
            seen.append(given)
            return given[0].mean(1)

    encoder = MultiBenchEncoder(Packed(), SERIES, packed=True)
    padding = torch.ones(3, 8, dtype=torch.bool)
    padding[0, :5] = False
    encoder(torch.zeros(3, 8, 4, dtype=torch.float64), padding)
    values, lengths = seen[-1]
    assert lengths.tolist() == [5, 1, 1]
    assert lengths.device.type == "cpu"
    assert values.dtype == torch.float32


def test_lengths_that_the_module_returns_become_the_padding():
    class Halves(nn.Module):
        def forward(self, given):
            return [given[0][:, ::2], (given[1] + 1) // 2]

    encoder = MultiBenchEncoder(Halves(), SERIES, packed=True)
    values, padding = ragged()
    out, left = encoder(values, padding)
    assert out.shape[1] == left.shape[1] == 4
    assert torch.equal((~left).sum(1), ((~padding).sum(1) + 1) // 2)


def test_modules_with_parameters_get_the_scripts_units_and_others_standardised_values():
    scaled = Modality(name="table", kind="tabular", shape=(5,), mean=(3.0,) * 5, std=(2.0,) * 5)
    for module, wanted in ((nn.Linear(5, 5), 0.0), (nn.Identity(), -1.5)):
        encoder = MultiBenchEncoder(module, scaled)
        seen = []
        module.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        TokenEncoder(scaled, encoder, 8)(torch.zeros(2, 5))
        assert (seen[-1] == wanted).all()


def test_images_come_back_in_the_scripts_form():
    seen = []
    rgb = Modality(name="image", kind="image", shape=(3, 8, 6))

    class Looks(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.mean((1, 2))

    raw = torch.rand(3, 8, 6, 3) * 255
    form = Form(layout=Layout(kind="image", shape=(8, 6, 3), moves=True), high=255.0)
    encoder = MultiBenchEncoder(Looks(), rgb, form=form)
    encoder(form.ours(raw))
    assert torch.allclose(seen[-1], raw, atol=1e-4)
    assert encoder.encoded_shape == (3,)


def test_a_module_that_divides_by_what_zeros_are_is_no_trouble():
    class Normed(nn.Module):
        def forward(self, x):
            if not x.abs().sum(1).all():
                raise ZeroDivisionError("an empty sample")
            return x / x.abs().sum(1, keepdim=True)

    assert MultiBenchEncoder(Normed(), TABLE).encoded_shape == (5,)
    with pytest.raises(
        InputError, match=r"Encoder Normed of table: it fails on a batch of the data: an empty sample\."
    ):
        MultiBenchEncoder(Normed(), TABLE, probe=torch.zeros(3, 5))


def test_wrong_width_is_told_in_one_line(bench):
    with pytest.raises(InputError, match=r"Encoder GRU of series: it fails on a batch of the data: .*") as caught:
        MultiBenchEncoder(bench.model("GRU", 35, 70), SERIES)
    assert "\n" not in str(caught.value)


def test_pathways_get_independent_copies(bench):
    modules = {"series": (bench.model("GRU", 4, 9), SERIES), "table": (bench.model("MLP", 5, 6, 7), TABLE)}
    encoders = {name: MultiBenchEncoder(module, modality) for name, (module, modality) in modules.items()}
    network = NetworkSettings(width=16, heads=2, head_hidden=8, head_output=8)
    coral = Coral((SERIES, TABLE), network, CoralSettings(), encoders)
    shared = coral.shared.encoders["m_series"].encoder.module.gru.weight_hh_l0
    unique = coral.unique_encoders["m_series"].encoder.module.gru.weight_hh_l0
    assert torch.equal(shared, unique)
    before = {name: copy.deepcopy(module.state_dict()) for name, (module, _) in modules.items()}
    values, padding = ragged(6)
    batch = MultimodalBatch({"series": values, "table": torch.randn(6, 5)}, {"series": padding})
    optimiser = torch.optim.SGD(coral.parameters(), lr=0.1)
    coral.loss(Step(batch, batch, 0.9, torch.Generator().manual_seed(0)))["total"].backward()
    optimiser.step()
    assert not torch.equal(shared, unique)
    for name, (module, _) in modules.items():  # the script's own are left alone
        assert all(torch.equal(value, before[name][key]) for key, value in module.state_dict().items())
