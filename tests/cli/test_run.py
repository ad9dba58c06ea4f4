"""``coral run`` on the double of MultiBench: whose arguments, which folder, which training, which status."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coral_plugin.cli.run import split
from coral_plugin.errors import InputError

from ..adapters import formats

DOUBLE = Path(__file__).parents[1] / "multibench" / "double"
SCRIPT = "examples/affect/late_fusion.py"
TINY = ("network.width=16", "network.heads=2", "network.head_hidden=16", "network.head_output=8")
SET = [word for text in (*TINY, "training.batch_size=16") for word in ("--set", text)]


@pytest.fixture
def data(tmp_path):
    content = formats.affect((24, 12, 12), 6, {"vision": 35, "audio": 74, "text": 300}, scores=(-1.0, 1.0, 2.0, -2.0))
    return formats.save(tmp_path / "mosi.pkl", content)


@pytest.fixture
def run(coral, data, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIBENCH_ROOT", str(DOUBLE))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, script=SCRIPT, output="out", data=data):
        given = ["--data", data] if data else []
        return coral("run", script, *given, *(["--output", output] if output else []), *arguments)

    return call


FLAGS = ["--objective", "--data", "--seed", "--resume", "--help", "-h"]


@pytest.mark.parametrize(
    ("words", "ours", "theirs"),
    [
        ("s.py --objective coral", "s.py --objective coral", ""),
        ("--objective coral s.py --lr 3 x --seed 4", "--objective coral s.py --seed 4", "--lr 3 x"),
        ("s.py --objective=coral --resume --lr=1", "s.py --objective=coral --resume", "--lr=1"),
        ("s.py --objective coral -- --seed 3 --data y", "s.py --objective coral", "--seed 3 --data y"),
        ("s.py --data", "s.py --data", ""),
        ("--help", "--help", ""),
    ],
)
def test_whose_arguments_are_whose(words, ours, theirs):
    assert split(words.split(), FLAGS) == (ours.split(), theirs.split())


def test_a_mistyped_flag_in_front_is_not_the_scripts():
    with pytest.raises(InputError, match=r"Unknown flag '--objectiv'. Did you mean '--objective'\?"):
        split(["--objectiv", "coral", "s.py"], FLAGS)


def test_multibenchs_own_training(run, tmp_path):
    status, out, err = run("--objective", "supervised", "--epochs", 2)
    assert status == 0, err
    assert out.count("valid loss") == 2
    assert "Testing:" in out
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["lf.pt", "run.json"]
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["run"]["objective"], record["run"]["epochs"]) == ("finished", "supervised", 2)
    assert record["multibench"]["root"] == str(DOUBLE)
    assert "torch-load" in record["shims"]
    assert err.endswith("out: lf.pt, run.json\n")


def test_the_same_seed_gives_the_same_figures(run):
    outs = [run("--objective", "supervised", "--seed", seed, output=f"o{i}")[1] for i, seed in enumerate((3, 3, 4))]
    assert outs[0] == outs[1] != outs[2]


def test_an_objective_of_ours(run, tmp_path):
    status, out, err = run("--objective", "coral", "--epochs", 1, *SET)
    assert status == 0, err
    assert "Testing:" in out
    assert "Accuracy" in out
    assert "valid loss" not in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"lf.pt", "run.json", "config.yaml", "metrics.csv", "seed-41"} <= names
    assert f"coral run: {SCRIPT}" not in err
    again, _, told = run("--objective", "coral", "--epochs", 1, *SET)
    assert again == 2
    assert "is not empty. Add --resume" in told
    other, _, told = run("--objective", "coral", "--epochs", 2, "--resume", *SET)
    assert other == 2
    assert "holds another run (epochs: saved 1, asked 2)" in told
    status, out, err = run("--objective", "coral", "--epochs", 1, "--resume", *SET)
    assert status == 0, err
    assert "is not what it was" not in err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps({**record, "script_sha256": "of another text"}))
    _, _, err = run("--objective", "coral", "--epochs", 1, "--resume", *SET)
    assert "is not what it was when the run in" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "corral"], "Unknown objective 'corral'. Did you mean 'coral'?"),
        ([], "the following arguments are required: --objective"),
        (["--objective", "supervised", "--epoch", "3"], "late_fusion.py reads no arguments, and '--epoch' is no flag"),
        (["--objective", "supervised", "--epochs", "0"], "no whole number from 1"),
        (["--objective", "supervised", "--seed", "1,2"], "are several; give one"),
        (["--objective", "supervised", "--set", "temperature=1"], "method.temperature is a setting of our trainings"),
        (["--objective", "supervised", "--head", "finetuned"], "--head is a setting of our trainings"),
        (["--objective", "supervised", "--resume"], "MultiBench's own (supervised) has no checkpoint"),
        (["--objective", "coral", "--set", "temprature=1"], "Did you mean 'temperature'?"),
        (["--objective", "coral", "--set", "clip:temperature=1"], "'clip' names a method"),
        (["--objective", "coral", "--preset", "papper"], "Did you mean 'paper'?"),
        (["--objective", "coral", "--multibench", "nowhere"], "git clone https://github.com/pliang279/MultiBench"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(run, arguments, said):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_script_that_is_not_there(run):
    status, _, err = run("--objective", "coral", script="examples/affect/none.py")
    assert status == 2
    assert "There is no script examples/affect/none.py, neither here nor in" in err


def test_data_that_are_not_there_name_the_argument(run, tmp_path):
    status, _, err = run("--objective", "supervised", data=None)
    assert status == 2
    assert err.startswith("coral: late_fusion.py reads filepath='/home/nobody/mosi_raw.pkl', which is not there. Give")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["status"] == "failed"
    assert "filepath" in record["reason"]


def test_a_mistyped_path_of_the_data_takes_no_folder(run, tmp_path):
    status, _, err = run("--objective", "coral", data=tmp_path / "mossi.pkl")
    assert (status, err) == (2, f"coral: --data {tmp_path / 'mossi.pkl'} is not there.\n")
    assert not (tmp_path / "out").exists()


def test_another_training_structure_is_refused_under_an_objective(run, tmp_path):
    script = tmp_path / "uni.py"
    for text in (
        "from training_structures.unimodal import train\n",
        "import training_structures.unimodal as m\ntrain = m.train\n",
    ):
        script.write_text(f"{text}train(None, None, [], [], 9)\n")
        status, _, err = run("--objective", "coral", script=script, data=None, output=f"o{len(text)}")
        assert status == 2
        assert "uni.py trains with training_structures.unimodal.train; --objective coral takes the place of" in err
    status, out, _ = run("--objective", "supervised", "--epochs", 3, script=script, data=None, output="o2")
    assert (status, out) == (0, "unimodal for 3 epochs\n")


def test_a_script_that_trains_nothing_is_told(run, tmp_path):
    script = tmp_path / "nothing.py"
    script.write_text("print('hello')\n")
    status, out, err = run("--objective", "coral", script=script, data=None)
    assert (status, out) == (0, "hello\n")
    assert "nothing.py trained nothing that --objective coral could take the place of" in err


def test_a_script_that_fails_is_status_1_and_one_line(run, tmp_path):
    script = tmp_path / "bad.py"
    script.write_text("import sys\nprint('so far')\nsys.stdout.write(sys.argv[1])\nraise ValueError('x')\n")
    status, out, err = run("--objective", "supervised", script=script, data=None)
    assert status == 1
    assert err == "coral: bad.py, line 3: IndexError: list index out of range.\n"
    status, out, err = run("word", "--debug", "--objective", "supervised", script=script, data=None, output="o2")
    assert (status, out) == (1, "so far\nword")
    assert "Traceback" in err
    assert err.endswith("coral: bad.py, line 4: ValueError: x.\n")


def test_a_script_keeps_its_own_arguments_and_status(run, tmp_path):
    script = tmp_path / "args.py"
    script.write_text(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--seed', type=int)\np.add_argument('--lr')\n"
        "print(p.parse_args())\nraise SystemExit(7)\n"
    )
    with pytest.raises(SystemExit) as ended:
        run("--lr", "a b", "--objective", "supervised", "--", "--seed", "9", script=script, data=None)
    assert ended.value.code == 7


def test_without_output_the_folder_is_named_after_script_and_objective(run, tmp_path):
    for count in ("", "-2"):
        status, _, err = run("--objective", "supervised", "--epochs", 1, output=None)
        assert status == 0, err
        assert (tmp_path / "runs" / f"supervised-late_fusion{count}" / "lf.pt").is_file()


def test_what_becomes_of_the_scripts_fusion_head_and_loss_is_said_once(run, tmp_path):
    line = "the script's fusion, head and loss only determine shape and kind of the output"
    status, _, err = run("--objective", "coral", "--epochs", 1, *SET)
    assert status == 0, err
    assert err.count(line) == 1
    assert err.index(line) < err.index("in place of the script's training")
    assert [line in said for said in json.loads((tmp_path / "out" / "run.json").read_text())["notes"]].count(True) == 1
    guide = (Path(__file__).parents[2] / "docs" / "multibench.md").read_text()
    assert "## Beside the script's own loss\n" in guide
    _, _, err = run("--objective", "supervised", "--epochs", 1, output="theirs")
    assert line not in err


def test_quiet_says_nothing(run):
    assert run("--objective", "supervised", "--epochs", 1, "--quiet")[2] == ""


def test_a_stop_leaves_the_training_and_says_how_to_go_on(data, tmp_path):
    """MultiBench's own measuring of memory would hang here for ever."""
    script = tmp_path / "long.py"
    script.write_text(
        "import time\nfrom private_test_scripts.all_in_one import all_in_one_train\n"
        "def work():\n    print('working', flush=True)\n    time.sleep(3600)\nall_in_one_train(work, [])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "coral_plugin.cli.main", "run", script, "--objective", "supervised", "--output", "o"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MULTIBENCH_ROOT": str(DOUBLE)},
    )
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "coral: stopped.\n")
    record = json.loads((tmp_path / "o" / "run.json").read_text())
    assert (record["status"], record["reason"]) == ("stopped", "SIGINT")


@pytest.mark.multibench
@pytest.mark.skipif(not os.environ.get("MULTIBENCH_ROOT"), reason="no MultiBench checkout: set MULTIBENCH_ROOT")
@pytest.mark.parametrize("objective", ["supervised", "coral"])
def test_a_script_of_the_real_one(coral, shared_data, tmp_path, objective):
    status, out, err = coral(
        "run", "examples/affect/affect_late_fusion.py", "--objective", objective, "--epochs", 1, "--limit", 60,
        "--data", shared_data / "mosi" / "mosi_sequence.pkl", "--output", tmp_path / "out",
        *(SET if objective == "coral" else []),
    )  # fmt: skip
    assert status == 0, err
    assert "acc: " in out
    assert "vision 100 -> 35" in err
    assert (tmp_path / "out" / "mosi_lf_best.pt").is_file()
