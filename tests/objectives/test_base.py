"""Weight decay by specification 1.7, and the contract."""

import copy

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.objectives import Objective, Step
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.objectives.supervised import Supervised

MODALITIES = (
    Modality(name="bias", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="series", kind="timeseries", shape=(12, 3)),
    Modality(name="scan", kind="image", shape=(3, 8, 8)),
)
ENCODERS = {"bias": "affect_transformer(layers=1, feedforward=8)", "series": "gru"}
NETWORK = NetworkSettings(width=16, heads=4, head_hidden=8, head_output=4, encoders=ENCODERS)


def groups_by_name(module, weight_decay=0.5):
    decayed, free = parameter_groups(module, weight_decay)
    assert (decayed["weight_decay"], free["weight_decay"]) == (weight_decay, 0.0)
    names = {id(p): name for name, p in module.named_parameters()}
    return [{names[id(p)] for p in group["params"]} for group in (decayed, free)]


def test_every_parameter_of_coral_by_its_name_and_dimensions():
    objective = Coral(MODALITIES, NETWORK, CoralSettings())
    decayed, free = groups_by_name(objective)
    everything = dict(objective.named_parameters())
    assert not decayed & free
    assert decayed | free == set(everything)
    vectors = {name for name, p in everything.items() if p.ndim < 2}
    # two-dimensional biases: the feature tokenizers'
    tables = {f"{path}.m_table.tokenizer.bias" for path in ("shared.encoders", "unique_encoders")}
    assert all(everything[name].ndim == 2 for name in tables)
    assert free == vectors | tables


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("shared.fusion.cls", 0),
        ("shared.encoders.m_table.tokenizer.weight", 0),
        ("shared.encoders.m_table.tokenizer.bias", 1),
        ("unique.m_bias.pool.query", 1),
        ("shared.fusion.norm.weight", 1),
        ("shared_head.1.weight", 1),
        ("shared_head.0.weight", 0),
        ("shared_head.0.bias", 1),
        ("shared.encoders.m_bias.encoder.project.weight", 0),  # a modality may be called "bias"
        ("shared.encoders.m_series.encoder.gru.weight_hh_l0", 0),
        ("shared.encoders.m_series.encoder.gru.bias_hh_l0", 1),
        ("shared.encoders.m_scan.tokenizer.project.weight", 0),
    ],
)
def test_examples(name, group):
    assert name in groups_by_name(Coral(MODALITIES, NETWORK, CoralSettings()))[group]


def test_frozen_parameters_are_skipped():
    module = nn.Linear(3, 2)
    module.weight.requires_grad_(False)
    assert groups_by_name(module) == [set(), {"bias"}]


def test_an_optimiser_takes_the_groups_and_decays_one_of_them():
    module = nn.Linear(3, 2)
    weight, bias = module.weight.clone(), module.bias.clone()
    optimiser = torch.optim.AdamW(parameter_groups(module, 0.5), lr=0.1)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert torch.allclose(module.weight, weight * (1 - 0.1 * 0.5))
    assert torch.equal(module.bias, bias)


def test_objective_is_abstract_and_its_defaults_are_empty():
    with pytest.raises(TypeError, match="abstract"):
        Objective(MODALITIES, NETWORK, None)

    class Nothing(Objective):
        def loss(self, step):
            return {}

        def embed(self, batch):
            return {}

    nothing = Nothing(MODALITIES, NETWORK, Nothing.Settings())
    assert (nothing.projected(None), nothing.used, nothing.presets) == ({}, {}, {})
    assert (nothing.modalities, nothing.network, nothing.width) == (MODALITIES, NETWORK, 16)
    with pytest.raises(InputError, match=r"^Nothing needs at least two modalities, got 1 \(bias\)\.$"):
        Nothing(MODALITIES[:1], NETWORK, None)


def test_builders_make_the_encoders_that_are_named_by_settings_or_given_from_python():
    made = {}

    class Built(Coral):
        def build(self, builders):
            made.update({name: builder() for name, builder in builders.items()})

    given = nn.Linear(5, 5)
    Built(MODALITIES, NETWORK, CoralSettings(), {"table": given})
    assert list(made) == [modality.name for modality in MODALITIES]
    assert torch.equal(made["table"].weight, given.weight)
    assert made["table"] is not given
    assert isinstance(made["bias"], AffectTransformer)


def test_whether_labels_are_read_is_known_without_building():
    assert Coral.trains_on_labels(CoralSettings(positives="class"))
    assert not Coral.trains_on_labels(CoralSettings())
    assert Supervised.trains_on_labels(Supervised.Settings())
    assert Coral(MODALITIES, NETWORK, CoralSettings(positives="class")).needs_labels


def test_a_step_cannot_be_changed_and_is_replaced_by_another():
    one, two = (MultimodalBatch({"table": torch.full((2, 5), value)}) for value in (1.0, 2.0))
    step = Step(one, two, 0.5)
    with pytest.raises(AttributeError, match=r"step\.replace\(progress=\.\.\.\)"):
        step.progress = 0.0
    other = step.replace(progress=0.75, raw=two)
    assert (step.first, step.second, step.raw, step.progress, step.generator) == (one, two, one, 0.5, None)
    assert (other.first, other.second, other.raw, other.progress, other.generator) == (one, two, two, 0.75, None)
    assert vars(copy.deepcopy(other)).keys() == vars(other).keys()
