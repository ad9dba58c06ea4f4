"""``coral evaluate``, ``embed``, ``list`` and ``doctor`` on a finished run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from coral_plugin.cli import doctor
from coral_plugin.cli.main import main
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_evaluate_scores_every_part_again(coral, run_folder, probe):
    status, out, _ = coral("evaluate", run_folder, "--probe", probe, "--disentanglement", "--complexity")
    assert status == 0
    for text in ("all parts", "unique/wave", "CKA", "FLOPs"):
        assert text in out
    written = json.loads((run_folder / f"evaluation-{probe}.json").read_text())
    assert written["tasks"]["label"]["mean"] > 1 / 3
    assert written["probe"]["kind"] == probe


def test_the_linear_probe_repeats_what_the_training_found(coral, run_folder):
    coral("evaluate", run_folder)
    again = json.loads((run_folder / "evaluation-linear.json").read_text())
    first = json.loads((run_folder / "metrics.json").read_text())
    assert again["tasks"] == first["tasks"]
    assert again["parts"] == first["parts"]


def test_evaluate_refuses_other_data(coral, run_folder, npz, tmp_path):
    arrays = dict(np.load(npz))
    arrays["test/table"][0] += 1
    np.savez(tmp_path / "other.npz", **arrays)
    status, _, err = coral("evaluate", run_folder, "--data", tmp_path / "other.npz")
    assert status == 2
    assert "fingerprint differs" in err


def test_embed_writes_every_part(coral, run_folder, npz, tmp_path):
    status, out, _ = coral("embed", run_folder, "--data", npz, "--output", tmp_path / "z.npz")
    assert status == 0
    written = np.load(tmp_path / "z.npz")
    assert {key: written[key].shape for key in written if key.startswith("test/")} == {
        "test/shared": (30, 16), "test/unique/table": (30, 8), "test/unique/wave": (30, 8), "test/all": (30, 32),
    }  # fmt: skip
    np.testing.assert_array_equal(written["test/all"][:, :16], written["test/shared"])
    assert "test/all  30 x 32" in out


def test_embed_takes_plain_modalities_too(coral, run_folder, npz, tmp_path):
    arrays = dict(np.load(npz))
    np.savez(tmp_path / "new.npz", table=arrays["test/table"], wave=arrays["test/wave"])
    coral("embed", run_folder, "--data", npz, "--output", tmp_path / "z.npz")
    status, _, _ = coral("embed", run_folder, "--data", tmp_path / "new.npz", "--output", tmp_path / "new-z.npz")
    assert status == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "new-z.npz")["all"], np.load(tmp_path / "z.npz")["test/all"], atol=1e-5
    )


@pytest.mark.parametrize(
    ("command", "arguments", "text"),
    [
        ("evaluate", ["/nowhere"], "/nowhere holds no run"),
        ("evaluate", [], "RUN_DIR"),
        ("evaluate", ["RUN", "--probe", "linea"], "linea"),
        ("embed", ["RUN", "--data", "/nowhere.npz", "--output", "z.npz"], "/nowhere.npz"),
        ("embed", ["RUN", "--data", "NPZ", "--output", "/dev/null/z.npz"], "/dev/null"),
        ("embed", ["RUN", "--data", "NPZ", "--output", "z.npz", "--seed", "7"], "no trained seed 7"),
        ("embed", ["RUN", "--output", "z.npz"], "--data"),
        ("list", ["objectivs"], "Did you mean 'objectives'"),
    ],
)
def test_mistakes_are_one_line(coral, run_folder, npz, tmp_path, monkeypatch, command, arguments, text):
    monkeypatch.chdir(tmp_path)
    arguments = [str({"RUN": run_folder, "NPZ": npz}.get(a, a)) for a in arguments]
    status, out, err = coral(command, *arguments)
    assert (status in (1, 2), out) == (True, "")
    assert err.count("\n") == 1
    assert text in err


def test_embed_says_which_modality_is_unknown_or_differs(coral, run_folder, tmp_path):
    for arrays, text in (
        ({"tables": np.zeros((3, 4))}, "no modality 'table', 'wave'"),
        ({"table": np.zeros((3, 4)), "Wave": np.zeros((3, 12, 2))}, "no modality 'wave', but 'Wave'"),
        ({"table": np.zeros((3, 5)), "wave": np.zeros((3, 12, 2))}, "table has samples of shape (5,)"),
        ({"table": np.zeros((2, 4)), "wave": np.zeros((3, 12, 2))}, "unequal numbers of samples"),
    ):
        np.savez(tmp_path / "x.npz", **arrays)
        status, _, err = coral("embed", run_folder, "--data", tmp_path / "x.npz", "--output", tmp_path / "z.npz")
        assert status == 2
        assert text in err
        assert not (tmp_path / "z.npz").exists()


def test_list_names_what_is_registered(coral):
    _, out, _ = coral("list")
    for name in ("coral", "trifeature", "digits", "arrays", "affect_transformer"):
        assert name in out
    assert max(map(len, out.splitlines())) <= 100
    assert len(out.splitlines()) <= 24
    _, out, _ = coral("list", "objectives")
    assert "\ncoral " in f"\n{out}"
    assert "trifeature" not in out


def test_help_names_the_presets_of_the_method(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--objective", "simclr", "--help-all"])
    assert "Preset of simclr: paper (default), small_head" in " ".join(capsys.readouterr().out.split())


def test_list_says_what_everything_is_and_where_it_is_from(coral):
    for registry in (OBJECTIVES, DATASETS, ENCODERS):
        what = {"objective": "objectives", "dataset": "datasets", "encoder": "encoders"}[registry.kind]
        _, out, _ = coral("list", what, "--json")
        found = {record["name"]: record for record in json.loads(out)[what]}
        assert list(found) == registry.names()
        for entry in registry.entries():
            record = found[entry.name]
            assert (record["target"], record["distribution"]) == (entry.target, entry.distribution)
            assert len(record["description"].split()) >= 4, entry.name
            assert "`" not in record["description"]
            assert "specification" not in record["description"]
        _, out, _ = coral("list", what)
        plain = out.splitlines()
        assert max(map(len, plain)) <= 100
        joined = out.replace("\n" + 21 * " ", " ").splitlines()
        assert joined == [f"{name:<20} {record['description']}" for name, record in found.items()]
        _, out, _ = coral("list", what, "--verbose")
        assert [line for line in out.splitlines() if line in plain] == plain
        if registry is OBJECTIVES:
            assert "presets: paper (default), released" in out
        if registry is DATASETS:
            assert "from UCI, Alpaydin & Kaynak 1998" in out
            assert "licence: CC BY 4.0" in out
        assert all(record["target"] in out for record in found.values())


def test_doctor_finds_everything_here(coral):
    status, out, _ = coral("doctor")
    assert status == 0, out
    assert "ok      torch" in out
    assert "MISSING" not in out
    packages = [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith(("ok ", "absent "))]
    assert len(set(packages)) == len(packages) > 5
    kinds = [line.split()[0] for line in out.splitlines() if line.startswith(("ok ", "absent "))]
    assert kinds == sorted(kinds, reverse=True), "what works, then what may be added"
    assert out.endswith("everything that is needed works\n")


def test_doctor_begins_with_what_is_wrong(coral, monkeypatch):
    def version(name):
        if name == "scipy":
            raise doctor.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    status, out, _ = coral("doctor")
    lines = [line for line in out.splitlines() if line.startswith(("MISSING ", "BROKEN ", "ok ", "absent "))]
    assert status == 1
    assert lines[0] == "MISSING scipy: pip install coral-multibench again"
    assert out.splitlines()[-1] == "not everything works: MISSING, BROKEN or broken says what"


@pytest.mark.parametrize("command", ["evaluate", "resume"])
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.yaml", "- 41", "- x"),
        ("config.yaml", "epochs: 1", "epochs: x"),
        ("config.yaml", "width: 16", "width: null"),
        ("data.json", '"fingerprint"', '"f"'),
        ("seed-41/result.json", '"history"', '"h"'),
        ("seed-41/result.json", '"train"', '"t"'),
    ],
)
def test_a_damaged_run_is_one_line(coral, run_folder, tmp_path, command, name, old, new):
    damaged = tmp_path / "run"
    shutil.copytree(run_folder, damaged)
    text = (damaged / name).read_text()
    assert old in text
    (damaged / name).write_text(text.replace(old, new))
    resume = ["train", "--config", run_folder / "config.yaml", "--output", damaged, "--resume", "--quiet"]
    status, out, err = coral(*(resume if command == "resume" else ["evaluate", damaged]))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert str(damaged) in err


def test_doctor_tells_of_multibench(coral, monkeypatch, tmp_path):
    double = Path(__file__).parents[1] / "multibench" / "double"
    monkeypatch.delenv("MULTIBENCH_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    status, out, _ = coral("doctor")
    assert status == 0
    text = "MultiBench: none; for coral run and its encoders: git clone https://github.com/pliang279/MultiBench"
    assert [line for line in out.splitlines() if "MultiBench" in line] == [text]
    monkeypatch.setenv("MULTIBENCH_ROOT", str(tmp_path))
    assert f"MultiBench: MULTIBENCH_ROOT {tmp_path} is no MultiBench checkout" in coral("doctor")[1]
    monkeypatch.delenv("MULTIBENCH_ROOT")
    checkout = shutil.copytree(double, tmp_path / "MultiBench")
    status, out, _ = coral("doctor", "--multibench", checkout)
    assert status == 0
    assert f"MultiBench: {checkout} (no git commit" in out
    assert "\n  missing" not in out
    assert "\n  shim   torch-load: torch.load reads whole models" in out
    assert "modules import with these" in out
    shutil.rmtree(checkout / "robustness")
    status, out, _ = coral("doctor", "--multibench", checkout)
    assert status == 1
    assert "\n  missing robustness\n" in out
    assert coral("doctor", "--multibench", tmp_path)[:2] == (2, "")


def test_a_tilde_is_the_home_folder_in_every_path(coral, run_folder, npz, tmp_path, monkeypatch):
    """Behind ``=``, too, where no shell replaces it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").symlink_to(run_folder)
    (tmp_path / "x.npz").symlink_to(npz)
    status, _, err = coral("embed", "~/run", "--data=~/x.npz", "--output=~/z.npz")
    assert (status, err) == (0, "")
    assert (tmp_path / "z.npz").is_file()
    assert coral("data", "check", "~/x.npz")[0] == 0
    assert coral("evaluate", "~/none")[2].startswith(f"coral: {tmp_path}/none holds no run")


def test_text_labels_and_a_task_on_the_command_line(coral, npz, flags, tmp_path):
    arrays = dict(np.load(npz))
    words = np.array(["cat", "dog", "owl"])
    texts = {key: words[value] for key, value in arrays.items() if key.endswith("labels")}
    np.savez(tmp_path / "words.npz", **{**arrays, **texts})
    status, out, _ = coral("data", "check", tmp_path / "words.npz", "--dataset", "arrays")
    assert status == 0
    assert "labels of train: cat: 20, dog: 20, owl: 20" in out
    assert "label: classification, cat, dog, owl" in out
    data = ("--dataset", "arrays", "--data", tmp_path / "words.npz")
    assert coral("train", *data, "--output", tmp_path / "run", *flags)[0] == 0
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    assert record["tasks"][0]["classes"] == ["cat", "dog", "owl"]
    assert "labels are text: 3 classes, cat, dog, owl" in record["notes"]
    status, _, err = coral("train", *data, "--source.task=regression", "--output", tmp_path / "other", *flags)
    assert status == 2
    assert "give numbers for task 'regression'" in err
    data = ("--dataset", "arrays", "--data", npz)
    assert coral("train", *data, "--source.task", "regression", "--output", tmp_path / "third", *flags)[0] == 0
    metrics = json.loads((tmp_path / "third" / "metrics.json").read_text())
    assert metrics["tasks"]["label"]["metric"] == "mse"


def test_embed_says_what_lies_far_from_the_training(coral, run_folder, npz, tmp_path):
    arrays = dict(np.load(npz))
    np.savez(tmp_path / "new.npz", table=1e6 * arrays["test/table"], wave=arrays["test/wave"])
    status, _, err = coral("embed", run_folder, "--data", tmp_path / "new.npz", "--output", tmp_path / "z.npz")
    assert status == 0
    assert err.count("\n") == 1
    assert "table: 30 of 30 samples hold values more than 100 standard deviations from the mean of train" in err
