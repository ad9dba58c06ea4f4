"""From names, modules and functions to encoders."""

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError, UnknownNameError
from coral_plugin.networks import NetworkSettings
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.encoders.images import AlexNet, SmallConv
from coral_plugin.networks.encoders.series import GRU, Conv1d
from coral_plugin.networks.encoders.tabular import MLP
from coral_plugin.networks.factory import default_width, parse_encoder, resolve_encoders

SHAPES = {"sequence": (9, 6), "timeseries": (12, 3), "tabular": (5,), "image": (3, 8, 8)}


def modality(kind, name="m", shape=None):
    return Modality(name=name, kind=kind, shape=shape or SHAPES[kind])


def build(kind, like, width=16):
    return resolve_encoders((modality(kind),), {"m": like}, width)["m"]()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gru", ("gru", (), {})),
        (" gru ", ("gru", (), {})),
        ("gru()", ("gru", (), {})),
        ("gru(hidden=64, layers=2)", ("gru", (), {"hidden": 64, "layers": 2})),
        ("conv1d(channels=(4, 8), kernel=3)", ("conv1d", (), {"channels": (4, 8), "kernel": 3})),
        ("x(a='b', c=-0.5, d=None, e=[True])", ("x", (), {"a": "b", "c": -0.5, "d": None, "e": [True]})),
        ("x(64, 'y:z', c=1)", ("x", (64, "y:z"), {"c": 1})),
        ("f:GRU", ("f", ("GRU",), {})),
        ("f:GRU(20, -1.5, (1, 2), last=True)", ("f", ("GRU", 20, -1.5, (1, 2)), {"last": True})),
        ("f:robotics.encoders.Force(8)", ("f", ("robotics.encoders.Force", 8), {})),
    ],
)
def test_parse_encoder(text, expected):
    assert parse_encoder(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gru(size)",
        "gru(*(1, 2))",
        "f:",
        ":GRU",
        "f:GRU:x",
        "f:(GRU)(1)(2)",
        "f:GRU[0]",
        "f.g:GRU",
        "gru(hidden=",
        "gru(hidden=size)",
        "gru(**{'hidden': 64})",
        "gru(hidden=64, **{})",
        "gru(hidden=1, hidden=2)",
        "gru(hidden={[]: 1})",
        "gru(hidden=__import__('os').getcwd())",
        "a.b(c=1)",
        "gru; print(1)",
        "gru hidden",
        "'gru'",
        "gru\0",
        "3",
    ],
)
def test_bad_encoder_texts(text):
    with pytest.raises(InputError, match=r"Cannot read the encoder .*NAME\(key=value, \.\.\.\)"):
        parse_encoder(text)


@pytest.mark.parametrize(
    ("kind", "shape", "encoder"),
    [
        ("sequence", None, AffectTransformer),
        ("timeseries", None, Conv1d),
        ("tabular", None, MLP),
        ("image", None, SmallConv),
        ("image", (3, 127, 300), SmallConv),
        ("image", (3, 128, 128), AlexNet),
    ],
)
def test_default_by_kind_and_size(kind, shape, encoder):
    one = modality(kind, shape=shape)
    assert type(resolve_encoders((one,), {}, 16)["m"]()) is encoder


@pytest.mark.parametrize(
    ("kinds", "width"),
    [
        (["sequence", "sequence"], 40),
        (["sequence", "timeseries"], 128),
        (["tabular", "timeseries"], 128),
        (["image", "sequence"], 128),
        (["large", "image"], 512),
        (["sequence", "large"], 512),
    ],
)
def test_default_width(kinds, width):
    large = modality("image", shape=(3, 128, 200))
    assert default_width(tuple(large if kind == "large" else modality(kind) for kind in kinds)) == width


def test_name_with_arguments():
    encoder = build("timeseries", "gru(hidden=7, layers=2)")
    assert isinstance(encoder, GRU)
    assert encoder(torch.randn(2, 12, 3))[0].shape == (2, 12, 7)


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError, match=r"Unknown encoder 'grru'. Did you mean 'gru'\? Known: .*conv1d"):
        build("timeseries", "grru(hidden=64)")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("timeseries", "gru(size=64)"),
        ("timeseries", "gru(hidden='a')"),
        ("timeseries", "gru(hidden=-1)"),
        ("timeseries", "conv1d(stride=0)"),
        ("timeseries", "conv1d(kernel=-1)"),
        ("timeseries", "conv1d(channels=8)"),
        ("timeseries", "affect_transformer(heads=0)"),
        ("timeseries", "mlp"),
        ("image", "alexnet"),
        ("image", "small_conv(depth=3)"),
        ("tabular", "gru"),
    ],
)
def test_wrong_arguments_and_wrong_kinds_are_input_errors(kind, text):
    with pytest.raises(InputError):
        build(kind, text)


def test_the_error_names_encoder_and_modality():
    with pytest.raises(InputError, match=r"Encoder 'gru\(hidden=-1\)' of m: .*hidden"):
        build("timeseries", "gru(hidden=-1)")


def test_encoder_for_a_modality_that_is_not_there():
    modalities = (modality("tabular", "a"), modality("tabular", "b"))
    with pytest.raises(InputError, match="given for c, d, but the modalities are a, b"):
        resolve_encoders(modalities, {"c": "mlp", "a": "mlp", "d": "mlp"}, 16)


def test_module_is_copied_for_every_call():
    own = nn.Linear(5, 3)
    builder = resolve_encoders((modality("tabular"),), {"m": own}, 16)["m"]
    first, second = builder(), builder()
    assert len({id(m.weight) for m in (own, first, second)}) == 3
    with torch.no_grad():
        first.weight.zero_()
    assert torch.equal(second.weight, own.weight)
    assert own.weight.abs().sum() > 0


def test_an_empty_sequential_is_a_module_like_any_other():
    """It passes its input on; but its truth value is false."""
    assert type(build("tabular", nn.Sequential())) is nn.Sequential


def test_function_gets_modality_and_width_and_is_called_for_every_copy():
    seen = []

    def function(of, width):
        seen.append((of.name, width))
        return nn.Linear(of.features, width)

    builder = resolve_encoders((modality("tabular"),), {"m": function}, 16)["m"]
    assert builder() is not builder()
    assert seen == [("m", 16)] * 2


@pytest.mark.parametrize("name", ["depth", "heads", "head_hidden", "head_output"])
def test_settings_are_positive(name):
    with pytest.raises(InputError, match=rf"network\.{name} must be at least 1, got 0"):
        NetworkSettings(**{name: 0})


def test_width_is_not_negative():
    with pytest.raises(InputError, match=r"network\.width must be positive, or 0"):
        NetworkSettings(width=-1)
    assert NetworkSettings().width == 0
