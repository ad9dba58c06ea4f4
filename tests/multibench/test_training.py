"""MultiBench's own trainings under coral run: their epochs, and those that no objective takes the place of."""

import importlib
import inspect

import pytest

from coral_plugin.errors import InputError
from coral_plugin.multibench import multibench
from coral_plugin.multibench.training import (
    EPOCHS,
    INTERCEPTED,
    _shorten,
    check_training,
    refuse_others,
    set_epochs,
)


def structures(checkout):
    found = [name for name in EPOCHS if (checkout.root / f"{name.replace('.', '/')}.py").is_file()]
    return {name: importlib.import_module(name) for name in found}


def test_epochs_are_arguments_of_every_training(checkout):
    """The names that are set are names that the functions have."""
    with multibench(checkout):
        for name, module in structures(checkout).items():
            assert set(EPOCHS[name]) <= set(inspect.signature(module.train).parameters), name


def test_epochs_are_set_by_place_and_by_name(double, capsys):
    with multibench(double) as scope:
        set_epochs(scope, 2)
        train = importlib.import_module("training_structures.unimodal").train
        train(None, None, None, None, 100)
        train(None, None, None, None, total_epochs=50, modalnum=1)
    assert capsys.readouterr().out == "unimodal for 2 epochs\n" * 2
    with multibench(double):
        importlib.import_module("training_structures.unimodal").train(None, None, None, None, 3)
    assert capsys.readouterr().out == "unimodal for 3 epochs\n"


def test_counts_within_a_training_are_no_longer_than_it(double):
    """Gradient blending trains num_epoch // gb_epoch times gb_epoch epochs."""
    seen = {}

    def train(models, num_epoch, lr, gb_epoch=20, finetune_epoch=25):
        seen.update(num_epoch=num_epoch, gb_epoch=gb_epoch, finetune_epoch=finetune_epoch)

    with multibench(double) as scope:
        module = importlib.import_module("training_structures.unimodal")
        scope.patch(module, "train", train)
        _shorten(scope, EPOCHS["training_structures.gradient_blend"], 4, module)
        module.train([], 300, 0.1, finetune_epoch=3)
    assert seen == {"num_epoch": 4, "gb_epoch": 4, "finetune_epoch": 3}


def test_other_trainings_say_that_they_are_not_replaced(checkout):
    with multibench(checkout) as scope:
        refuse_others(scope, "affect_uni.py", "coral")
        for name, module in structures(checkout).items():
            if name != INTERCEPTED:
                with pytest.raises(InputError, match=rf"affect_uni\.py trains with {name}\.train; --objective coral"):
                    module.train(1, 2, three=3)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("from training_structures.unimodal import train, test\n", True),
        (
            "from training_structures.gradient_blend import train\nfrom training_structures.unimodal import train\n",
            True,
        ),
        ("from training_structures.Supervised_Learning import train\n", False),
        (f"from training_structures.unimodal import train\nfrom {INTERCEPTED} import train\n", False),
        ("from training_structures.Simple_Late_Fusion import train\n", False),
        ("from training_structures.unimodal import test\nfrom mine import train\n", False),
        ("from .training_structures.architecture_search import train\n", True),
        ("not python (\n", False),
    ],
)
def test_a_script_is_refused_before_its_data_are_read(tmp_path, text, refused):
    script = tmp_path / "s.py"
    script.write_text(text)
    if refused:
        with pytest.raises(InputError, match=r"s\.py trains with training_structures\."):
            check_training(script, "coral")
    else:
        check_training(script, "coral")
