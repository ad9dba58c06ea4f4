"""What one ``coral run`` runs, and ``run.json``, its record in the folder of the run."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from coral_plugin.errors import InputError
from coral_plugin.io.files import read_json, write_json
from coral_plugin.runs.environment import environment

RUN_FILE = "run.json"
SUPERVISED = "supervised"  # the objective that leaves MultiBench's training as it is
_SCHEMA = 1
_SCRIPT_HASH = "script_sha256"
# fields that may change between a run and its resumption, and do not change the results
_UNRECORDED = ("folder", "resume", "trust_pickle", "quiet")


@dataclass(frozen=True, kw_only=True)
class ScriptRun:
    """One script of MultiBench, and how it is run.

    Attributes:
        script: File of the script, absolute.
        arguments: Arguments of the script.
        folder: Folder of the run, absolute: empty or new, or with ``resume`` that of the same run. What the script
            writes lands in it; its first ``train(...)`` takes it as run directory, later ones ``train-2``, ... in it.
        objective: Registered name; ``supervised`` leaves MultiBench's training alone.
        preset: Preset of the objective; empty for its first one.
        chosen: Settings of the objective and its training, ``{"group.key": value}``.
        data: Absolute path read in place of the script's paths; None leaves these.
        epochs: Epochs of the pre-training, and at most of the fine-tuning; None takes the script's number for both, for
            the pre-training at most the preset's.
        seed: Seed of Python's, NumPy's and torch's generators, and of the training.
        head: ``frozen``: a linear head on the frozen representation; ``finetuned``: from there encoders and head are
            trained on together.
        limit: Greatest number of samples per loader; None takes all.
        widths: Whether features are fitted to the widths of the script, or stay those of the file.
        resume: Whether to continue the pre-training that was stopped.
        trust_pickle: Whether data are loaded with Python's unpickler, which runs their code.
        quiet: Whether standard error gets nothing.
    """

    script: Path
    arguments: tuple[str, ...] = ()
    folder: Path
    objective: str
    preset: str = ""
    chosen: dict[str, Any] = field(default_factory=dict)
    data: Path | None = None
    epochs: int | None = None
    seed: int = 41
    head: Literal["frozen", "finetuned"] = "frozen"
    limit: int | None = None
    widths: Literal["script", "file"] = "script"
    resume: bool = False
    trust_pickle: bool = False
    quiet: bool = False

    @property
    def supervised(self) -> bool:
        """Whether MultiBench's training stays as it is."""
        return self.objective == SUPERVISED

    def say(self, line: str) -> None:
        """Print one line on standard error, unless the run is quiet."""
        if not self.quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def as_record(self) -> dict[str, Any]:
        """What decides on the results, in values of JSON."""
        record = {name: value for name, value in vars(self).items() if name not in _UNRECORDED}
        data = None if self.data is None else str(self.data)
        return {**record, "script": str(self.script), "arguments": list(self.arguments), "data": data}

    def open_folder(self) -> None:
        """Make the folder, or check that the run in it may be continued.

        Raises:
            InputError: it holds something else than this run.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; choose another --output.")
        if not self.resume:
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not empty. Add --resume to go on with a run, or choose another --output."
                )
            self.folder.mkdir(parents=True, exist_ok=True)
            return
        path = self.folder / RUN_FILE
        if not path.is_file():
            raise InputError(
                f"{self.folder} holds no run of a script to go on with: there is no {RUN_FILE} in it. Drop --resume."
            )
        content = read_json(path)
        saved, now = content.get("run", {}) if isinstance(content, dict) else {}, self.as_record()
        changed = [key for key in now if key != "data" and saved.get(key) != now[key]]
        if changed:
            listed = "; ".join(f"{key}: saved {saved.get(key)!r}, asked {now[key]!r}" for key in changed)
            raise InputError(f"{self.folder} holds another run ({listed}). Choose another --output.")
        if content.get(_SCRIPT_HASH) not in (None, self.script_hash()):  # runs of before have none
            self.say(
                f"{self.script.name} is not what it was when the run in {self.folder} began, and what was trained then "
                "is not trained again; choose another --output if its networks or data are others"
            )

    def script_hash(self) -> str:
        """The SHA-256 of the script."""
        return hashlib.sha256(self.script.read_bytes()).hexdigest()


class RunRecord:
    """``run.json``, written when the run begins and again when it ends.

    Args:
        run: Run that it records.
        checkout: Root and commit of the checkout.
        shims: Names of the shims that are applied, with their reasons.
    """

    def __init__(self, run: ScriptRun, checkout: dict[str, Any], shims: dict[str, str]) -> None:
        self.path = run.folder / RUN_FILE
        self.content = {
            "schema": _SCHEMA,
            "run": run.as_record(),
            _SCRIPT_HASH: run.script_hash(),
            "multibench": checkout,
            "shims": shims,
            "environment": environment(),
        }
        self._started = time.monotonic()
        self.write("running", [])

    def write(self, status: str, notes: list[str], reason: str = "") -> None:
        """Write the present state.

        Args:
            status: ``running``, ``finished``, ``failed`` or ``stopped`` by a signal.
            notes: Lines printed for the user because they change what figures mean.
            reason: Reason of a failure.
        """
        seconds = round(time.monotonic() - self._started, 1)
        state = {"status": status, "seconds": seconds, "notes": notes, **({"reason": reason} if reason else {})}
        write_json(self.path, {**self.content, **state})
