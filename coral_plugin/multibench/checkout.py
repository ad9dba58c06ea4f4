"""Where MultiBench is, and which one it is."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coral_plugin.errors import InputError
from coral_plugin.io.paths import home_expanded

VARIABLE = "MULTIBENCH_ROOT"
CLONE = "git clone https://github.com/pliang279/MultiBench"
TESTED = "49f9be224f342de005b7f001281f33df4301eb22"
# files without which nothing of the bridge works
MARKS = (
    "training_structures/Supervised_Learning.py",
    "unimodals/common_models.py",
    "fusions/common_fusions.py",
    "eval_scripts/performance.py",
)
# what a whole checkout holds besides
FOLDERS = (
    "datasets",
    "eval_scripts",
    "examples",
    "fusions",
    "objective_functions",
    "private_test_scripts",
    "robustness",
    "training_structures",
    "unimodals",
    "utils",
)


@dataclass(frozen=True)
class Checkout:
    """A MultiBench source tree.

    Attributes:
        root: Folder of the tree, absolute.
        found_by: Source of the path: the flag, the variable, or the current directory.
    """

    root: Path
    found_by: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Files and folders of a whole checkout that are missing."""
        files = [name for name in MARKS if not (self.root / name).is_file()]
        return (*files, *(name for name in FOLDERS if not (self.root / name).is_dir()))

    @cached_property
    def packages(self) -> frozenset[str]:
        """Names that can be imported from it: folders with Python files in them, and Python files."""
        folders = {
            path.name
            for path in self.root.iterdir()
            if path.is_dir() and path.name.isidentifier() and next(path.glob("*.py"), None)
        }
        return frozenset(folders | {path.stem for path in self.root.glob("*.py") if path.stem.isidentifier()})

    @cached_property
    def commit(self) -> str | None:
        """Its git commit; None outside a repository, or without git."""
        git = ["git", "-C", str(self.root), "rev-parse", "--show-toplevel", "HEAD"]
        try:
            git_output = subprocess.run(git, capture_output=True, text=True, timeout=10)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = git_output.stdout.split("\n")
        if git_output.returncode or len(lines) < 2 or Path(lines[0]).resolve() != self.root:
            return None  # a folder of another repository has the commit of that one
        return lines[1]

    def describe(self) -> str:
        """One line: folder, commit, and whether this commit was tested."""
        if self.commit is None:
            return f"{self.root} (no git commit; tested with {TESTED[:8]})"
        tested = "the one that was tested" if self.commit == TESTED else f"not tested; {TESTED[:8]} was"
        return f"{self.root} at {self.commit[:8]} ({tested})"


def find_checkout(folder: Path | str | None = None) -> Checkout:
    """The checkout in ``folder``, else in ``MULTIBENCH_ROOT``, else in or above the current directory.

    Raises:
        InputError: there is none, or the path is none; the message says how to get one.
    """
    for place, source in ((folder, "--multibench"), (os.environ.get(VARIABLE), VARIABLE)):
        if place:
            return _checked(Path(home_expanded(str(place))), source)
    directory = Path.cwd()
    for path in (directory, *directory.parents):
        if _is_checkout(path):
            return Checkout(path.resolve(), "the current directory")
    raise InputError(
        f"No MultiBench checkout: neither --multibench nor {VARIABLE} names one, and {directory} lies in none. Get it "
        f"with '{CLONE}' and set {VARIABLE}=MultiBench (coral run: --multibench MultiBench)."
    )


def _checked(path: Path, source: str) -> Checkout:
    if not os.path.isdir(path):  # noqa: PTH112 - False, not an error, for a name that is too long
        raise InputError(f"{source} {path} is no folder. Get MultiBench with '{CLONE}' and name that folder.")
    if not _is_checkout(path):
        missing = next(name for name in MARKS if not (path / name).is_file())
        raise InputError(
            f"{source} {path} is no MultiBench checkout: there is no {missing} in it. Get it with '{CLONE}'."
        )
    return Checkout(path.resolve(), source)


def _is_checkout(path: Path) -> bool:
    return all((path / name).is_file() for name in MARKS)
