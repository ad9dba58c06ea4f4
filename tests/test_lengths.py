"""benchmarks/lengths.py and benchmarks/choices.py: what they score is no sample of a test split; what they choose."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import choices
import lengths

from coral_plugin.adapters.digits import Digits, DigitsSettings
from coral_plugin.cli.flags import CommandParser
from coral_plugin.cli.grid import add_grid_flags
from coral_plugin.cli.settings import settings_by_name
from coral_plugin.runs.settings import make_settings


def test_the_best_mean_is_chosen_and_the_shorter_of_equals():
    scores = {
        "coral": {20: [0.9, 0.7], 5: [0.5, 0.5], 10: [0.8, 0.9]},
        "clip": {10: [0.6, 0.8], 5: [0.7, 0.7], 20: [0.7, 0.7]},
    }
    assert lengths.choose(scores) == {"coral": 10, "clip": 5}
    table = lengths.table("wearables", scores, {"coral": 10, "clip": 5})
    assert [column for column in table.columns if column.endswith("epochs")] == ["5 epochs", "10 epochs", "20 epochs"]
    assert [(row[0], row[-1]) for row in table.rows] == [("coral", "10"), ("clip", "5")]


def test_every_length_is_run_and_the_chosen_ones_are_flags_of_coral_bench(tmp_path, monkeypatch, capsys):
    calls = []

    def run_small(command, *, cwd, env):
        assert (cwd, Path(env["CORAL_TEST_DATA"]).name) == (tmp_path, "data")
        epochs, folder = (command[command.index(flag) + 1] for flag in ("--epochs", "--output"))
        calls.append(epochs)
        Path(folder).mkdir(parents=True)
        values = {"5": (0.5, 0.75), "10": (0.75, 0.5)}[epochs]
        lines = [f"{row},{value}" for row, value in zip(("coral", "clip"), values, strict=True)]
        (Path(folder) / "scores.csv").write_text("\n".join(("method,value", *lines, "concat_raw,1.0")))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(lengths, "ROOT", tmp_path)
    monkeypatch.setattr(lengths, "write_data", lambda name, folder: folder.mkdir(parents=True))
    monkeypatch.setattr(lengths, "environment", dict)
    monkeypatch.setattr(subprocess, "run", run_small)
    monkeypatch.setattr(
        sys, "argv", ["lengths.py", "wearables", "--lengths", "5,10", "--output", str(tmp_path / "out")]
    )
    lengths.main()
    assert calls == ["5", "10"]
    assert "75.0" in capsys.readouterr().out
    parser = CommandParser()
    add_grid_flags(parser, "runs")
    flags = parser.parse_args((tmp_path / "out" / "lengths.txt").read_text().split())
    assert settings_by_name(flags) == {"": {}, "coral": {"training.epochs": 10}, "clip": {"training.epochs": 5}}


def test_a_grid_that_fails_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3))
    with pytest.raises(SystemExit, match="3"):
        lengths.run_grid("wearables", 5, tmp_path, tmp_path / "5", 1)


def test_the_sensors_of_valid_take_the_place_of_test(tmp_path, monkeypatch):
    split = {"train": 3.0, "valid": 2.0, "test": 1.0}
    arrays = {f"{label}/{key}": np.full((4, 2), value) for label, value in split.items() for key in ("wave", "labels")}
    (tmp_path / "wearables").mkdir()
    np.savez(tmp_path / "wearables" / "wearables.npz", **arrays, classes=np.array(["a", "b"]))
    monkeypatch.setattr(lengths, "SHARED", tmp_path)
    lengths.write_data("wearables", tmp_path / "out")
    with np.load(tmp_path / "out" / "wearables" / "wearables.npz") as file:
        content = {key: file[key] for key in file.files}
    assert sorted(content) == ["classes", "test/labels", "test/wave", "train/labels", "train/wave"]
    assert content["test/wave"].tolist() == arrays["valid/wave"].tolist()
    assert content["train/wave"].tolist() == arrays["train/wave"].tolist()


def test_the_valid_digits_take_the_place_of_test(tmp_path):
    lengths.write_data("digits", tmp_path)
    splits = Digits.load(settings=DigitsSettings()).splits()
    with np.load(tmp_path / "digits" / "digits.npz") as file:
        content = {key: file[key] for key in file.files}
    assert sorted(content) == [f"{label}/{key}" for label in ("test", "train") for key in ("bottom", "labels", "top")]
    for label, split in (("test", splits["valid"]), ("train", splits["train"])):
        assert content[f"{label}/labels"].tolist() == split.targets["digit"].tolist()
        assert content[f"{label}/top"].tolist() == split.columns["top"].take(torch.arange(len(split)))[0].tolist()


def test_the_speaker_that_is_left_out_is_the_test_and_its_images_are_of_train(tmp_path, monkeypatch):
    speakers = np.array(["a", "b", "c"])[np.arange(60) % 3]  # "c" is that of the test split
    digits = np.arange(60) // 3 % 10
    known = np.flatnonzero(speakers != "c")
    recordings = {"train": known[:20], "valid": known[20:], "test": np.flatnonzero(speakers == "c")}
    bank = {"audio_bank": np.zeros((60, 4, 4), np.uint8), "bank_label": digits, "bank_speaker": speakers}
    for number, (label, rows) in enumerate(recordings.items()):
        bank |= {f"{label}_audio_index_spk": rows, f"{label}_labels": digits[rows]}
        bank[f"{label}_image"] = np.full((20, 784), number, np.uint8)
    (tmp_path / "avmnist_mini").mkdir()
    np.savez(tmp_path / "avmnist_mini" / "avmnist_mini.npz", **bank)
    monkeypatch.setattr(choices, "SHARED", tmp_path)
    monkeypatch.setattr(choices, "HELD_IMAGES", 1)
    choices.write_without_speaker(tmp_path / "out.npz", "a")
    with np.load(tmp_path / "out.npz") as file:
        heard = {label: set(speakers[file[f"{label}_audio_index_spk"]]) for label in ("train", "valid", "test")}
        assert heard == {"train": {"b"}, "valid": {"b"}, "test": {"a"}}
        assert len(file["test_labels"]) == 10
        assert set(file["test_image"].ravel()) == {0}  # images of train, none of the test split
        for label in heard:
            assert (digits[file[f"{label}_audio_index_spk"]] == file[f"{label}_labels"]).all()


@pytest.mark.parametrize("name", choices.GRIDS)
def test_every_setting_to_choose_from_is_one_of_today(name):
    *_, grid = choices.GRIDS[name]
    for objective, chosen in grid.values():
        assert make_settings(objective, name, **chosen).objective == objective


def test_the_folds_of_mosi_that_choose_are_the_first_two(shared_data, monkeypatch):
    monkeypatch.setattr(choices, "SHARED", shared_data)
    with np.load(shared_data / "mosi" / "mosi_utterance.npz") as file:
        folds = file["meta/test_clean_fold"]
    data = choices.first_folds()
    assert len(data.test) == (folds < 2).sum() < len(folds)
    assert data.test.targets["label"].tolist() == [
        label for label, fold in zip(whole_labels(shared_data), folds, strict=True) if fold < 2
    ]


def whole_labels(folder):
    path = str(folder / "mosi" / "mosi_sequence.pkl")
    return choices.affect.Mosi.load(path, choices.affect.AffectSettings()).test.targets["label"].tolist()
