"""Data sets of which the path alone is replaced: MIMIC, ENRICO, AV-MNIST with its number of rows, Vision & Touch."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from coral_plugin.errors import InputError, one_line
from coral_plugin.multibench.redirect.request import ArgumentChange, DataRequest, Loader
from coral_plugin.multibench.redirect.rows import with_rows

_AVMNIST = ("image/train_data.npy", "audio/train_data.npy", "train_labels.npy", "image/test_data.npy")
_TRAIN, _FIT, _TEST = 60_000, 55_000, 10_000  # rows of the published AV-MNIST, and those of train that are not valid


def mimic(request: DataRequest, module: ModuleType) -> ArgumentChange:  # noqa: ARG001
    """The user's pickle."""

    def change(arguments: dict[str, Any]) -> None:
        what = "MIMIC's im.pk as MultiBench has it"
        arguments["imputed_path"] = request.file("imputed_path", arguments["imputed_path"], what, "im.pk")

    return change


def enrico(request: DataRequest, module: ModuleType) -> ArgumentChange:  # noqa: ARG001
    """The user's folder."""

    def change(arguments: dict[str, Any]) -> None:
        what = "ENRICO's folder (design_topics.csv, screenshots/, wireframes/)"
        holds = ("design_topics.csv", "screenshots", "wireframes")
        arguments["data_dir"] = request.folder("data_dir", arguments["data_dir"], what, *holds)

    return change


def avmnist(request: DataRequest, module: ModuleType) -> ArgumentChange:
    """The user's folder and its number of rows; valid is the last tenth of train."""
    original: Loader = module.get_dataloader

    def change(arguments: dict[str, Any]) -> Loader | None:
        what = "AV-MNIST's folder (image/, audio/, train_labels.npy, test_labels.npy)"
        folder = Path(request.folder("data_dir", arguments["data_dir"], what, *_AVMNIST))
        arguments["data_dir"] = str(folder)
        train, test = (_length(folder / f"{part}_labels.npy") for part in ("train", "test"))
        if (train, test) == (_TRAIN, _TEST):
            return None
        rest = train - train // 10
        request.scope.say(
            f"{folder} has {train} and {test} rows, MultiBench's loader is written for {_TRAIN} and {_TEST}: its code "
            f"runs with those of the file, and the last {train - rest} of train are valid."
        )
        return with_rows(original, {_TRAIN: train, _FIT: rest, _TEST: test})

    return change


def robotics(request: DataRequest, module: ModuleType) -> ArgumentChange:  # noqa: ARG001
    """The user's folder in the configuration."""

    def change(arguments: dict[str, Any]) -> None:
        configs = dict(arguments["configs"])
        what = "Vision & Touch's folder of trajectories (*.h5)"
        folder = request.folder("configs['dataset']", configs["dataset"], what)
        if not Path(folder).is_dir() or next(Path(folder).glob("*.h5"), None) is None:
            raise InputError(f"{folder} holds no *.h5; {request.script.name} reads {what}.")
        arguments["configs"] = {**configs, "dataset": f"{folder}/"}

    return change


def _length(path: Path) -> int:
    try:
        return len(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read as an array ({one_line(error, 150)}).") from error
