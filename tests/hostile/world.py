"""What a case finds when it begins: a folder of its own, valid files to damage, and a finished run to copy."""

from __future__ import annotations

import io
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SMALL = [
    "--network.width=16", "--network.heads=2", "--network.head_hidden=16", "--network.head_output=8",
    "--batch-size", "16", "--device", "cpu", "--epochs", "1", "--quiet",
]  # fmt: skip


def arrays() -> dict[str, np.ndarray]:
    """A table and a series that tell three classes apart, in three splits."""
    rng = np.random.default_rng(0)
    found = {}
    for split, count in (("train", 36), ("valid", 12), ("test", 12)):
        labels = np.arange(count) % 3
        found[f"{split}/table"] = (labels[:, None] + 0.3 * rng.standard_normal((count, 4))).astype(np.float32)
        found[f"{split}/wave"] = rng.standard_normal((count, 6, 2)).astype(np.float32) + labels[:, None, None]
        found[f"{split}/labels"] = labels
    return found


def npy(array: Any) -> bytes:
    """The bytes of an ``.npy``; objects are pickled."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=True)
    return stream.getvalue()


def header(text: str, version: int = 1) -> bytes:
    """The head of an ``.npy`` with any text in place of its dict."""
    body = text.encode("utf-8") + b"\n"
    size = len(body).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + body


def claims(shape: str, descr: str = "'<f4'", fortran: str = "False", version: int = 1) -> bytes:
    """The head of an ``.npy`` that claims a shape."""
    return header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}", version)


@dataclass(frozen=True)
class World:
    """The surroundings of one case.

    Attributes:
        folder: Of the case alone; it is listed before and after.
        npz: Valid data, outside of ``folder``.
        template: A finished run on them, outside of ``folder``; :meth:`run` copies it.
    """

    folder: Path
    npz: Path
    template: Path

    @property
    def canary(self) -> Path:
        """A file that only code in hostile data would write."""
        return self.folder / "canary"

    def train(self, *more: Any, data: Any = None, output: Any = None) -> list[str]:
        """``coral train`` on valid or other data into ``out``."""
        files = ["--data", str(data or self.npz), "--output", str(self.folder / "out" if output is None else output)]
        return ["train", "--dataset", "arrays", *files, *SMALL, *map(str, more)]

    def resume(self, run: Path) -> list[str]:
        """``coral train --resume`` with the settings of the template."""
        return ["train", "--config", str(self.template / "config.yaml"), "--output", str(run), "--resume", "--quiet"]

    def embed(self, data: Any = None, output: Any = None, run: Any = None) -> list[str]:
        """``coral embed`` with valid or other parts."""
        target = self.folder / "z.npz" if output is None else output
        return ["embed", str(run or self.template), "--data", str(data or self.npz), "--output", str(target)]

    def file(self, name: str, content: bytes | str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return path

    def data(self, changes: Mapping[str, Any] | None = None, drop: tuple[str, ...] = ()) -> Path:
        """The valid data with some arrays in place of others, as ``.npz``."""
        changed = {key: value for key, value in {**arrays(), **(changes or {})}.items() if key not in drop}
        return self.members({f"{key}.npy": npy(value) for key, value in changed.items()})

    def members(self, members: Mapping[str, bytes] | list[tuple[str, bytes]], **options: Any) -> Path:
        """A zip archive of these members, as ``.npz``."""
        stream = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", **options) as archive:
            warnings.simplefilter("ignore")  # a name twice
            for name, content in members.items() if isinstance(members, Mapping) else members:
                archive.writestr(name, content)
        return self.file("x.npz", stream.getvalue())

    def run(self, edits: Mapping[str, Any] | None = None, *, unfinished: bool = False) -> Path:
        """A copy of the finished run; ``edits``: ``{name: (old, new)}``, new bytes, or None to remove it.

        ``unfinished``: as if the training had been stopped before its end.
        """
        copy = self.folder / "run"
        shutil.copytree(self.template, copy)
        if unfinished:
            for name in ("seed-41/result.json", "seed-41/model.safetensors", "metrics.json", "metrics.csv"):
                (copy / name).unlink()
        for name, edit in (edits or {}).items():
            path = copy / name
            if edit is None:
                path.unlink()
            elif isinstance(edit, tuple):
                text = path.read_text()
                if edit[0] not in text:
                    raise LookupError(f"{name} of the template has no {edit[0]!r}")
                path.write_text(text.replace(*edit, 1))
            else:
                path.write_bytes(edit if isinstance(edit, bytes) else edit.encode("utf-8", "surrogateescape"))
        return copy
