"""Runs one case in this process and says what is wrong with the answer."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coral_plugin.cli.main import main
from coral_plugin.errors import CoralError, InputError

from .world import SMALL, World, arrays, npy

Action = list[str] | Callable[[], Any]
SECONDS = 600  # of wall time: what takes longer has hung
LONGEST = 1500  # characters of a line that a person still reads


@dataclass(frozen=True)
class Case:
    """One kind of hostile input.

    Attributes:
        surface: Where it comes in.
        kind: What is wrong with it; with the surface it names the case.
        prepare: Writes what is needed and returns the arguments of ``coral``, or a function that calls from Python.
        says: What the line must hold.
        status: 2 for the user's input, 1 for the machine.
        around: What surrounds the call: a full disk, another user.
        leaves: Pattern of what may be left behind, each of it whole.
        most_mb: Memory that the call may take (it is measured where this is set).
        process: Whether ``coral`` runs as a process of its own, and what the shell puts behind its arguments.
    """

    surface: str
    kind: str
    prepare: Callable[[World], Action]
    says: str
    status: int = 2
    around: Callable[[World], contextlib.AbstractContextManager[Any]] | None = None
    leaves: str = r"(?!)"
    most_mb: int | None = None
    process: str | None = None

    @property
    def name(self) -> str:
        """``surface: kind``."""
        return f"{self.surface}: {self.kind}"


@dataclass
class Outcome:
    """What came of a case.

    Attributes:
        status: Exit status; None if anything but a clean answer escaped.
        out: Standard output.
        err: Standard error.
        changed: What the folder has that it had not, or has otherwise.
        peak_mb: Memory that the call took at most, where it was measured.
        seconds: Processor time.
    """

    status: int | None = None
    out: str = ""
    err: str = ""
    changed: list[str] = field(default_factory=list)
    peak_mb: float | None = None
    seconds: float = 0.0


class Hung(BaseException):
    """The call did not end in time."""


@contextlib.contextmanager
def make_world(parent: Path, npz: Path, template: Path) -> Iterator[World]:
    """A world with a folder that other users can reach, removed at the end."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)
    try:
        yield World(folder, npz, template)
    finally:
        shutil.rmtree(folder)


def make_template(folder: Path) -> tuple[Path, Path]:
    """Valid data and a finished run on them."""
    import numpy as np

    npz, run = folder / "good.npz", folder / "good-run"
    np.savez(npz, **arrays())
    status = main(["train", "--dataset", "arrays", "--data", str(npz), "--output", str(run), *SMALL])
    # as a control, and to import what a case that runs as another user could not
    status = status or main(["embed", str(run), "--data", str(npz), "--output", str(folder / "good-z.npz")])
    if status:
        raise RuntimeError("the valid run failed")
    return npz, run


def execute(case: Case, world: World) -> Outcome:
    """Prepare and run ``case``."""
    action = case.prepare(world)
    before = _listing(world.folder)
    outcome = Outcome()
    started = time.process_time()
    with contextlib.chdir(world.folder), case.around(world) if case.around else contextlib.nullcontext():
        if case.process is not None:
            _in_shell(action, case.process, outcome)
        else:
            _in_process(action, case, outcome)
    outcome.seconds = time.process_time() - started
    after = _listing(world.folder)
    outcome.changed = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
    return outcome


def faults(case: Case, outcome: Outcome) -> list[str]:
    """What is wrong with the answer; nothing if it is one clear line with the right status."""
    found = []
    lines = outcome.err.splitlines()
    answers = [line for line in lines if line.startswith("coral: ")]
    if outcome.status is None or "Traceback" in outcome.err + outcome.out:
        return [f"no clean end: {outcome.err[-2000:]}"]
    if outcome.status != case.status:
        found.append(f"status {outcome.status} in place of {case.status}")
    if case.status == 0:  # what is harmless, or mended: said where there is something to say
        found += [f"an error is told: {answers}"] if answers else []
        found += [] if case.says in outcome.err else [f"standard error lacks {case.says!r}"]
        return [f"{fault} (standard error: {outcome.err[-300:]!r})" for fault in found]
    if len(answers) != 1 or lines[-1:] != answers or len(lines) > 1:
        found.append(f"{len(lines)} lines in place of one")
    line = answers[0] if answers else ""
    if case.says not in line:
        found.append(f"the line lacks {case.says!r}")
    if len(line) > LONGEST:
        found.append(f"a line of {len(line)} characters")
    if not line.isprintable():
        found.append("control characters in the line")
    if "--debug shows where" in line:
        found.append("answered by the last resort, not where it went wrong")
    if outcome.out:
        found.append(f"standard output: {outcome.out[:200]!r}")
    if left := [name for name in outcome.changed if not re.fullmatch(case.leaves, name)]:
        found.append(f"left behind or changed: {left}")
    if case.most_mb is not None and (outcome.peak_mb or 0) > case.most_mb:
        found.append(f"took {outcome.peak_mb:.0f} MB, {case.most_mb} are allowed")
    return [f"{fault} (line: {line or outcome.err[-300:]!r})" for fault in found]


def _in_process(action: Action, case: Case, outcome: Outcome) -> None:
    out, err = io.StringIO(), io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", newline="")

    def late(*_: object) -> None:
        raise Hung(f"no answer after {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, late)
    if case.most_mb is not None:
        tracemalloc.start()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("always")  # a warning is a line too many
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            outcome.status = _call(action, err)
    except BaseException:
        err.write(traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if case.most_mb is not None:
            outcome.peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
    err.flush()
    outcome.out, outcome.err = out.getvalue(), err.buffer.getvalue().decode()  # type: ignore[attr-defined]


def _call(action: Action, err: io.TextIOWrapper) -> int:
    """The exit status of the command, or what it would be for an error that a Python call raises."""
    if isinstance(action, list):
        return main(action)
    try:
        action()
    except CoralError as error:
        err.write(f"coral: {error}\n")
        return 2 if isinstance(error, InputError) else 1
    return 0


def _in_shell(action: Action, behind: str, outcome: Outcome) -> None:
    if not isinstance(action, list):
        raise TypeError("only a command line runs in a process")
    command = [sys.executable, "-m", "coral_plugin.cli.main", *action]
    shell = ["sh", "-c", f'exec "$@" {behind}', "sh", *command]
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(shell, capture_output=True, timeout=SECONDS, check=False, env=surroundings)
    outcome.status, outcome.out = done.returncode, done.stdout.decode(errors="replace")
    outcome.err = done.stderr.decode(errors="replace")


def _listing(folder: Path) -> dict[str, str]:
    """Every entry below ``folder`` with what it is: a link's target, a file's digest."""
    found = {}
    for path in folder.rglob("*"):
        name = os.fsencode(path.relative_to(folder)).decode("ascii", "backslashreplace")
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            size = path.stat().st_size
            found[name] = f"{size} bytes" if size > 1 << 24 else hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


__all__ = ["Case", "Outcome", "World", "execute", "faults", "make_template", "make_world", "npy"]
