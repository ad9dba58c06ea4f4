"""The commands beside train: ``finetune``, ``data check``, ``bench``, ``reproduce``, ``evaluate --missing``."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from .npz_cases import Payload
from .runner import Case
from .world import World, claims


def _on_run(command: str, says: str, kind: str, *flags: str) -> Case:
    """A command on the finished run."""
    output = [] if command == "evaluate" else ["--output", "out"]
    return Case(f"flags of {command}", kind, lambda w: [command, str(w.run()), *flags, *output], says)


def _grid(command: str, says: str, kind: str, *flags: str) -> Case:
    return Case(f"flags of {command}", kind, lambda _: [command, *flags, "--output", "out"], says)


def _check(says: str, kind: str, content: bytes | Callable[[World], bytes], name: str = "x.npz", *flags: str) -> Case:
    """``coral data check`` of a file of these bytes."""

    def prepare(world: World) -> list[str]:
        path = world.file(name, content if isinstance(content, bytes) else content(world))
        return ["data", "check", str(path), *flags]

    return Case("data check", kind, prepare, says, most_mb=300)


def _payload(world: World) -> bytes:
    return pickle.dumps({"train": Payload(str(world.canary))})


def _claim(world: World) -> bytes:
    return world.members({"a.npy": claims("(1000000000000,)")}).read_bytes()


def _code_in_array(world: World) -> bytes:
    return world.data({"x/y": np.array([Payload(str(world.canary))], dtype=object)}).read_bytes()


def _evil_mosi(world: World) -> list[str]:
    path = world.file("mosi.pkl", _payload(world))
    return ["train", "--dataset", "mosi", "--data", str(path), "--output", "out", "--quiet"]


def _bomb(depth: int) -> bytes:
    """A pickle of lists of lists that doubles with each level."""
    value: Any = []
    for _ in range(depth):
        value = [value, value]
    return pickle.dumps(value)


def _pipe(world: World) -> list[str]:
    os.mkfifo(world.folder / "pipe")
    return ["data", "check", str(world.folder / "pipe")]


DIGITS = ("--datasets", "digits")
BENCH = ("--objectives", "coral", *DIGITS)
CASES = [
    _on_run("finetune", "learning", "a learning rate of NaN", "--learning-rate", "nan"),
    _on_run("finetune", "learning", "an infinite learning rate", "--learning-rate", "1e999"),
    _on_run("finetune", "ratio", "a mask ratio of NaN", "--mask-ratio", "nan"),
    _on_run("finetune", "ortho", "a negative weight", "--orthogonality-weight=-1"),
    _on_run("finetune", "ortho", "an infinite weight", "--orthogonality-weight", "inf"),
    _on_run("finetune", "epochs", "no epochs", "--epochs", "0"),
    _on_run("finetune", "epochs", "epochs without end", "--epochs", "9" * 30),
    _on_run("finetune", "patience", "negative patience", "--patience=-1"),
    _on_run("finetune", "batch", "a batch of one", "--batch-size", "1"),
    _on_run("finetune", "batch", "a batch without end", "--batch-size", "9" * 30),
    _on_run("finetune", "task", "a task that nobody knows", "--labels", "left"),
    _on_run("finetune", "invalid choice", "a loss that nobody knows", "--loss", "guess"),
    Case("flags of finetune", "no run", lambda w: ["finetune", str(w.folder)], "holds no run"),
    _on_run("evaluate", "left", "a subset with a stranger", "--missing", "table+left"),
    _on_run("evaluate", "--missing", "a subset of nothing", "--missing", "+"),
    _on_run("evaluate", "--missing", "subsets that are nothing", "--missing", ""),
    _on_run("evaluate", "twice", "a modality twice", "--missing", "table+table"),
    _on_run("evaluate", "--missing", "a subset of 9,000 characters", "--missing", "x" * 9_000),
    _grid("bench", "Unknown objective", "a method that nobody knows", "--objectives", "corall", "--datasets", "digits"),
    _grid("bench", "Unknown dataset", "a set that nobody knows", "--objectives", "coral", "--datasets", "../../x"),
    _grid("bench", "--seeds", "seeds as text", *BENCH, "--seeds", "a"),
    _grid("bench", "--seeds", "a seed twice", *BENCH, "--seeds", "1,1"),
    _grid("bench", "--seeds", "a seed of 30 digits", *BENCH, "--seeds", "9" * 30),
    _grid(
        "bench",
        "label",
        "a label that leads out of the folder",
        "--objectives",
        "../../x=coral",
        "--datasets",
        "digits",
    ),
    _grid("bench", "label", "a label with a line break", "--objectives", "a\nb=coral", *DIGITS),
    _grid("bench", "--objectives names nothing", "methods that are commas", "--objectives", ",", *DIGITS),
    _grid("bench", "epohs", "a setting that nobody knows", *BENCH, "--set", "training.epohs=1"),
    _grid("bench", "epochs", "a setting of another type", *BENCH, "--set", "training.epochs=many"),
    _grid("bench", "temperature", "a setting of NaN", *BENCH, "--set", "temperature=nan"),
    _grid("bench", "--set", "a setting without a value", *BENCH, "--set", "temperature"),
    _grid("bench", "preset", "a preset that nobody knows", *BENCH, "--preset", "coral=papr"),
    _grid("reproduce", "table", "a target that nobody knows", "table99"),
    _grid("reproduce", "nknown", "a target that is a path", "../../etc/passwd"),
    _grid("reproduce", "--seeds", "seeds as text", "table1", "--seeds", "a"),
    _grid("reproduce", "row", "a row that nobody knows", "table1", "--rows", "left"),
    _check("empty", "an empty file", b""),
    _check("damaged", "an archive that is cut", lambda w: w.npz.read_bytes()[:500]),
    _check(
        "claims shape",
        "a claim of 10**12 values",
        lambda w: w.members({"a.npy": claims("(1000000000000,)")}).read_bytes(),
    ),
    _check(
        "can run code",
        "a pickle in an array",
        lambda w: w.data({"x/y": np.array([Payload(str(w.canary))], dtype=object)}).read_bytes(),
    ),
    _check("mkdir", "a pickle that makes a folder", _payload, "x.pkl"),
    _check("pickle", "a pickle that is cut", pickle.dumps({"a": np.ones(30)})[:60], "x.pkl"),
    _check("pickle", "a pickle of doubled lists", _bomb(60), "x.pkl"),
    _check("x.h5", "HDF5 that is cut", b"\x89HDF\r\n\x1a\n" + bytes(100), "x.h5"),
    _check("x.csv", "text", b"a,b\n1,2\n", "x.csv"),
    _check("nknown dataset", "a set that nobody knows", lambda w: w.npz.read_bytes(), "x.npz", "--dataset", "x\x1b[2J"),
    Case("data check", "no such file", lambda w: ["data", "check", str(w.folder / "x")], "no file"),
    Case("data check", "a pipe that nobody writes to", _pipe, "pipe"),
    Case("data check", "a name with a null character", lambda _: ["data", "check", "a\0b"], "cannot be read"),
    Case("data check", "an action that nobody knows", lambda _: ["data", "chekc", "x"], "one action, check"),
    Case("pickles", "MOSI that makes a folder", _evil_mosi, "mkdir"),
]
