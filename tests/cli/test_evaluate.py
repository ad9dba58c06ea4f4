"""``coral evaluate --robustness --performance --complexity``: what is printed, what is written, what is refused."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.integrate import trapezoid

from coral_plugin.evaluation import scoring
from coral_plugin.evaluation.names import PROBES
from coral_plugin.evaluation.probe import ProbeSettings, fit_probe
from coral_plugin.evaluation.probe.settings import ProbeKind

DOUBLE = Path(__file__).parents[1] / "multibench" / "double"
LEVELS = ["--levels", "0,0.5,1"]


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch, tmp_path):
    """Whoever runs the tests may have one."""
    monkeypatch.delenv("MULTIBENCH_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_help_names_the_probes_and_the_neighbours_that_there_are(coral, capsys):
    with pytest.raises(SystemExit):
        coral("evaluate", "--help-all")
    out = " ".join(capsys.readouterr().out.split())
    assert f"--probe {{{','.join(PROBES)}}}" in out
    assert f"{ProbeSettings().neighbours} by default" in out
    assert sorted(PROBES) == sorted(get_args(ProbeKind))


@pytest.fixture(scope="module")
def scored(run_folder, tmp_path_factory):
    """Everything at once, with our own noise: ``(output, evaluation, robustness)``."""
    import contextlib
    import io

    from coral_plugin.cli.main import main

    command = ["evaluate", str(run_folder), "--probe", "ridge", "--robustness", "--performance", "--complexity"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*command, *LEVELS, "--noise-by", "own"]) == 0
    written = [json.loads((run_folder / f"evaluation-{name}.json").read_text()) for name in ("ridge", "robustness")]
    return out.getvalue(), *written


def test_the_record_of_robustness(scored):
    _, evaluation, record = scored
    assert record["levels"] == [0.0, 0.5, 1.0]
    assert record["multibench"] is None
    assert {name: own["origin"] for name, own in record["noises"].items()} == {"table": "own", "wave": "own"}
    assert {name: own["family"] for name, own in record["noises"].items()} == {"table": "tabular", "wave": "timeseries"}
    conditions = record["tasks"]["label"]["conditions"]
    assert list(conditions) == ["table", "wave", "all"]
    for own in conditions.values():
        for kind, clean in (("representation", evaluation["tasks"]), ("raw", evaluation["raw_features"]["all"])):
            assert np.shape(own[kind]["values"]) == (len(record["seeds"]), 3)
            assert own[kind]["values"][0][0] == clean["label"]["values"][0]
            assert own[kind]["also"]["accuracy"][0][0] == clean["label"]["also"]["accuracy"]["values"][0]
        curve, raw = (np.array(own[kind]["values"][0]) for kind in ("representation", "raw"))
        assert own["relative"]["values"][0] == pytest.approx(trapezoid(curve, [0, 0.5, 1]))
        assert own["effective"]["values"][0] == pytest.approx(np.sum((curve - curve[0]) - (raw - raw[0])))
        assert "published" not in own
    assert conditions["all"]["representation"]["values"][0][2] == pytest.approx(1 / 3)


def test_the_written_file_is_named(scored, run_folder):
    files = ", ".join(str(run_folder / f"evaluation-{name}.json") for name in ("ridge", "robustness"))
    assert scored[0].splitlines()[-1] == f"written: {files}"


def test_what_is_printed(scored, run_folder):
    out, evaluation, _ = scored
    assert "label under noise: balanced accuracy, % ↑" in out
    assert "Noise on wave: timeseries, own." in out
    assert "MultiBench's figures" in out
    assert "MFLOPs per sample and step" in out
    assert f"{run_folder / 'plots' / 'robustness'}.png" in out
    assert all((run_folder / "plots" / f"robustness.{kind}").stat().st_size for kind in ("png", "svg", "csv"))
    assert (
        evaluation["performance"]["label"]["representation"]["accuracy"]["values"]
        == (evaluation["tasks"]["label"]["also"]["accuracy"]["values"])
    )
    assert set(evaluation["performance"]["label"]["raw"]) == {"accuracy", "f1_micro", "f1_macro"}


def test_the_record_of_the_cost(scored, run_folder):
    _, evaluation, _ = scored
    cost, result = evaluation["complexity"], json.loads((run_folder / "seed-41" / "result.json").read_text())
    training = cost["training"]
    assert training["seconds"][0] == result["train"]["seconds"]
    assert training["peak_memory_bytes"][0] == result["train"]["peak_memory_bytes"]
    assert training["parameters"] == cost["parameters"]["trainable"]
    # two views, and backwards about twice of forwards
    assert 3 * cost["flops_per_sample"] < training["flops_per_sample"] < 9 * cost["flops_per_sample"]
    assert (training["epochs"], training["samples"], training["batch_size"]) == (1, 60, 32)
    assert training["memory_of"] == cost["memory_of"] == "process"
    assert cost["test"]["samples"] == 30
    assert cost["test"]["seconds"] > 0


def test_the_same_command_again_gives_the_same_curves(coral, run_folder, scored, monkeypatch):
    fitted = []
    monkeypatch.setattr(scoring, "fit_probe", lambda *given: fitted.append(given[0][0].shape[1]) or fit_probe(*given))
    (run_folder / "evaluation-ridge.json").unlink(missing_ok=True)  # it has more, which this call would say
    command = ["evaluate", run_folder, "--probe", "ridge", "--robustness", *LEVELS]
    status, out, err = coral(*command)
    assert (status, err.count("\n")) == (0, 1)
    assert len(fitted) == 1 + len(scored[2]["seeds"]), "raw values once, the whole representation once a seed"
    assert err == "noise: the 30 samples of test are embedded and scored 7 times per seed\n"
    again = json.loads((run_folder / "evaluation-robustness.json").read_text())
    assert again == scored[2]  # no checkout is found, so the noise is our own without being asked for
    assert "MultiBench's figures" not in out


def test_what_an_earlier_evaluation_has_and_this_one_takes_the_place_of_is_said(coral, run_folder, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "copy")
    file = folder / "evaluation-linear.json"
    assert coral("evaluate", folder, "--missing", "all", "--performance")[2] == ""
    assert coral("evaluate", folder, "--missing", "wave", "--performance")[2] == ""
    _, _, err = coral("evaluate", folder, "--missing", "all")
    assert err == (
        f"{file} has --performance of an earlier evaluation, which goes; ask for both in one call to keep them\n"
    )
    file.write_text("cut of")
    assert coral("evaluate", folder)[::2] == (0, "")


def test_a_seed_that_is_gone_is_named_and_a_folder_that_cannot_be_written_refused(
    coral, run_folder, tmp_path, monkeypatch
):
    folder = shutil.copytree(run_folder, tmp_path / "copy")
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("seeds:\n- ", "seeds:\n- 77\n- "))
    status, _, err = coral("evaluate", folder)
    assert (status, err) == (0, f"{folder}: without seed 77 of its config.yaml, which is not finished there\n")
    monkeypatch.setattr("os.access", lambda *_: False)
    status, out, err = coral("evaluate", run_folder)
    assert (status, out) == (2, "")
    assert err.endswith("cannot be written, and an evaluation leaves its scores there; evaluate a copy of it.\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--robustness", "--levels", "0,2"], "'2' is none"),
        (["--robustness", "--levels", "0.5,1"], "rise from 0"),
        (["--robustness", "--noise", "wave=visual"], "visual noise is for modalities of kind image"),
        (["--robustness", "--noise", "wve=text"], "Did you mean 'wave'"),
        (["--robustness", "--noise-by", "multibench"], "No MultiBench checkout"),
        (["--robustness", "--multibench", "nowhere"], "nowhere is no folder"),
        (["--robustness", "--noise-by", "own", "--multibench", "."], "leave one of them out"),
        (["--robustness", "--noise-by", "mine"], "--noise-by"),
        (["--levels", "0,1"], "--levels goes with --robustness"),
        (["--noise-by", "own"], "--noise-by goes with --robustness"),
    ],
)
def test_refused_in_one_line(coral, run_folder, flags, message):
    status, out, err = coral("evaluate", run_folder, *flags)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_data_without_labels_are_refused_before_anything_is_fitted(coral, npz, flags, tmp_path):
    arrays = {key: value for key, value in np.load(npz).items() if not key.endswith("labels")}
    np.savez(tmp_path / "bare.npz", **arrays)
    run = tmp_path / "bare"
    assert coral("train", "--dataset", "arrays", "--data", tmp_path / "bare.npz", "--output", run, *flags)[0] == 0
    status, out, err = coral("evaluate", run, "--robustness")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "no labels" in err


def test_a_method_that_does_not_train(coral, npz, tmp_path):
    run = tmp_path / "raw"
    command = ["train", "--objective", "concat_raw", "--dataset", "arrays", "--data", npz, "--seeds", "1", "--quiet"]
    assert coral(*command, "--output", run)[0] == 0
    command = ["evaluate", run, "--probe", "ridge", "--complexity", "--robustness", *LEVELS]
    status, out, _ = coral(*command)
    assert status == 0
    assert "steps" not in out
    record = json.loads((run / "evaluation-robustness.json").read_text())
    for own in record["tasks"]["label"]["conditions"].values():
        assert own["representation"]["values"] == own["raw"]["values"]
        assert own["effective"]["values"] == [0.0]
    assert "training" not in json.loads((run / "evaluation-ridge.json").read_text())["complexity"]


def test_raw_features_that_memory_should_not_hold_are_left_out(coral, run_folder, tmp_path, monkeypatch):
    """As in the training; what compares with them is refused."""
    shutil.copytree(run_folder, run := tmp_path / "run")
    note = "no raw-feature baseline: its features take 9.0 GiB of memory"
    monkeypatch.setattr("coral_plugin.runs.evaluate.too_large_note", lambda data: note)
    monkeypatch.setattr("coral_plugin.runs.evaluate.fit_raw_baseline", None)
    status, out, err = coral("evaluate", run, "--probe", "knn")
    assert (status, err) == (0, f"{note}\n")
    assert "raw:" not in out.replace("raw_features", "")
    assert json.loads((run / "evaluation-knn.json").read_text())["raw_features"] == {}
    for flag in ("--performance", "--robustness"):
        status, _, err = coral("evaluate", run, flag)
        assert (status, err.count("\n")) == (2, 1)
        assert f"{note}; leave out --performance and --robustness" in err


@pytest.mark.parametrize(("objective", "drawn"), [("mae", True), ("coral", True), ("concat_raw", False)])
def test_umap_shows_complete_samples_of_any_method(coral, npz, flags, tmp_path, monkeypatch, objective, drawn):
    with np.load(npz) as file:
        arrays = dict(file)
    for split in ("train", "test"):
        arrays[f"{split}/table/present"] = np.arange(len(arrays[f"{split}/table"])) % 3 > 0
    np.savez(tmp_path / "gaps.npz", **arrays)
    shown = []
    monkeypatch.setattr("coral_plugin.runs.evaluate.require_umap", lambda: None)
    monkeypatch.setattr("coral_plugin.runs.pictures.embedding_density", lambda *parts, **_: shown.append(parts))
    run = tmp_path / "run"
    command = ["train", "--objective", objective, "--dataset", "arrays", "--data", tmp_path / "gaps.npz", *flags]
    assert coral(*command, "--output", run)[0] == 0
    status, out, err = coral("evaluate", run, "--probe", "ridge", "--umap")
    assert status == 0
    assert (f"{run / 'plots' / 'embeddings-umap'}.png" in out) == drawn == ("no UMAP picture: the parts" not in err)
    for path, *splits in shown[:1]:
        assert path == run / "plots" / "embeddings-umap"
        for label, parts in zip(("train", "test"), splits, strict=True):
            assert {len(part) for part in parts.values()} == {int(arrays[f"{label}/table/present"].sum())}
