"""Run directories: their YAML and JSON, checkpoints and weights, for ``evaluate``, ``embed`` and ``train --resume``."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from typing import Any
from unittest import mock

import numpy as np
import torch
from safetensors.numpy import load_file, save

from .config_cases import bomb
from .npz_cases import Payload
from .runner import Case
from .world import World

EVALUATE, EMBED, RESUME = "evaluate", "embed", "resume"
RESULT, WEIGHTS, CHECKPOINT = "seed-41/result.json", "seed-41/model.safetensors", "seed-41/last.ckpt"


def _command(world: World, command: str, run: Any) -> list[str]:
    if command == EMBED:
        return world.embed(run=run)
    return world.resume(run) if command == RESUME else ["evaluate", str(run)]


def _edit(says: str, kind: str, command: str, name: str, edit: Any, **options: Any) -> Case:
    """One file of the run edited: (old, new), new content, or None for none."""

    def prepare(world: World) -> list[str]:
        return _command(world, command, world.run({name: edit}))

    return Case(f"{name.rpartition('/')[2]}, {command}", kind, prepare, says, **options)


def _json(says: str, kind: str, command: str, name: str, path: tuple[Any, ...], value: Any) -> Case:
    """One value of a JSON file of the run replaced."""

    def prepare(world: World) -> list[str]:
        content = json.loads((world.template / name).read_text())
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return _command(world, command, world.run({name: json.dumps(content)}))

    return Case(f"{name.rpartition('/')[2]}, {command}", kind, prepare, says, most_mb=300)


def _folder_for(says: str, kind: str, command: str, name: str) -> Case:
    def prepare(world: World) -> list[str]:
        run = world.run({name: None})
        (run / name).mkdir()
        return _command(world, command, run)

    return Case(f"{name.rpartition('/')[2]}, {command}", kind, prepare, says)


def _weights(says: str, kind: str, change: Any, command: str = EMBED) -> Case:
    """The weights rewritten: bytes, or a function of the tensors or of the bytes."""

    def prepare(world: World) -> list[str]:
        path = world.template / WEIGHTS
        content = change if isinstance(change, bytes) else change(path)
        return _command(world, command, world.run({WEIGHTS: content}))

    return Case(f"model.safetensors, {command}", kind, prepare, says, most_mb=300)


def _tensors(change: Any) -> Any:
    def rewrite(path: Any) -> bytes:
        tensors = load_file(path)
        first = next(name for name, tensor in tensors.items() if tensor.ndim == 2)
        return save(change(tensors, first))

    return rewrite


def _claim(path: Any) -> bytes:
    """The first tensor claims 10**12 values, and the offsets agree."""
    size = int.from_bytes(path.read_bytes()[:8], "little")
    head = json.loads(path.read_bytes()[8 : 8 + size])
    name = next(key for key in head if key != "__metadata__")
    head[name] |= {"shape": [10**12], "data_offsets": [0, 4 * 10**12]}
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + path.read_bytes()[8 + size :]


def _no_pictures(_: World) -> contextlib.AbstractContextManager[object]:
    """They take most of the time of such a run, and have no part in it."""
    return mock.patch("coral_plugin.runs.run.draw_run", return_value=[])


def _checkpoint(kind: str, content: Any, says: str = "is damaged") -> Case:
    """A stopped run with a checkpoint that is none: said in a line, and the training begins again."""

    def prepare(world: World) -> list[str]:
        run = world.run(unfinished=True)
        (run / CHECKPOINT).write_bytes(content(world) if callable(content) else content)
        return [flag for flag in world.resume(run) if flag != "--quiet"]

    return Case("last.ckpt, resume", kind, prepare, says, status=0, around=_no_pictures)


def _saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def _malicious(world: World) -> bytes:
    """An archive as torch writes it, whose pickle makes a folder."""
    plain, stream = io.BytesIO(_saved({"a": torch.ones(3)})), io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(stream, "w") as target:
        for info in source.infolist():
            bad = info.filename.endswith("data.pkl")
            target.writestr(info.filename, pickle.dumps(Payload(str(world.canary))) if bad else source.read(info))
    return stream.getvalue()


def _loop(world: World) -> list[str]:
    run = world.run({"config.yaml": None})
    (run / "config.yaml").symlink_to("config.yaml")
    return ["evaluate", str(run)]


def _two_runs(world: World) -> list[str]:
    return world.train("--epochs", "2", output=world.run())


TWICE = '{"fingerprint": "a", "fingerprint": "b", "modalities": []}'
CASES = [
    _edit("mapping of settings", "empty", EVALUATE, "config.yaml", b""),
    _edit("YAML", "cut", EVALUATE, "config.yaml", "objective: coral\ndataset: arrays\nmethod: {"),
    _edit("UTF-8", "no UTF-8", EMBED, "config.yaml", b"\xff\xfe\x00"),
    _edit("not valid YAML", "an object of Python", EMBED, "config.yaml", "a: !!python/object/apply:os.mkdir [canary]"),
    _edit("unfolds", "an anchor bomb", EVALUATE, "config.yaml", bomb(), most_mb=200),
    _edit("twice", "a setting twice", EVALUATE, "config.yaml", ("preset: paper", "preset: paper\npreset: paper")),
    _edit("lack 'objective'", "no objective", EVALUATE, "config.yaml", ("objective: coral", "objectiv: coral")),
    _edit(
        "Unknown objective",
        "an objective that is a path",
        EVALUATE,
        "config.yaml",
        ("objective: coral", "objective: ../x"),
    ),
    _edit("Unknown run setting", "an unknown key", EVALUATE, "config.yaml", ("preset: paper", "present: paper")),
    _edit("network.width", "a width as text", EMBED, "config.yaml", ("width: 16", "width: wide")),
    _edit(
        "network.width", "a width of 10**12", EMBED, "config.yaml", ("width: 16", "width: 1000000000000"), most_mb=200
    ),
    _edit("larger than any", "a width of 10**9", EMBED, "config.yaml", ("width: 16", "width: 1000000000"), most_mb=400),
    _edit("network.depth", "a depth of 10**9", EMBED, "config.yaml", ("depth: 1", "depth: 1000000000")),
    _edit("settings and data say", "another width", EMBED, "config.yaml", ("width: 16", "width: 32")),
    _edit("seeds", "seeds that are no list", EVALUATE, "config.yaml", ("seeds:\n- 41", "seeds: x")),
    _edit("run.seeds", "a seed that leads out of the folder", EVALUATE, "config.yaml", ("- 41", "- ../../x")),
    _edit("no finished seed", "another seed", EVALUATE, "config.yaml", ("- 41", "- 42")),
    _edit("method setting", "a group with an unknown setting", EVALUATE, "config.yaml", ("contrast:", "contrst:")),
    _edit("must be a mapping", "a group that is a number", EVALUATE, "config.yaml", ("network:", "network: 5\nx:")),
    _folder_for("no config.yaml", "a folder", EVALUATE, "config.yaml"),
    Case("config.yaml, evaluate", "a link to itself", _loop, "no config.yaml"),
    _edit("There is no file", "missing", EVALUATE, "data.json", None),
    _edit("not valid JSON", "empty", EVALUATE, "data.json", b""),
    _edit("not valid JSON", "cut", EMBED, "data.json", '{"fingerprint": "a", "modalit'),
    _edit("not valid JSON", "100,000 brackets", EMBED, "data.json", "[" * 100_000),
    _edit("not valid JSON", "a key twice", EVALUATE, "data.json", TWICE),
    _edit("not valid JSON", "a number of 5000 digits", EVALUATE, "data.json", '{"fingerprint": ' + "9" * 5000 + "}"),
    _edit("record of the data", "a list", EVALUATE, "data.json", "[]"),
    _folder_for("is a folder", "a folder", EVALUATE, "data.json"),
    _json("fingerprint differs", "a fingerprint that is a number", EVALUATE, "data.json", ("fingerprint",), 5),
    _json("modalities must be a list", "modalities that are a number", EMBED, "data.json", ("modalities",), 5),
    _json("modalities must be a list", "a modality that is a text", EMBED, "data.json", ("modalities", 0), "x"),
    _json("modality setting", "a modality with an unknown entry", EMBED, "data.json", ("modalities", 0, "colour"), 1),
    _json("plain text", "a modality with a line break", EMBED, "data.json", ("modalities", 0, "name"), "a\nb"),
    _json("modality.kind", "a kind that nobody knows", EMBED, "data.json", ("modalities", 0, "kind"), "hologram"),
    _json("modality.shape", "a shape of text", EMBED, "data.json", ("modalities", 0, "shape"), ["x"]),
    _json("modality.shape", "a shape of fractions", EMBED, "data.json", ("modalities", 0, "shape"), [4.5]),
    _json("dimensions", "a negative shape", EMBED, "data.json", ("modalities", 0, "shape"), [-4]),
    _json("modality.shape", "a shape of 10**12", EMBED, "data.json", ("modalities", 0, "shape"), [10**12]),
    _json("its mean has", "a mean of another length", EMBED, "data.json", ("modalities", 0, "mean"), [1.0]),
    _json("not valid JSON", "a mean that is NaN", EMBED, "data.json", ("modalities", 0, "mean"), [float("nan")] * 4),
    _json("needs positive numbers", "a deviation of zero", EMBED, "data.json", ("modalities", 0, "std"), [0.0] * 4),
    _json("tasks must be a list", "tasks that are nothing", EMBED, "data.json", ("tasks",), None),
    _json("one class only", "classes that are a text", EMBED, "data.json", ("tasks", 0, "classes"), "012"),
    _json("task.kind", "a kind of task that nobody knows", EMBED, "data.json", ("tasks", 0, "kind"), "guess"),
    _edit("not valid JSON", "infinity", EVALUATE, RESULT, '{"scores": Infinity}'),
    _edit("not valid JSON", "a number beyond floats", EVALUATE, RESULT, '{"scores": 1e999}'),
    _edit("is damaged", "empty object", EVALUATE, RESULT, "{}"),
    _json("train.seconds", "seconds as text", EVALUATE, RESULT, ("train", "seconds"), "many"),
    _json("train.parameters", "parameters as nothing", RESUME, RESULT, ("train", "parameters"), None),
    _json("lack a score", "a score that is a list", RESUME, RESULT, ("scores", "all", "label"), []),
    _json("lack a score", "scores of a part that are a text", RESUME, RESULT, ("scores", "all"), "x"),
    _json("lack a score", "no scores at all", RESUME, RESULT, ("scores",), {}),
    _json("history", "a history of texts", RESUME, RESULT, ("history",), ["x"]),
    _json("history", "a history with other entries", RESUME, RESULT, ("history",), [{"a": 1}, {"b": 2}]),
    _folder_for("in the way", "a folder", RESUME, RESULT),
    _folder_for("in the way", "a folder", RESUME, "metrics.json"),
    Case("config.yaml, resume", "a run without --resume", _two_runs, "holds a run already"),
    _weights("cut off", "empty", b""),
    _weights("cannot be loaded", "cut", lambda path: path.read_bytes()[:-100]),
    _weights("cut off", "a head longer than the file", lambda path: b"\xff" * 8 + path.read_bytes()[8:]),
    _weights("cannot be loaded", "a pickle", lambda path: pickle.dumps(Payload("canary"))),
    _weights("cannot be loaded", "a head of brackets", (60_000).to_bytes(8, "little") + b"[" * 60_000),
    _weights("cannot be loaded", "a head that is a list", (2).to_bytes(8, "little") + b"[]"),
    _weights("settings and data say", "a claim of 10**12 values", _claim),
    _weights("settings and data say", "a tensor too many", _tensors(lambda t, _: {**t, "extra": np.ones(3)})),
    _weights(
        "settings and data say",
        "a tensor too few",
        _tensors(lambda t, first: {k: v for k, v in t.items() if k != first}),
    ),
    _weights("not finite", "NaN", _tensors(lambda t, first: {**t, first: t[first] * np.nan})),
    _weights("not finite", "NaN, evaluated", _tensors(lambda t, first: {**t, first: t[first] * np.nan}), EVALUATE),
    _weights("type", "whole numbers for fractions", _tensors(lambda t, first: {**t, first: t[first].astype(np.int64)})),
    _folder_for("no trained seed", "a folder", EMBED, WEIGHTS),
    _checkpoint("noise", bytes(range(256)) * 8),
    _checkpoint("cut", lambda _: _saved({"a": torch.ones(1000)})[:-500]),
    _checkpoint("code in its pickle", _malicious),
]
