"""The folder of one ``coral run``: what ran in it, and when it may be used again."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from coral_plugin.errors import InputError
from coral_plugin.io.files import read_json, write_json
from coral_plugin.runs.environment import environment

FILE = "run.json"
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ScriptRun:
    """What is run, and how.

    Attributes:
        script: File, absolute.
        arguments: Of the script.
        objective: Registered name; ``supervised`` leaves MultiBench's training alone.
        preset: Of the objective.
        chosen: Settings of the objective and its training, ``{"group__key": value}``.
        data: In place of the script's own paths.
        epochs: None leaves the script's, or the objective's, own.
        seed: Of Python's, NumPy's and torch's generators.
        head: Whether the representation stays as it was pre-trained under the head.
        limit: Samples of each loader at most.
        widths: Whether features are fitted to the widths of the script, or stay those of the file.
    """

    script: str
    arguments: tuple[str, ...] = ()
    objective: str
    preset: str = "paper"
    chosen: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    epochs: int | None = None
    seed: int = 41
    head: Literal["frozen", "finetuned"] = "frozen"
    limit: int | None = None
    widths: Literal["script", "file"] = "script"


def open_folder(folder: Path, run: ScriptRun, *, resume: bool) -> None:
    """Make the folder, or check that it may be gone on with.

    Raises:
        InputError: it holds something else than this run.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --output.")
    if not resume:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty. Add --resume to go on with a run, or choose another --output.")
        folder.mkdir(parents=True, exist_ok=True)
        return
    if not (folder / FILE).is_file():
        raise InputError(f"{folder} holds no run of a script to go on with: there is no {FILE} in it. Drop --resume.")
    saved = read_json(folder / FILE)
    was = saved.get("run", {}) if isinstance(saved, dict) else {}
    now = _plain(run)
    changed = [key for key in now if key != "data" and was.get(key) != now[key]]
    if changed:
        listed = "; ".join(f"{key}: saved {was.get(key)!r}, asked {now[key]!r}" for key in changed)
        raise InputError(f"{folder} holds another run ({listed}). Choose another --output.")


class Record:
    """``run.json``, written when the run begins and again when it ends.

    Args:
        folder: Of the run.
        run: What is run.
        checkout: As :meth:`coral_plugin.multibench.Checkout.describe` and its commit say.
        shims: Names of the shims that are applied, with their reasons.
    """

    def __init__(self, folder: Path, run: ScriptRun, checkout: dict[str, Any], shims: dict[str, str]) -> None:
        self.path = folder / FILE
        self.content = {
            "schema": _SCHEMA,
            "run": _plain(run),
            "multibench": checkout,
            "shims": shims,
            "environment": environment(),
        }
        self._started = time.monotonic()
        self.write("running", [])

    def write(self, status: str, said: list[str], reason: str = "") -> None:
        """Write how it stands.

        Args:
            status: ``running``, ``finished`` or ``failed``.
            said: Lines that the user was told because they change what figures mean.
            reason: Why it failed.
        """
        seconds = round(time.monotonic() - self._started, 1)
        state = {"status": status, "seconds": seconds, "said": said, **({"reason": reason} if reason else {})}
        write_json(self.path, {**self.content, **state})


def _plain(run: ScriptRun) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(run).items()}
