"""Loggers get each epoch of a training once, through stops and resumptions, and what they keep is read back."""

import csv
import json
import struct
from functools import partial
from importlib.util import find_spec

import pytest
import yaml

from coral_plugin.cli.main import main
from coral_plugin.errors import InputError, MachineError, PluginError
from coral_plugin.training import fit, loggers
from coral_plugin.training.loggers import Loggers
from coral_plugin.training.signals import Interrupted

needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="the extra wandb is not installed")
needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="the extra mlflow is not installed")
FLAGS = [
    "train", "--dataset", "digits", "--epochs", "2", "--batch-size", "512", "--device", "cpu", "--quiet",
    "--seeds", "3", "--network.width=8", "--network.heads=2", "--network.head_hidden=8", "--network.head_output=8",
    "--probe.kind=ridge",
]  # fmt: skip


@pytest.fixture
def logged(run, monkeypatch):
    """``logged(folder, *names)`` trains four epochs with these loggers."""

    def call(folder, *names, **options):
        chosen = Loggers(names, "toy", {"training.epochs": 4})
        with monkeypatch.context() as patch:
            patch.setattr(fit, "Loggers", lambda: chosen)
            return run(folder, **options)

    return call


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_command_writes_the_records_and_settings_of_lightnings_csv_logger(tmp_path, capsys):
    assert main([*FLAGS, "--logger", "csv", "--output", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    seed = tmp_path / "run" / "seed-3"
    ours, theirs = rows_of(seed / "metrics.csv"), rows_of(seed / "csv" / "version_0" / "metrics.csv")
    assert len(theirs) == 2
    assert [{key: float(row[key]) for key in ours[0]} for row in theirs] == [
        {key: float(value) for key, value in row.items()} for row in ours
    ]
    values = yaml.safe_load((seed / "csv" / "version_0" / "hparams.yaml").read_text())
    assert (values["training.batch_size"], values["objective"], values["seed"]) == (512, "coral", 3)
    assert not (seed / "tensorboard").exists()
    assert "logger" not in (tmp_path / "run" / "config.yaml").read_text()
    # another choice of loggers is the same run
    assert main([*FLAGS, "--logger", "tensorboard", "--resume", "--output", str(tmp_path / "run")]) == 0


def test_tensorboard_is_the_default_where_it_is_installed(run, tmp_path):
    pytest.importorskip("tensorboard")
    run(tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/total")] == [3, 6, 9, 12]
    assert "hyperparameters/text_summary" in events.Tags()["tensors"]


def wandb_records(folder):
    """Records of a ``.wandb`` file, which has the blocks of a LevelDB log."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.rglob("*.wandb")
    content, place, parts = path.read_bytes(), 7, b""
    while place < len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def history(records):
    """``{key: value}`` of each logged step."""
    for record in records:
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@needs_wandb
def test_weights_and_biases_offline(logged, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    trained = logged(tmp_path, "wandb")
    records = list(wandb_records(tmp_path / "wandb"))
    rows = list(history(records))
    assert [row["trainer/global_step"] for row in rows] == [3, 6, 9, 12]
    assert [row["loss/total"] for row in rows] == pytest.approx([row["loss/total"] for row in trained.history])
    (run,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.display_name, run.project) == ("toy seed 41", "coral-multibench")
    config = {item.key: item.value_json for record in records for item in record.config.update}
    assert config["training.epochs"] == "4"
    assert [r.exit.exit_code for r in records if r.WhichOneof("record_type") == "exit"] == [0]


@needs_mlflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("store", ["files", "sqlite"])
def test_mlflow(logged, tmp_path, monkeypatch, store):
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = (tmp_path / "mlflow").as_uri()
    if store == "sqlite":
        pytest.importorskip("sqlalchemy", reason="mlflow-skinny has no database")
        uri = f"sqlite:///{tmp_path / 'all.db'}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    trained = logged(tmp_path, "mlflow")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("coral-multibench")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "toy seed 41")
    assert run.data.params == {"training.epochs": "4", "seed": "41"}
    points = client.get_metric_history(run.info.run_id, "loss/total")
    assert [point.step for point in points] == [3, 6, 9, 12]
    assert [point.value for point in points] == [row["loss/total"] for row in trained.history]


@needs_mlflow
def test_a_training_that_was_stopped_goes_on_in_the_same_run(logged, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    original = fit.Engine._end_epoch

    def stop(self):
        original(self)
        if self.step == 6:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(fit.Engine, "_end_epoch", stop)
        with pytest.raises(Interrupted):
            logged(tmp_path, "mlflow", "csv")
    client = MlflowClient((tmp_path / "mlflow").as_uri())
    number = json.loads((tmp_path / "loggers.json").read_text())["mlflow"]
    assert client.get_run(number).info.status == "KILLED"
    logged(tmp_path, "mlflow", "csv", resume=True)
    assert client.get_run(number).info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(number, "loss/total")]
    assert sorted(set(steps)) == [3, 6, 9, 12]
    assert [row["step"] for row in rows_of(tmp_path / "csv" / "version_1" / "metrics.csv")][-1] == "12"


def test_what_fails_is_one_line(logged, tmp_path, monkeypatch, capsys):
    assert main([*FLAGS, "--logger", "csv,wand", "--output", str(tmp_path / "run")]) == 2
    assert "Unknown logger 'wand'. Known: csv, tensorboard, wandb, mlflow." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with monkeypatch.context() as patch:
        patch.setattr(loggers, "find_spec", lambda _: None)
        line = r"^The logger wandb needs wandb, which is not installed: pip install 'coral-multibench\[wandb\]'"
        with pytest.raises(PluginError, match=line):
            Loggers(("wandb",))
        assert Loggers().names == ()
    with pytest.raises(InputError, match="Unknown logger"):
        Loggers(("x",))

    def broken(folder, title, values, ids, at):
        def fail(_=None):
            raise OSError("disk full")

        return (fail, print) if at == "write" else (print, fail)

    for at in ("write", "finish"):
        monkeypatch.setitem(loggers._OPEN, "csv", partial(broken, at=at))
        with pytest.raises(MachineError, match=r"^The logger csv failed \(disk full\); go on with --resume"):
            logged(tmp_path / at, "csv")
