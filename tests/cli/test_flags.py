"""The grammar of flags, the same for every command."""

import math

import pytest

from coral_plugin.cli.flags import (
    CommandParser,
    add_setting_by_modality,
    add_settings,
    pairs,
    settings_by_name,
    settings_of_all,
)
from coral_plugin.errors import InputError


@pytest.fixture
def parser():
    parser = CommandParser(prog="coral x")
    parser.add_argument("word", nargs="?")
    add_settings(parser, by_name=True)
    add_setting_by_modality(parser, "--encoder", "network.encoders")
    return parser


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--set temperature=1e-3", {"method.temperature": 1e-3}),
        ("--set=training.compile=true", {"training.compile": True}),
        ("--training.epochs=3", {"training.epochs": 3}),
        ("--training.epochs 3 --epochs 4", {"training.epochs": 4}),
        ("--epochs 4 --set training.epochs=3", {"training.epochs": 3}),
        ("--method.mask_stages [0.1,0.2]", {"method.mask_stages": [0.1, 0.2]}),
        ("--set augmentations=drop+noise", {"augmentations": "drop+noise"}),
        ("--set augmentations.text=drop", {"augmentations.text": "drop"}),
        ("--encoder text=gru --network.encoders.a=mlp", {"network.encoders.text": "gru", "network.encoders.a": "mlp"}),
        ("--batch-size=8 --device cpu --precision 64-true", {
            "training.batch_size": 8, "training.device": "cpu", "training.precision": "64-true",
        }),
        ("", {}),
    ],
)  # fmt: skip
def test_settings_have_one_spelling(parser, words, expected):
    assert settings_of_all(parser.parse_args(words.split()), "...") == expected


def test_settings_may_belong_to_one_method(parser):
    arguments = parser.parse_args(
        ["--set", "weak:masking=none", "--set", "masking=constant", "--set", "a:probe.kind=knn"]
    )
    assert settings_by_name(arguments) == {
        "": {"method.masking": "constant"}, "weak": {"method.masking": "none"}, "a": {"probe.kind": "knn"},
    }  # fmt: skip
    with pytest.raises(InputError, match="'weak' names a method or data set, and do that"):
        settings_of_all(arguments, "do that")


def test_what_is_no_number_for_python_stays_a_text(parser):
    value = settings_of_all(parser.parse_args(["--set", "temperature=nan"]), "")["method.temperature"]
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--set masking", "--set needs KEY=VALUE, got 'masking'."),
        ("--set masking=", "--set needs KEY=VALUE"),
        ("--set :masking=none", "--set needs [NAME:]KEY=VALUE"),
        ("--set trainin.epochs=1", "Unknown group of settings 'trainin'. Did you mean 'training'?"),
        ("--set temperature={", "The value of 'method.temperature' is not valid YAML"),
        ("--encoder gru", "--encoder needs MODALITY=NAME, got 'gru'."),
        ("--training.epochs", "--training.epochs needs a value."),
        ("--epochs", "--epochs needs a value (coral x --help)."),
        ("--epochs 0", "--epochs: '0' is no whole number from 1 to 1000000"),
        ("--epoch 1", "Unknown flag '--epoch'. Did you mean '--epochs'? coral x --help lists them all."),
        ("a b c", "Unexpected 'b c'"),
    ],
)
def test_mistakes_are_named(parser, words, text):
    with pytest.raises(InputError) as caught:
        parser.parse_args(words.split())
    assert text in str(caught.value)


def test_pairs_name_nothing_twice():
    assert pairs("--data", ["a=x=y", "b=z"]) == {"a": "x=y", "b": "z"}
    with pytest.raises(InputError, match="--data is given twice for a"):
        pairs("--data", ["a=x", "a=y"])
    with pytest.raises(InputError, match="--data needs NAME=VALUE"):
        pairs("--data", ["a"])
