"""``coral finetune``: settings as in ``coral train``."""

import json

import pytest
import yaml


def test_settings_reach_the_fine_tuning_and_its_run(coral, run_folder, tmp_path):
    output = tmp_path / "tuned"
    status, out, err = coral(
        "finetune", run_folder, "--output", output, "--epochs", 9, "--set", "training.epochs=1", "--mask-ratio", "1e-1",
        "--set", "positives=class_neutral", "--training.gradient_clip", "0.5", "--set", "temperature=0.3",
    )  # fmt: skip
    assert status == 0, err
    assert "contrastive, probe" in out
    settings = json.loads((output / "finetune.json").read_text())["settings"]
    assert (settings["epochs"], settings["mask_ratio"], settings["positives"]) == (1, 0.1, "class_neutral")
    config = yaml.safe_load((output / "config.yaml").read_text())
    assert (config["training"]["epochs"], config["training"]["gradient_clip"]) == (1, 0.5)
    assert config["method"]["temperature"] == 0.3
    assert "coral (paper) on tiny, fine-tuned" in out
    (result,) = output.glob("seed-*/result.json")
    trained = json.loads(result.read_text())["train"]["parameters"]
    status, out, _ = coral("evaluate", output, "--probe", "ridge", "--missing", "all", "--complexity")
    assert (status, "coral (paper) on tiny, fine-tuned, ridge probe" in out) == (0, True)
    assert "fine-tuned" in (output / "plots" / "missing.svg").read_text()
    cost = json.loads((output / "evaluation-ridge.json").read_text())["complexity"]
    assert cost["parameters"]["trainable"] == cost["training"]["parameters"] == trained
    assert cost["training"]["epochs"] == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--set", "network.width=8"], "network.width cannot be chosen here"),
        (["--set", "training.devices=2"], "training.devices cannot be chosen here"),
        (["--loss", "cross_entropy", "--set", "temperature=1"], "method.temperature cannot be chosen here"),
        (["--set", "temprature=1"], "Did you mean 'temperature'?"),
        (["--training.epohs", "1"], "Did you mean 'training.epochs'?"),
        (["--set", "coral:temperature=1"], "a fine-tuning has one run"),
        (["--epochs", "many"], "no whole number"),
        (["--patience", "0"], "no whole number"),
        (["--precision", "32"], "Unknown value of training.precision '32'"),
    ],
)
def test_mistakes_are_one_line(coral, run_folder, tmp_path, arguments, text):
    status, out, err = coral("finetune", run_folder, "--output", tmp_path / "tuned", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "tuned").exists()
