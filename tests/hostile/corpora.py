"""Valid inputs of the readers, and words that matter to each, for the fuzzer to put in."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from coral_plugin.data import Modality
from coral_plugin.runs.settings import make_settings

from .world import arrays, npy

MODALITIES = (
    Modality(name="table", kind="tabular", shape=(4,), mean=(0.0,) * 4, std=(1.0,) * 4),
    Modality(name="wave", kind="timeseries", shape=(6, 3)),
    Modality(name="image", kind="image", shape=(3, 16, 16)),
)
NETWORK = {"width": 8, "heads": 2, "head_hidden": 8, "head_output": 4}


def _record() -> dict[str, object]:
    return {
        "name": "x",
        "fingerprint": "0",
        "modalities": [vars(modality) for modality in MODALITIES[:2]],
        "tasks": [{"name": "label", "kind": "classification", "classes": ["a", "b"]}],
    }


def _score() -> dict[str, object]:
    return {"label": {"metric": "balanced_accuracy", "value": 0.5, "also": {"accuracy": 0.5}}}


RESULT_TEXT = json.dumps({
    "seed": 1, "scores": {"all": _score(), "shared": _score()}, "disentanglement": {},
    "train": {"seconds": 1.5, "samples_per_second": 2.5, "peak_memory_bytes": 3, "parameters": 4},
    "history": [{"epoch": 0, "loss/total": 1.25}, {"epoch": 1, "loss/total": 1.5}],
}).encode()  # fmt: skip
RECORD_TEXT = json.dumps(_record()).encode()
CONFIG_TEXT = (
    make_settings(
        "coral",
        "arrays",
        data="x.npz",
        seeds=(1, 2),
        training__epochs=2,
        **{f"network__{k}": v for k, v in NETWORK.items()},
    )
    .to_yaml()
    .encode()
)


def npz_of(compression: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for key, value in arrays().items():
            archive.writestr(f"{key}.npy", npy(value[:6]))
        archive.writestr("classes.npy", npy(np.array(["a", "b", "c"])))
    return stream.getvalue()


YAML_WORDS = (
    b"&a",
    b"*a",
    b"!!int ",
    b"!!python/object:os.system ",
    b"!!binary ",
    b"!!timestamp ",
    b"<<: ",
    b"? ",
    b"- ",
    b"{",
    b"[",
    b".nan",
    b"-.inf",
    b"null",
    b"2026-13-45",
    b"1:60:60",
    b"0x1F",
    b"9" * 60,
    b"---\n",
    b"%YAML 9.9\n",
    b"|\n ",
    b"'",
    b'"\\ud800"',
)
JSON_WORDS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"1.5",
    b'"\\ud800"',
    b"9" * 60,
    b"[[[[",
)
GRAMMAR_WORDS = (
    b"noise",
    b"drop",
    b"mlp",
    b"gru",
    b"conv1d",
    b"small_conv",
    b"(",
    b")",
    b"=",
    b"+",
    b"|",
    b"@",
    b",",
    b"std=",
    b"fraction=",
    b"hidden=",
    b"layers=",
    b"kernel=",
    b"channels=",
    b"0",
    b"-1",
    b"1e999",
    b"(1,2)",
    b"[3]",
    b"None",
    b"True",
    b"'x'",
    b"1j",
    b"**{}",
    b"*[]",
)
FLAG_WORDS = (
    b"\n",
    b"--set\n",
    b"--augmentation\n",
    b"--augmentations\n",
    b"--encoder\n",
    b"--seeds\n",
    b"--training.",
    b"--network.encoders.",
    b"=",
    b"[",
    b"{a: b}",
    b"nan",
    b"1e999",
    b"-1",
    b"--",
    b"-h",
    b"--training=",
    b"--help",
    b"/dev/zero",
    b"&a [*a]",
    b"../",
    b"\xff",
    b"\0",
    b"null",
)
NPZ_WORDS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"\x93NUMPY\x01\x00",
    b"'shape': (1000000000000,)",
    b"|O",
    b"\xff\xff\xff\xff",
    b"-1",
    b"<f2",
    b">i8",
    b"<U9",
)
WEIGHT_WORDS = (b"\x00", b"\xff" * 8, b"F64", b"I64", b'"shape":[', b"1000000000000", b"data_offsets", *JSON_WORDS)
