"""``coral evaluate --over-training``: the scores of the weights that a training kept on its way."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from coral_plugin.errors import InputError

FLAGS = ["--epochs", "3", "--set", "network.width=8", "--set", "network.heads=2", "--seeds", "41,42", "--workers", "1"]


@pytest.fixture(scope="module")
def kept(npz, tmp_path_factory):
    from coral_plugin.cli.main import main

    folder = tmp_path_factory.mktemp("runs") / "kept"
    command = ["train", "--dataset", "arrays", "--data", str(npz), "--output", str(folder), "--quiet", *FLAGS]
    assert main([*command, "--set", "training.keep_every=2"]) == 0
    return folder


def test_the_scores_of_the_kept_weights_and_of_the_last_ones(coral, kept):
    status, out, err = coral("evaluate", kept, "--probe", "ridge", "--over-training")
    assert (status, err) == (
        0,
        "over the training: every seed is embedded and probed with 2 more states of its weights\n",
    )
    written = json.loads((kept / "evaluation-ridge.json").read_text())
    assert [entry["epochs"] for entry in written["over_training"]] == [0, 2, 3]
    assert written["over_training"][-1]["tasks"] == written["tasks"], "the last ones are those of the run"
    for entry in written["over_training"]:
        assert len(entry["tasks"]["label"]["values"]) == 2
    lines = out[out.index("over the training") :].splitlines()
    assert [line.split("  ")[0] for line in lines[3:8]] == ["epochs", "------", "0", "2", "3"]
    assert f"{kept / 'plots' / 'over-training'}.png, .svg, .csv" in out
    drawn = kept / "plots" / "over-training.csv"
    assert len((first := drawn.read_text()).splitlines()) == 1 + 3 * 2
    drawn.unlink()
    status, out, _ = coral("redraw", kept)
    assert (status, drawn.read_text()) == (0, first)
    assert str(drawn.with_suffix(".png")) in out


def test_each_point_has_the_weights_of_its_epoch(coral, kept, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(kept, folder)
    path = folder / "seed-42" / "epoch-2.safetensors"
    save_file({name: torch.zeros_like(value) for name, value in load_file(path).items()}, path)
    assert coral("evaluate", folder, "--probe", "ridge", "--over-training")[0] == 0
    written = json.loads((folder / "evaluation-ridge.json").read_text())["over_training"]
    values = [entry["tasks"]["label"]["values"] for entry in written]
    assert values[1][1] == pytest.approx(1 / 3), "zeros tell no class from another"
    assert min(values[1][0], *values[0], *values[2]) > 0.5


def test_weights_that_a_seed_lacks_are_left_out(coral, kept):
    (kept / "seed-42" / "epoch-2.safetensors").rename(kept / "seed-42" / "hidden")
    try:
        assert coral("evaluate", kept, "--probe", "knn", "--over-training")[0] == 0
    finally:
        (kept / "seed-42" / "hidden").rename(kept / "seed-42" / "epoch-2.safetensors")
    written = json.loads((kept / "evaluation-knn.json").read_text())
    assert [entry["epochs"] for entry in written["over_training"]] == [0, 3]


def test_without_kept_weights_it_says_how_to_keep_them(coral, run_folder):
    status, out, err = coral("evaluate", run_folder, "--probe", "ridge", "--over-training")
    assert (status, out) == (2, "")
    assert err == (
        f"coral: {run_folder} has no weights on the way that every seed has kept. coral train into a new folder keeps "
        "them with --set training.keep_every=N; a fine-tuning and a method that does not train have none.\n"
    )


def test_damaged_weights_on_the_way_do_not_cost_the_last_ones(coral, kept, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(kept, folder)
    path = folder / "seed-41" / "epoch-2.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    status, _, err = coral("evaluate", folder, "--probe", "ridge", "--over-training")
    assert status == 2
    assert err.splitlines()[-1].endswith(f"Remove {path}; the others are scored without it.")


def test_without_a_folder_nothing_could_be_kept(npz):
    from coral_plugin import fit

    with pytest.raises(InputError, match="give output=DIR"):
        fit("arrays", data=str(npz), training__keep_every=1, epochs=1)


def test_a_fine_tuning_keeps_none(coral, kept, tmp_path):
    status, _, err = coral("finetune", kept, "--output", tmp_path / "tuned", "--set", "training.keep_every=1")
    assert (status, err) == (
        2,
        "coral: training.keep_every cannot be chosen here; a fine-tuning takes settings of training, method.\n",
    )
