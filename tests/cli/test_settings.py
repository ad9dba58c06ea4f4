"""The grammar of settings, the same for every command."""

from dataclasses import make_dataclass

import pytest

from coral_plugin.cli.flags import CommandParser
from coral_plugin.cli.settings import (
    add_setting,
    add_setting_by_modality,
    add_settings,
    keys_by_name,
    settings_by_name,
    settings_of_all,
)
from coral_plugin.errors import InputError
from coral_plugin.runs.checks import with_tuples


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
        ("--lr 1e-3 --wd=0", {"training.learning_rate": 1e-3, "training.weight_decay": 0}),
        ("--learning-rate 1e-3", {"training.learning_rate": 1e-3}),
        ("--learning_rate 1e-3 --batch_size=8", {"training.learning_rate": 1e-3, "training.batch_size": 8}),
        ("--mask-ratio 0.5", {"method.mask_ratio": 0.5}),
        ("--mask_ratio=0.5 --kind knn", {"method.mask_ratio": 0.5, "probe.kind": "knn"}),
        ("--compile --epochs 2", {"training.compile": True, "training.epochs": 2}),
        ("--deterministic", {"training.deterministic": True}),
        ("--deterministic false", {"training.deterministic": False}),
        ("--deterministic off", {"training.deterministic": False}),
        ("--copy-unique", {"method.copy_unique": True}),
        ("--copy-unique --epochs 2", {"method.copy_unique": True, "training.epochs": 2}),
        ("--method.copy_unique no", {"method.copy_unique": False}),
        ("--source.standardise", {"source.standardise": True}),
        ("--width 64 --depth 2", {"network.width": 64, "network.depth": 2}),
        ("--set lr=1e-3 --set wd=0", {"training.learning_rate": 1e-3, "training.weight_decay": 0}),
        ("--set width=64 --set gradient-clip=1", {"network.width": 64, "training.gradient_clip": 1}),
        ("--augmentations drop", {"augmentations": "drop"}),
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


@pytest.mark.parametrize(
    "words", ["runs/x --compile", "--compile runs/x", "--copy-unique runs/x", "--compile=true runs/x"]
)
def test_a_switch_leaves_the_word_behind_it_alone(parser, words):
    assert parser.parse_args(words.split()).word == "runs/x"


def test_settings_may_belong_to_one_method(parser):
    arguments = parser.parse_args(
        ["--set", "weak:masking=none", "--temperature", "0.2", "--set", "masking=constant", "--set", "a:probe.kind=knn"]
    )
    assert settings_by_name(arguments) == {
        "": {"method.masking": "constant", "method.temperature": 0.2},
        "weak": {"method.masking": "none"}, "a": {"probe.kind": "knn"},
    }  # fmt: skip
    with pytest.raises(InputError, match="'weak' names a method or data set, and do that"):
        settings_of_all(arguments, "do that")
    # a name decides the group: COrAL has labels too
    arguments = parser.parse_args(["--set", "mosi:labels=seven", "--set", "coral:labels=x", "--set", "pairing=biased"])
    assert settings_by_name(arguments) == {
        "": {"source.pairing": "biased"}, "mosi": {"source.labels": "seven"}, "coral": {"method.labels": "x"}
    }  # fmt: skip


def test_what_is_no_number_for_yaml_stays_a_text(parser):
    value = settings_of_all(parser.parse_args(["--set", "temperature=nan"]), "")["method.temperature"]
    assert value == "nan"


@pytest.mark.parametrize("text", ["ON", "7203", "true", "007", "2020-01-01", "nan", "1e5"])
def test_a_text_setting_is_the_text_and_quotes_are_yamls(parser, text):
    parser.classes = {"source": make_dataclass("Source", [("target", str), ("inputs", tuple[str, ...])])}
    words = ["--set", f"source.target={text}", "--set", f"source.inputs={text},6758"]
    values = settings_of_all(parser.parse_args(words), "")
    assert values == {"source.target": text, "source.inputs": f"{text},6758"}
    found = with_tuples(parser.classes["source"], {"inputs": values["source.inputs"]}, "source")
    assert found == {"inputs": (text, "6758")}
    assert with_tuples(parser.classes["source"], {"inputs": "['a, b', c,]"}, "source") == {"inputs": ("a, b", "c")}
    with pytest.raises(InputError, match="is not valid YAML"):
        with_tuples(parser.classes["source"], {"inputs": "a,,b"}, "source")
    (quoted,) = settings_of_all(parser.parse_args(["--set", f"source.target='{text}'"]), "").values()
    assert quoted == text


def test_without_a_method_a_text_is_what_all_that_have_the_setting_take_for_one(parser):
    words = ["--set", "slip:self_modalities=7203", "--set", "source.target=ON", "--set", "method.temperature=.5e-3"]
    values = settings_by_name(parser.parse_args(words))
    assert values == {
        "": {"source.target": "ON", "method.temperature": 0.0005}, "slip": {"method.self_modalities": "7203"},
    }  # fmt: skip


def test_a_settings_name_alone_stands_for_one_setting():
    method, source = make_dataclass("Method", [("width", int), ("labels", str)]), make_dataclass("Source", ["labels"])
    names = keys_by_name({"method": method, "source": source})
    assert (names["width"], names["labels"]) == ("network.width", "method.labels")
    assert names["augmentations"] == "augmentations"


def test_a_command_may_have_some_of_the_short_flags_and_no_others():
    parser = CommandParser(prog="coral x")
    add_settings(parser, only=("--device",))
    assert settings_of_all(parser.parse_args(["--device", "cpu"]), "") == {"training.device": "cpu"}
    with pytest.raises(InputError, match="Unknown flag '--epochs'"):
        parser.parse_args(["--epochs", "1"])


def test_a_value_of_a_short_flag_is_read_as_yaml_unless_it_has_a_type(parser):
    add_setting(parser, "--ratio", key="method.ratio")
    assert settings_of_all(parser.parse_args(["--ratio", "[1, 2]"]), "") == {"method.ratio": [1, 2]}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--set masking", "--set needs KEY=VALUE, got 'masking'."),
        ("--set masking=", "--set needs KEY=VALUE"),
        ("--set :masking=none", "--set needs [NAME:]KEY=VALUE"),
        ("--set trainin.epochs=1", "Unknown group of settings 'trainin'. Did you mean 'training.epochs'?"),
        ("--training.epohs 1", "Unknown setting 'training.epohs'. Did you mean 'training.epochs'? coral train"),
        ("--training.width 1", "Unknown setting 'training.width'. Did you mean 'network.width'?"),
        ("--set epohs=1", "Unknown setting 'epohs'. Did you mean 'epochs'?"),
        ("--set zzz=1", "Unknown setting 'zzz'. coral train --help-all lists all settings."),
        ("--mask-rato 1", "Unknown flag '--mask-rato'. Did you mean '--mask-ratio'?"),
        ("--mask-ratio", "--mask-ratio needs a value."),
        ("--mask-ratio --epochs 3", "--mask-ratio needs a value."),
        ("--set temperature={", "The value of 'method.temperature' is not valid YAML"),
        ("--encoder gru", "--encoder needs MODALITY=NAME, got 'gru'."),
        ("--training.epochs", "--training.epochs needs a value."),
        ("--epochs", "--epochs needs a value (coral x --help)."),
        ("--epochs 0", "--epochs: '0' is no whole number from 1 to 1000000"),
        ("--epoch 1", "Unknown flag '--epoch'. Did you mean '--epochs'? coral x --help shows the flags."),
        ("a b c", "Unexpected 'b c': a value stands behind its flag"),
    ],
)
def test_mistakes_are_named(parser, words, text):
    with pytest.raises(InputError) as caught:
        parser.parse_args(words.split())
    assert text in str(caught.value)
