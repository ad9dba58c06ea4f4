"""Targets of the fuzzer: each reads bytes as one of our readers would; only our own errors may escape.

A target is a function of bytes with a corpus of valid inputs and words that matter to its reader.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from safetensors.numpy import save

from coral_plugin.augmentations import build_augmenter
from coral_plugin.cli.train_flags import parse_run
from coral_plugin.data import Modality, Task, from_arrays
from coral_plugin.errors import CoralError, InputError
from coral_plugin.io.files import read_json
from coral_plugin.io.npz import read_npz
from coral_plugin.io.yamlfile import parse_yaml
from coral_plugin.networks.factory import resolve_encoders
from coral_plugin.runs.folder import (
    RESULT,
    WEIGHTS,
    build_objective,
    modalities_of,
    open_run,
    read_result,
    restore,
    tasks_of,
)
from coral_plugin.runs.settings import RunSettings, from_dict

from .corpora import (
    CONFIG_TEXT,
    FLAG_WORDS,
    GRAMMAR_WORDS,
    JSON_WORDS,
    MODALITIES,
    NPZ_WORDS,
    RECORD_TEXT,
    RESULT_TEXT,
    WEIGHT_WORDS,
    YAML_WORDS,
    npz_of,
)
from .data_targets import SPECIFICATIONS


@dataclass(frozen=True)
class Target:
    """One reader under the fuzzer.

    Attributes:
        name: In records.
        read: Calls the reader with mutated bytes; raises what escapes it.
        corpus: Valid inputs, from which mutants are made.
        words: What mutations put in.
    """

    name: str
    read: Callable[[bytes], object]
    corpus: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()

    def __call__(self, content: bytes) -> str:
        """``accepted``, or the name of our error; anything else escapes."""
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self.read(content)
        except CoralError as error:
            return type(error).__name__
        except SystemExit as stopped:  # --help among the flags
            if stopped.code:
                raise
        return "accepted"


@cache
def _folder() -> Path:
    """One folder in memory where there is one, for all files that are read."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=place))


def clean() -> None:
    """Remove the folder of the readers."""
    if _folder.cache_info().currsize:
        shutil.rmtree(_folder())
        _folder.cache_clear()


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@cache
def _run() -> tuple[RunSettings, tuple[Modality, ...], tuple[Task, ...]]:
    """A small run, which weights are read for."""
    record = json.loads(RECORD_TEXT)
    return from_dict(yaml.safe_load(CONFIG_TEXT)), modalities_of(record), tasks_of(record)


@cache
def _weights() -> bytes:
    """Weights of that run."""
    objective = build_objective(*_run())
    return save({name: tensor.numpy() for name, tensor in objective.state_dict().items()})


def read_arrays(content: bytes) -> None:
    """``.npz`` to a data set."""
    from_arrays(read_npz(_file("x.npz", content)), name="x")


def read_config(content: bytes) -> None:
    """``--config`` to the settings of a run."""
    parse_run(["--config", str(_file("c.yaml", content))])


def read_run(content: bytes) -> None:
    """``config.yaml`` of a run directory."""
    _file("run/config.yaml", content)
    _file("run/data.json", RECORD_TEXT)
    open_run(_folder() / "run")


def read_record(content: bytes) -> None:
    """``data.json`` of a run directory."""
    record = read_json(_file("data.json", content))
    if isinstance(record, dict):  # as open_run makes sure
        modalities_of(record)
        tasks_of(record)


def read_seed(content: bytes) -> None:
    """``result.json`` of a seed, and any JSON."""
    read_json(_file(f"seed/{RESULT}", content))
    read_result(_folder() / "seed")


def read_weights(content: bytes) -> None:
    """``model.safetensors`` of a seed."""
    path = _file(f"run/seed-1/{WEIGHTS}", content)
    settings, modalities, tasks = _run()
    restore(settings, modalities, tasks, path, None)


def read_augmentations(content: bytes) -> None:
    """A specification of augmentations."""
    build_augmenter(content.decode("utf-8", "surrogateescape"), MODALITIES[:2])


def read_encoder(content: bytes) -> None:
    """An encoder by name, with options; it is built."""
    text = content.decode("utf-8", "surrogateescape")
    refused = []
    for name in ("table", "wave", "image"):
        try:
            resolve_encoders(MODALITIES, {name: text}, 8)[name]()
        except InputError as error:
            refused.append(error)
    if len(refused) == 3:
        raise refused[0]


def read_flags(content: bytes) -> None:
    """The flags of ``coral train``, one a line."""
    parse_run(content.decode("utf-8", "surrogateescape").split("\n"))


def read_value(content: bytes) -> None:
    """Any YAML."""
    parse_yaml(content.decode("utf-8", "surrogateescape"), "text")


TARGETS = {
    target.name: target
    for target in (
        Target("npz", read_arrays, (npz_of(zipfile.ZIP_STORED), npz_of(zipfile.ZIP_DEFLATED)), NPZ_WORDS),
        Target(
            "config", read_config, (CONFIG_TEXT, b"dataset: digits\ntraining: {epochs: 3}\nseeds: [1, 2]\n"), YAML_WORDS
        ),
        Target(
            "yaml",
            read_value,
            (CONFIG_TEXT, b"a: &a [1, 2.5, x]\nb: {c: *a, d: null}\n? e\n: !!int '3'\nf: 2026-11-23\n"),
            YAML_WORDS,
        ),
        Target("run", read_run, (CONFIG_TEXT,), YAML_WORDS),
        Target("data.json", read_record, (RECORD_TEXT,), JSON_WORDS),
        Target("result.json", read_seed, (RESULT_TEXT,), JSON_WORDS),
        Target("weights", read_weights, (_weights(),), WEIGHT_WORDS),
        Target(
            "augmentations",
            read_augmentations,
            (b"drop(fraction=0.2)@0.8+noise", b"noise|drop", b"drop(fraction=(0.1, 0.2))", b"none"),
            GRAMMAR_WORDS,
        ),
        Target(
            "encoder",
            read_encoder,
            (b"mlp(hidden=8, output=4)", b"gru(hidden=4, layers=1)", b"conv1d(channels=(4,), kernel=3)", b"mlp"),
            GRAMMAR_WORDS,
        ),
        *(Target(name, read, corpus(), words) for name, read, corpus, words in SPECIFICATIONS),
        Target(
            "flags",
            read_flags,
            (
                b"--dataset\ndigits\n--epochs\n3\n--set\ntemperature=0.2",
                b"--dataset\ndigits\n--augmentation\ntop=noise\n--encoder\ntop=small_conv(channels=4)",
                b"--seeds\n1,2\n--modalities=top,bottom\n--dataset=digits\n--quiet",
            ),
            FLAG_WORDS,
        ),
    )
}
