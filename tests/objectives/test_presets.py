"""Presets state their whole training, data sets nothing of it; presets of one data set."""

import pytest
import yaml

from coral_plugin.cli.train_flags import parse_run
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import from_dict, make_settings
from coral_plugin.training.settings import TrainingSettings

OURS = [name for name in OBJECTIVES.names() if OBJECTIVES.get(name).__module__.startswith("coral_plugin.")]
RECIPE = {"learning_rate", "weight_decay", "epochs", "batch_size", "schedule"}


@pytest.mark.parametrize("name", OURS)
def test_every_preset_states_its_whole_training(name):
    objective = OBJECTIVES.get(name)
    assert "paper" in objective.presets
    for preset, values in objective.presets.items():
        stated = {key.removeprefix("training.") for key in values if key.startswith("training.")}
        assert stated >= (RECIPE if objective.trains else set()), preset
        if values.get("training.schedule") == "cosine":
            assert "warmup" in stated, preset


@pytest.mark.parametrize(
    "name", [n for n in DATASETS.names() if DATASETS.get(n).__module__.startswith("coral_plugin.")]
)
def test_no_data_set_says_how_a_method_is_trained(name):
    """Its rate would reach some methods, those whose preset says nothing, and no others."""
    recipe = DATASETS.get(name).recipe
    assert not [key for key in recipe if key.startswith(("training.", "method.", "probe."))]


@pytest.mark.parametrize("dataset", ["avmnist", "mosi", "trifeature", "arrays"])
@pytest.mark.parametrize(
    ("objective", "rate", "decay"),
    [("coral", 1e-4, 1e-3), ("comm", 1e-3, 1e-2), ("infmasking", 3e-4, 1e-4), ("clip", 1e-3, 1e-2),
     ("cross_self", 3e-4, 1e-4), ("factorcl", 1e-4, 0.0), ("supervised", 1e-4, 1e-3)],
)  # fmt: skip
def test_the_papers_preset_is_the_papers_on_every_data_set(objective, dataset, rate, decay):
    training = make_settings(objective, dataset).training
    assert (training.learning_rate, training.weight_decay, training.schedule) == (rate, decay, "constant")
    assert (training.epochs, training.batch_size) == (100, 64)


def test_defaults_of_the_training_are_corals():
    values = OBJECTIVES.get("coral").presets["paper"]
    assert all(getattr(TrainingSettings(), key.removeprefix("training.")) == value for key, value in values.items())


@pytest.mark.parametrize(("dataset", "preset", "weight"), [("mosi", "released", 10.0), ("digits", "released", 10.0),
                                                           ("trifeature", "released_trifeature", 1.0)])  # fmt: skip
def test_the_released_preset_has_the_weight_of_each_script(dataset, preset, weight):
    """Specification 6.1, from Python and from the command line; what is saved says which preset it was."""
    settings = make_settings("coral", dataset, preset="released")
    parsed, _ = parse_run(["--objective", "coral", "--dataset", dataset, "--preset", "released"])
    for each in (settings, parsed, from_dict(yaml.safe_load(settings.to_yaml()))):
        assert (each.preset, each.method.orthogonality_weight) == (preset, weight)


def test_a_saved_file_goes_with_the_preset_that_it_was_made_with(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(make_settings("coral", "trifeature", preset="released").to_yaml())
    parsed, _ = parse_run(["--config", str(file), "--preset", "released"])
    assert (parsed.preset, parsed.method.orthogonality_weight) == ("released_trifeature", 1.0)


def test_a_run_says_what_a_preset_has_on_this_data_set_alone(capsys):
    chosen = {
        "source__image_size": 16,
        "source__pairs": 8,
        "source__probe_pairs": 20,
        "source__renders": 1,
        "network__width": 8,
        "training__epochs": 1,
        "training__batch_size": 8,
    }
    run(make_settings("coral", "trifeature", preset="released", **chosen), raw_baseline=False)
    said = "coral: preset released has method.orthogonality_weight=1.0 on trifeature (released_trifeature)"
    assert said in capsys.readouterr().err.splitlines()
