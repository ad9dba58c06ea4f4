"""Readers of what others made: loaders from Python, HDF5 and folders of files, scripts for ``coral run``; held runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coral_plugin.data.loaders import from_loaders
from coral_plugin.runs.lock import locked

from .runner import Case
from .world import World

DOUBLE = Path(__file__).parents[1] / "multibench" / "double"
GOOD = [(torch.randn(6, 4), torch.randn(6, 5, 3), torch.tensor([0, 1, 0, 1, 0, 1]))]


def _loaders(says: str, kind: str, train: Any, valid: Any = GOOD, test: Any = GOOD, **options: Any) -> Case:
    def call(_: World) -> Callable[[], Any]:
        return lambda: from_loaders(train() if callable(train) else train, valid, test, **options)

    return Case("from_loaders", kind, call, says)


def _train(says: str, kind: str, dataset: str, write: Callable[[World], Path], *more: str) -> Case:
    def prepare(world: World) -> list[str]:
        return ["train", "--dataset", dataset, "--data", str(write(world)), "--output", "out", "--quiet", *more]

    return Case(f"{dataset}, train", kind, prepare, says, most_mb=300)


def _hdf5(change: Callable[[Any], None]) -> Callable[[World], Path]:
    def write(world: World) -> Path:
        import h5py

        with h5py.File(world.folder / "x.hdf5", "w") as file:
            change(file)
        return world.folder / "x.hdf5"

    return write


def _huge(file: Any) -> None:
    """Genres and features that were never stored, of more values than any memory has."""
    file.create_dataset("features", (10**12, 300), np.float32, chunks=(1, 300))
    file.create_dataset("genres", (10**12, 23), np.int32, chunks=(1, 23))


def _link_out(file: Any) -> None:
    import h5py

    file["genres"] = h5py.ExternalLink("/etc/passwd", "/")
    file["features"] = h5py.SoftLink("/nowhere")


def _empty(world: World) -> Path:
    path = world.folder / "empty"
    path.mkdir()
    return path


def _run(says: str, kind: str, script: str | bytes, *flags: str, status: int = 2) -> Case:
    def prepare(world: World) -> list[str]:
        path = world.file("script.py", script)
        return ["run", str(path), "--multibench", str(DOUBLE), "--output", "out", *flags]

    return Case("flags of run", kind, prepare, says, status=status)


@contextlib.contextmanager
def _held(world: World) -> Iterator[None]:
    with locked(world.folder / "run"):
        yield


PLAIN = "from training_structures.Supervised_Learning import train\n"
CORAL = ("--objective", "coral")
CASES = [
    _loaders("train", "a loader that gives nothing", []),
    _loaders("batch", "batches that are numbers", [5, 6]),
    _loaders("batch", "batches of nothing", [()]),
    _loaders("", "a batch of text", [("a", "b", "c")]),
    _loaders("", "a batch of another number of modalities", [GOOD[0], GOOD[0][1:]]),
    _loaders("", "samples of another size in the second batch", [GOOD[0], (torch.randn(6, 5), *GOOD[0][1:])]),
    _loaders("", "labels of another length", [(GOOD[0][0], GOOD[0][1], torch.zeros(3, dtype=torch.long))]),
    _loaders("", "no loader", None),
    _loaders("", "a loader that is a number", 5),
    _loaders("modalities", "names for too many modalities", GOOD, modalities=["a", "b", "c"]),
    _loaders("twice", "a name twice", GOOD, modalities=["a", "a"]),
    _loaders("", "a kind that nobody knows", GOOD, kinds={"modality0": "hologram"}),
    _loaders("", "a task that nobody knows", GOOD, task="guess"),
    _loaders("valid", "a valid split of other modalities", GOOD, valid=[(GOOD[0][0], GOOD[0][2])]),
    _train("no file", "no file", "imdb", lambda w: w.folder / "x.hdf5"),
    _train("x.hdf5", "HDF5 that is cut", "imdb", lambda w: w.file("x.hdf5", b"\x89HDF\r\n\x1a\n" + bytes(90))),
    _train("genres", "HDF5 of something else", "imdb", _hdf5(lambda file: file.create_dataset("a", data=[1]))),
    _train("", "HDF5 that claims 10**12 rows", "imdb", _hdf5(_huge)),
    _train("", "HDF5 that links to other files", "imdb", _hdf5(_link_out)),
    _train("gentle_push", "an empty folder", "push", _empty),
    _train("", "an empty folder", "robotics", _empty),
    _train("", "an empty folder", "mmsdk", _empty),
    _train("", "an empty folder", "stocks", _empty),
    _train("", "an empty folder", "enrico", _empty),
    _train("", "an empty folder", "avmnist", _empty),
    _run("Unknown objective", "a method that nobody knows", PLAIN, "--objective", "corall"),
    _run("--objective", "no method", PLAIN),
    Case("flags of run", "a script that is not there",
         lambda w: ["run", str(w.folder / "no.py"), *CORAL, "--multibench", str(DOUBLE)], "There is no script"),
    Case("flags of run", "a checkout that is none",
         lambda w: ["run", str(w.file("s.py", PLAIN)), *CORAL, "--multibench", str(w.folder)], "MultiBench"),
    _run("whole number from 1", "no epochs", PLAIN, *CORAL, "--epochs", "0"),
    _run("seed", "a seed as text", PLAIN, *CORAL, "--seed", "x"),
    _run("--resume", "resuming nothing that can be resumed", PLAIN, "--objective", "supervised", "--resume"),
    _run("is a setting of our trainings", "a setting for MultiBench's own training", PLAIN, "--objective", "supervised",
         "--set", "temperature=1"),
    _run("'--epohs'", "a flag that nobody knows", PLAIN, *CORAL, "--epohs", "3"),
    _run("--set", "a setting without a value", PLAIN, *CORAL, "--set", "temperature"),
    _run("output", "an output with a line break", PLAIN, *CORAL, "--output", "a\nb"),
    Case("held", "a run that another process works on", lambda w: w.resume(w.run()), "in use by process", around=_held),
    Case("held", "a fine-tuning of another process's output",
         lambda w: ["finetune", str(w.template), "--output", str(w.run()), "--resume"], "in use by", around=_held),
]  # fmt: skip
