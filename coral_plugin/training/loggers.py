"""Records of a training for TensorBoard, CSV files, W&B and MLflow, written by Lightning's loggers but the first."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coral_plugin.errors import CoralError, InputError, MachineError, PluginError, one_line
from coral_plugin.io.files import read_json, write_json
from coral_plugin.training.signals import Interrupted

# the library that each needs besides Lightning
LIBRARIES = {"csv": None, "tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
PROJECT = "coral-multibench"
IDS = "loggers.json"  # of the runs at W&B and MLflow, for a training that goes on

Write = Callable[[dict[str, float]], None]
Finish = Callable[[str], Any]


@dataclass(frozen=True)
class Loggers:
    """The loggers of a run, which are opened anew for each seed.

    Attributes:
        names: Names from ``LIBRARIES``; None is TensorBoard where it is installed.
        title: Name of the run at W&B and MLflow; the seed is added.
        hyperparameters: ``{"group.key": value}``, recorded once.
    """

    names: tuple[str, ...] | None = None
    title: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.names is None:
            object.__setattr__(self, "names", ("tensorboard",) if find_spec("tensorboard") else ())
        for name in self.names or ():
            if name not in LIBRARIES:
                raise InputError(f"Unknown logger {name!r}. Known: {', '.join(LIBRARIES)}.")
            library = LIBRARIES[name]
            if library is not None and find_spec(library) is None:
                raise PluginError(
                    f"The logger {name} needs {library}, which is not installed: "
                    f"pip install 'coral-multibench[{name}]', or leave it out."
                )

    @contextlib.contextmanager
    def opened(self, folder: Path | None, seed: int, *, resume: bool) -> Iterator[Write]:
        """Inside, the function that is yielded writes the record of an epoch to every logger.

        Args:
            folder: Folder of the seed; None logs nothing.
            seed: Seed of the training.
            resume: Whether the runs of W&B and MLflow that the folder knows are continued.

        Raises:
            MachineError: a logger fails.
        """
        path = None if folder is None else folder / IDS
        known = read_json(path) if path is not None and resume and path.is_file() else {}
        ids: dict[str, str] = dict(known) if isinstance(known, dict) else {}
        writers: dict[str, Write] = {}
        status = "failed"

        def close(name: str, finish: Finish) -> None:
            # a training that ends otherwise keeps its own reason
            with _failures(name) if status == "success" else contextlib.suppress(Exception):
                finish(status)

        with contextlib.ExitStack() as stack:
            for name in (self.names or ()) if folder is not None else ():
                with _failures(name):
                    title, values = f"{self.title} seed {seed}".strip(), {**self.hyperparameters, "seed": seed}
                    writers[name], finish = _OPEN[name](Path(str(folder)).absolute(), title, values, ids)
                stack.callback(close, name, finish)
            if path is not None and ids:
                write_json(path, ids)

            def write(record: dict[str, float]) -> None:
                for name, writer in writers.items():
                    with _failures(name):
                        writer(record)

            try:
                yield write
                status = "success"
            except Interrupted:
                status = "killed"
                raise


@contextlib.contextmanager
def _failures(name: str) -> Iterator[None]:
    try:
        yield
    except CoralError:
        raise
    except Exception as error:  # each library has its own
        raise MachineError(
            f"The logger {name} failed ({one_line(error, 300)}); go on with --resume, without it or once it is mended."
        ) from error


def _log_to(logger: Any) -> Write:
    return lambda record: logger.log_metrics(record, step=int(record["step"]))


def _open_csv(folder: Path, title: str, values: dict[str, Any], ids: dict[str, str]) -> tuple[Write, Finish]:
    del title, ids
    from pytorch_lightning.loggers import CSVLogger

    # a new version for each part of a training that was stopped
    logger = CSVLogger(folder, name="csv", flush_logs_every_n_steps=1)
    logger.log_hyperparams(values)
    return _log_to(logger), logger.finalize


def _open_tensorboard(folder: Path, title: str, values: dict[str, Any], ids: dict[str, str]) -> tuple[Write, Finish]:
    del title, ids
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"))  # Lightning's logger does no more, and takes seconds to import
    # as a text: TensorBoard's own table of hyperparameters wants a final score
    writer.add_text("hyperparameters", "\n".join(f"    {key}: {value}" for key, value in values.items()))

    def write(record: dict[str, float]) -> None:
        for name, value in record.items():
            writer.add_scalar(name, value, int(record["step"]))

    return write, lambda _: writer.close()


def _open_wandb(folder: Path, title: str, values: dict[str, Any], ids: dict[str, str]) -> tuple[Write, Finish]:
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=title,
        dir=folder,
        id=ids.get("wandb"),
        resume="allow",
        settings=wandb.Settings(silent=True, console="off"),
        reinit="create_new",  # a run that the caller has open stays open
    )
    ids["wandb"] = run.id
    run.define_metric("*", step_metric="trainer/global_step")
    logger = WandbLogger(experiment=run)
    logger.log_hyperparams(values)

    def finish(status: str) -> None:
        logger.finalize(status)
        run.finish(exit_code=0 if status == "success" else 1)
        if wandb.run is None:  # waits until its service has written all, which a process that exits at once would not
            wandb.teardown()

    return _log_to(logger), finish


def _open_mlflow(folder: Path, title: str, values: dict[str, Any], ids: dict[str, str]) -> tuple[Write, Finish]:
    from pytorch_lightning.loggers import MLFlowLogger

    logging.getLogger("pytorch_lightning.loggers.mlflow").setLevel(logging.ERROR)  # it reports a new experiment
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        # newer releases of MLflow write files only with this
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
        run_name=title,
        tracking_uri=uri or (folder / "mlflow").as_uri(),
        run_id=ids.get("mlflow"),
    )
    if "mlflow" not in ids:  # MLflow refuses to change those of a run
        ids["mlflow"] = str(logger.run_id)
        logger.log_hyperparams(values)
    return _log_to(logger), lambda status: logger.finalize(status.upper() if status == "killed" else status)


_OPEN: dict[str, Callable[[Path, str, dict[str, Any], dict[str, str]], tuple[Write, Finish]]] = {
    "csv": _open_csv,
    "tensorboard": _open_tensorboard,
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}
