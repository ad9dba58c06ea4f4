"""``coral train``: flags and files to settings, results to the right streams, mistakes to one line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from coral_plugin.cli.train import fresh_folder
from coral_plugin.cli.train_flags import parse_run
from coral_plugin.errors import InputError
from coral_plugin.training.loggers import LIBRARIES


def settings_of(*argv):
    return parse_run(list(argv))[0]


def test_results_go_to_stdout_and_nothing_else_does(coral, npz, flags, tmp_path):
    status, out, err = coral("train", "--dataset", "arrays", "--data", npz, "--output", tmp_path / "run", *flags)
    assert (status, err) == (0, "")
    for row in ("all parts", "shared", "unique/table", "unique/wave", "raw: all", "chance"):
        assert row in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert f"{100 * metrics['tasks']['label']['mean']:.1f}" in out
    pictures = {p.name for p in (tmp_path / "run" / "plots").glob("*.png")}
    assert len(pictures) >= 3


def test_progress_goes_to_stderr(coral, npz, flags, tmp_path):
    flags.remove("--quiet")
    _, out, err = coral("train", "--dataset", "arrays", "--data", npz, "--output", tmp_path / "run", *flags)
    assert "seed 41  epoch 1/1" in err
    assert "epoch" not in out


def test_flags_reach_their_settings():
    settings = settings_of(
        "--dataset", "digits", "--epochs", "7", "--batch-size=32", "--seeds", "1,2", "--modalities", "bottom,top",
        "--set", "temperature=0.2", "--set", "training.learning_rate=0.01", "--method.masking", "none",
        "--encoder", "top=small_conv(channels=8)", "--augmentation", "top=noise", "--source.parts", "halves",
    )  # fmt: skip
    assert (settings.training.epochs, settings.training.batch_size, settings.seeds) == (7, 32, (1, 2))
    assert (settings.method.temperature, settings.method.masking) == (0.2, "none")
    assert settings.training.learning_rate == 0.01
    assert settings.modalities == ("bottom", "top")
    assert settings.network.encoders == {"top": "small_conv(channels=8)"}
    assert settings.augmentations == {"top": "noise"}


def test_without_a_data_set_it_says_what_to_type(coral):
    for arguments in ([], ["--epochs", "3"], ["--objective", "comm"]):
        status, out, err = coral("train", *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("coral train needs a data set. To begin with:\n  coral train --dataset digits")
        assert err.count("\n") <= 6


def test_a_flag_with_one_hyphen_is_named(coral, npz):
    assert coral("train", "-data", npz)[2].startswith("coral: Unknown flag '-data'. Did you mean '--data'?")


def test_a_word_without_its_flag_is_answered_with_the_command(coral, npz, tmp_path):
    for words, command in (
        (["digits"], "coral train --dataset digits"),
        (["digit", "--epochs", "2"], "coral train --dataset digits --epochs 2"),
        (["coral", "digits"], "coral train --objective coral --dataset digits"),
        ([str(npz)], f"coral train --data {npz}"),
        (["--dataset", "digits", "comm"], "coral train --dataset digits --objective comm"),
    ):
        status, out, err = coral("train", *words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.endswith(f"which needs a flag: {command}\n")


def test_a_file_of_arrays_needs_no_data_set_by_name(coral, npz, flags, tmp_path):
    flags.remove("--quiet")
    status, _, err = coral("train", "--data", npz, "--probe", "knn", "--output", tmp_path / "run", *flags)
    assert status == 0
    assert err.startswith(f"{npz}: read as your own arrays (--dataset arrays)\n")
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (saved["dataset"], saved["probe"]["kind"]) == ("arrays", "knn")


def test_a_file_of_another_kind_does(coral, tmp_path):
    (tmp_path / "mosi.pkl").write_bytes(b"\x80\x04}.")
    (tmp_path / "empty").mkdir()
    for name, kind in (("mosi.pkl", "a pickle"), ("empty", "a folder")):
        status, _, err = coral("train", "--data", tmp_path / name)
        assert (status, err.count("\n")) == (2, 1)
        assert (
            f"is {kind}: if it is a known data set, which coral data check {tmp_path / name} finds out, name that with"
            in err
        )


def test_the_help_needs_no_torch_and_fits_on_a_screen():
    code = (
        "import sys; from coral_plugin.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "finally: assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") <= 40
    assert "temperature" in done.stdout
    assert "coral train --help-all" in done.stdout


@pytest.mark.parametrize(
    "words", ["bench --help", "embed --help", "evaluate --help", "bench --objectives corl --datasets digits"]
)
def test_help_and_a_mistyped_method_need_no_torch(words):
    code = (
        "import sys; from coral_plugin.cli.main import main\n"
        f"try: main({words.split()!r})\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "usage: coral" in done.stdout or "Did you mean 'coral'?" in done.stderr


def test_the_first_step_needs_no_library_but_torch_and_numpy(tmp_path):
    """Each of these takes as long to import as torch, or half as long."""
    code = (
        "import os, sys; from coral_plugin.cli.main import main; from coral_plugin.training.engine import Engine\n"
        "take = Engine._take_step\n"
        "def step(*arguments):\n"
        "    take(*arguments)\n"
        "    heavy = {'torch._dynamo', 'sympy', 'lightning_fabric', 'torchmetrics', 'sklearn', 'scipy', 'pandas'}\n"
        "    print(sorted({*heavy, 'matplotlib', 'pytorch_lightning'} & set(sys.modules)), flush=True)\n"
        "    os._exit(3)\n"
        "Engine._take_step = step\n"
        "main(sys.argv[1:])"
    )
    argv = ["train", "--dataset", "digits", "--seeds", "41,42", "--workers", "1", "--output", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "[]\n"), done.stderr


def test_every_setting_is_in_the_whole_help(capsys):
    with pytest.raises(SystemExit):
        parse_run(["--dataset", "digits", "--help-all"])
    out = capsys.readouterr().out
    for setting in ("method.mask_ratio (", "source.parts (", "probe.neighbours (20)", "network.width (0)"):
        assert f"  {setting}" in out
    assert ", ".join(LIBRARIES) in " ".join(out.split())


def test_kinds_have_a_short_flag():
    settings, _ = parse_run(["--dataset", "arrays", "--data", "x.npz", "--kind", "door=timeseries", "--kind=eye=image"])
    assert settings.source.kinds == {"door": "timeseries", "eye": "image"}
    with pytest.raises(InputError, match=r"'sequence', 'timeseries', 'tabular', 'image'.*got \{'door': 'film'\}"):
        parse_run(["--dataset", "arrays", "--data", "x.npz", "--kind", "door=film"])


def test_a_saved_config_gives_the_same_settings_and_flags_win(run_folder, npz):
    config = str(run_folder / "config.yaml")
    same = settings_of("--config", config)
    assert same.as_dict() == yaml.safe_load((run_folder / "config.yaml").read_text())
    changed = settings_of("--config", config, "--epochs", "9", "--seeds", "5", "--set", "mask_ratio=0.1")
    assert (changed.training.epochs, changed.seeds, changed.method.mask_ratio) == (9, (5,), 0.1)
    assert changed.network == same.network


def test_a_config_may_write_settings_as_flags_do(tmp_path):
    nested, flat = tmp_path / "nested.yaml", tmp_path / "flat.yaml"
    nested.write_text("dataset: digits\ntraining: {learning_rate: 1e-3, epochs: 3}\n")
    flat.write_text("dataset: digits\ntraining.learning_rate: 0.001\ntraining.epochs: 3\n")
    wanted = settings_of("--dataset", "digits", "--lr", "1e-3", "--epochs", "3")
    assert settings_of("--config", str(nested)) == settings_of("--config", str(flat)) == wanted
    flat.write_text("dataset: digits\nepochs: 3\n")
    with pytest.raises(InputError, match=r"Unknown setting in .*flat.yaml 'epochs'. Did you mean 'training.epochs'\?$"):
        settings_of("--config", str(flat))


def test_the_flag_of_a_setting_is_there_where_the_method_has_it(capsys):
    for objective, known in (("coral", True), ("clip", False)):
        with pytest.raises(SystemExit):
            parse_run(["--objective", objective, "--dataset", "digits", "--help-all"])
        assert ("--temperature X" in capsys.readouterr().out) == known


def test_presets_change_the_defaults_and_flags_win():
    released = settings_of("--dataset", "digits", "--preset", "released", "--set", "mask_ratio=0.5")
    assert (released.method.orthogonality_weight, released.method.mask_ratio) == (10.0, 0.5)


WRONG = [
    (["--objective", "corall"], "Did you mean 'coral'"),
    (["--dataset", "digit"], "Did you mean 'digits'"),
    (["--dataset", "digits", "--preset", "papr"], "Did you mean 'paper'"),
    (["--dataset", "digits", "--epochs", "many"], "epochs"),
    (["--dataset", "digits", "--epochs", "0"], "no whole number from 1"),
    (["--dataset", "digits", "--batch-size", "1"], "batch_size must be at least 2"),
    (["--dataset", "digits", "--seeds", "a,b"], "no list of whole numbers"),
    (["--dataset", "digits", "--seeds", "1,1"], "different numbers"),
    (["--dataset", "digits", "--set", "temperature"], "KEY=VALUE"),
    (["--dataset", "digits", "--set", "temprature=1"], "temprature"),
    (["--dataset", "digits", "--set", "temperature=-1"], "must be positive"),
    (["--dataset", "digits", "--method.masking", "sometimes"], "sometimes"),
    (["--dataset", "digits", "--encoder", "top"], "MODALITY=NAME"),
    (["--dataset", "digits", "--encoder", "top=small_con"], "Did you mean 'small_conv'"),
    (["--dataset", "digits", "--encoder", "left=small_conv"], "given for left"),
    (["--dataset", "digits", "--encoder", "top=gru"], "gru encodes series"),
    (["--dataset", "digits", "--encoder", "top=small_conv(chanels=3)"], "chanels"),
    (["--dataset", "digits", "--augmentations", "dropp"], "dropp"),
    (["--dataset", "digits", "--modalities", "top,left"], "no modality left"),
    (["--dataset", "digits", "--modalities", "top"], "at least two modalities"),
    (["--dataset", "digits", "--device", "tpu"], "tpu"),
    (["--dataset", "digits", "--nonsense"], "nonsense"),
    (["--dataset", "digits", "--config", "/nowhere/config.yaml"], "/nowhere/config.yaml"),
    (["--dataset", "arrays"], "--data"),
    (["--dataset", "arrays", "--data", "/nowhere/a.npz"], "/nowhere/a.npz"),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_mistakes_are_one_line_and_status_2(coral, tmp_path, arguments, text):
    status, out, err = coral("train", "--output", tmp_path / "run", "--quiet", *arguments)
    assert (status, out) == (2, ""), err
    assert err.count("\n") == 1
    assert text in err
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "not valid YAML"),
        ("- 1", "must hold a mapping"),
        ("epoch: 3", "epoch"),
        ("training: 3", "must be a mapping"),
        ("training: {epohs: 3}", "Did you mean 'epochs'"),
        ("objective: 3", "must be a name"),
    ],
)
def test_a_wrong_config_is_one_line(text, match, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=match):
        settings_of("--dataset", "digits", "--config", str(tmp_path / "c.yaml"))


def test_a_damaged_file_is_one_line(coral, tmp_path):
    np.savez(tmp_path / "a.npz", **{"train/a": np.full((4, 2), np.inf), "train/labels": np.arange(4) % 2})
    status, _, err = coral("train", "--dataset", "arrays", "--data", tmp_path / "a.npz", "--output", tmp_path / "run")
    assert status == 2
    assert "train/a holds 8 values that are not finite" in err


def test_the_default_folder_is_a_fresh_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = fresh_folder("coral", "digits", None)
    assert str(first) == "runs/coral-digits"
    first.mkdir(parents=True)
    assert str(fresh_folder("coral", "digits", None)) == "runs/coral-digits-2"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--seeds", "41", "42"], "--seeds 41,42"),
        (["--epochs"], "--epochs needs a value"),
        (["--epochs", "x"], "no whole number"),
        (["--set", "mask_rati=1"], "Unknown setting 'mask_rati'. Did you mean 'mask_ratio'?"),
        (["--method.mask_rati=1"], "Unknown setting 'method.mask_rati'. Did you mean 'method.mask_ratio'?"),
        (["--set", "trainin.epochs=1"], "Unknown group of settings 'trainin'. Did you mean 'training.epochs'?"),
        (["--set", "coral:mask_ratio=1"], "'coral' names a method or data set"),
        (["--modalities", ""], "at least one"),
        (["--modalities", "table"], "at least two modalities"),
        (["--encoder", "table=nope"], "Unknown encoder 'nope'"),
        (["--network.width", "7"], "heads"),
    ],
)
def test_a_refused_command_says_so_and_writes_nothing(coral, npz, flags, tmp_path, arguments, text):
    folder = tmp_path / "run"
    status, out, err = coral("train", "--dataset", "arrays", "--data", npz, "--output", folder, *flags, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not folder.exists()


def test_an_output_name_that_is_too_long_is_the_users_mistake(coral, npz, flags):
    status, _, err = coral("train", "--dataset", "arrays", "--data", npz, "--output", "x" * 300, *flags)
    assert (status, err.count("\n")) == (2, 1)


def test_seeds_on_the_command_line_win_over_a_file_even_where_they_are_the_default(npz, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("dataset: arrays\nseeds: [41, 42]\n")
    assert parse_run(["--config", str(config)])[0].seeds == (41, 42)
    assert parse_run(["--config", str(config), "--seeds", "41"])[0].seeds == (41,)
    config.write_text("dataset: arrays\nseeds: 42\n")
    assert parse_run(["--config", str(config)])[0].seeds == (42,)


@pytest.mark.parametrize(
    ("lines", "arguments"),
    [
        ("modalities: 3", []),
        ("modalities: table", []),
        ("modalities: [1, 2]", []),
        ("augmentations: {1: a}", []),
        ("data: 5", []),
        ("seeds: [1.5]", []),
        ("seeds: '12'", []),
        ("training: {epochs: x}", []),
        ("training: {epochs: null}", []),
        ("output: elsewhere", []),
        ("preset: paper", ["--preset", "released"]),
    ],
)
def test_a_wrong_value_in_a_file_is_one_line(coral, tmp_path, lines, arguments):
    config = tmp_path / "c.yaml"
    config.write_text(f"dataset: arrays\n{lines}\n")
    status, out, err = coral("train", "--config", config, "--output", tmp_path / "run", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "reads a file of yours" not in err
