"""MultiBench's encoders by name."""

import pytest
import torch

from coral_plugin.cli.main import main
from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.multibench.named import classes
from coral_plugin.networks.factory import resolve_encoders

SERIES = Modality(name="series", kind="sequence", shape=(6, 4))


@pytest.fixture(autouse=True)
def root(checkout, monkeypatch):
    monkeypatch.setenv("MULTIBENCH_ROOT", str(checkout.root))
    return checkout


def build(text, modality=SERIES):
    return resolve_encoders((modality,), {modality.name: text}, 16)[modality.name]()


def test_positional_and_named_arguments_reach_the_class():
    one, packed = build("multibench:GRU(4, 9, last_only=True)"), build("multibench:GRU(4, 9, has_padding=True)")
    assert one.encoded_shape == packed.encoded_shape == (9,)
    assert (one.packed, packed.packed) == (False, True)
    assert one.module.gru.input_size == 4
    assert build("multibench:common_models.GRU(4, 7)").encoded_shape == (6, 7)


def test_each_pathway_gets_weights_of_its_own():
    builder = resolve_encoders((SERIES,), {"series": "multibench:GRU(4, 9)"}, 16)["series"]
    assert not torch.equal(builder().module.gru.weight_hh_l0, builder().module.gru.weight_hh_l0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("multibench", r"Name a module of MultiBench's unimodals, such as multibench:GRU\(20, 128\)"),
        ("multibench(3)", r"Name a module .* got 3"),
        ("multibench:GRRU(4, 9)", r"Unknown module of MultiBench's unimodals 'GRRU'\. Did you mean 'GRU'\?"),
        ("multibench:fusions.GRU(4)", r"no fusions\.GRU; GRU is in unimodals\.common_models"),
        ("multibench:GRU()", r"multibench:GRU for series: TypeError: .*missing 2 required"),
        ("multibench:GRU(4, 9, colour=1)", r"multibench:GRU for series: TypeError: .*'colour'"),
        ("multibench:GRU('a', 9)", r"multibench:GRU for series: TypeError"),
        ("multibench:GRU(35, 9)", r"Encoder GRU of series: it fails on a batch of the data: .*35"),
        ("multibench:GRU(4, 99999999)", r"an argument must be at most"),
    ],
)
def test_mistakes_are_one_line(text, said):
    with pytest.raises(InputError, match=said) as caught:
        build(text)
    assert "\n" not in str(caught.value)


def test_no_checkout_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("MULTIBENCH_ROOT")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"No MultiBench checkout: .*git clone"):
        build("multibench:GRU(4, 9)")


def test_classes_are_read_without_importing(checkout):
    assert "unimodals.common_models" in classes(checkout)["GRU"]


def test_train_and_evaluate_from_the_command_line(tiny_arrays, tmp_path, capsys):
    import numpy as np

    np.savez(tmp_path / "tiny.npz", **tiny_arrays)
    flags = ["--epochs", "1", "--set", "network.width=16", "--set", "network.heads=2", "--device", "cpu", "--quiet"]
    encoders = ["--encoder", "series=multibench:GRU(4,9)", "--encoder", "table=multibench:MLP(5, 6, 7)"]
    run = str(tmp_path / "run")
    train = ["train", "--dataset", "arrays", "--data", str(tmp_path / "tiny.npz"), *flags, *encoders, "--output", run]
    assert main(train) == 0, capsys.readouterr().err
    assert "multibench:GRU(4,9)" in (tmp_path / "run" / "config.yaml").read_text()
    assert main(["evaluate", run, "--probe", "ridge"]) == 0, capsys.readouterr().err
