"""Ranges of the training's settings."""

import pytest

from coral_plugin.errors import InputError
from coral_plugin.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("gradient_clip", -0.1),
        ("warmup", 1.0),
        ("checkpoint_seconds", -1.0),
        ("timeout_seconds", 0.0),
        ("devices", 0),
        ("devices", 65),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=field):
        TrainingSettings(**{field: value})


def test_the_defaults_are_the_papers():
    settings = TrainingSettings()
    assert (settings.epochs, settings.batch_size) == (100, 64)
    assert (settings.learning_rate, settings.weight_decay, settings.schedule) == (1e-4, 1e-3, "constant")
