"""``coral run``: a script of MultiBench as it is, with the objective that is asked for."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coral_plugin.cli.flags import CommandParser, one_seed, positive, unknown_flag
from coral_plugin.cli.settings import add_settings, settings_of_all
from coral_plugin.errors import InputError
from coral_plugin.multibench.record import SUPERVISED, ScriptRun
from coral_plugin.training.signals import advise

if TYPE_CHECKING:
    from coral_plugin.multibench.checkout import Checkout

_OURS = {"head": "frozen", "preset": ""}
_SWITCHES = ("--resume", "--trust-pickle", "--quiet", "--help", "-h")
_EPILOG = """\
Flags of coral run are its own wherever they stand; everything else behind SCRIPT, and all behind '--', is the script's.
What the script writes (its model, pictures, texts) lands in --output, with run.json beside it, which says what ran.
Relative paths are read from the checkout; an argument with a slash that exists where the command is given stays it."""


def main(argv: list[str]) -> int:
    """Run ``coral run``; returns the exit status."""
    parser = _parser()
    flags = parser.flags()
    ours, rest = split(argv, flags)
    arguments = parser.parse_args(ours)
    from coral_plugin.multibench.checkout import find_checkout
    from coral_plugin.multibench.launch import check_arguments
    from coral_plugin.registry import OBJECTIVES

    OBJECTIVES.get(arguments.objective)
    checkout = find_checkout(arguments.multibench)
    script = _script(arguments.script, checkout)
    check_arguments(script, rest, flags)
    run = _run(arguments, script, rest)
    if run.supervised:
        advise("")  # it has no checkpoint, and its folder is taken
    else:
        more = [] if arguments.output else ["--output", str(run.folder)]
        more += [] if run.resume else ["--resume"]
        advise(f"Go on with: {shlex.join(['coral', 'run', *more, *argv])}")
    from coral_plugin.multibench.session import run_in

    run_in(run, checkout)
    written = sorted(path.name for path in run.folder.iterdir() if not path.name.startswith("."))
    run.say(f"{run.folder}: {', '.join(written)}")
    return 0


def split(argv: Sequence[str], flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our part of a command line and the script's.

    Args:
        argv: Everything behind ``coral run``.
        flags: Ours; all but a few take a value.

    Raises:
        InputError: an unknown flag in front of the script.
    """
    ours: list[str] = []
    theirs: list[str] = []
    script = False
    words = iter(argv)
    for word in words:
        name, equals, _ = word.partition("=")
        if word == "--":
            theirs += words
        elif name in flags:
            ours.append(word)
            if not equals and name not in _SWITCHES:
                ours += [value] if (value := next(words, None)) is not None else []
        elif script:
            theirs.append(word)
        elif word.startswith("-"):
            raise unknown_flag(name, flags, "coral run")
        else:
            ours.append(word)
            script = True
    return ours, theirs


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="coral run",
        usage="coral run SCRIPT [ARGS ...] --objective NAME [flags]",
        description="Run an unmodified training script of MultiBench with an objective in place of its own training.",
        epilog=_EPILOG,
        examples=("coral run examples/affect/affect_late_fusion.py --objective coral --data mosi_raw.pkl",),
        everyday="objective multibench data epochs set seed preset head output resume limit",
    )
    add = parser.add_argument
    add("script", metavar="SCRIPT", help="A file, or its path in the checkout: examples/affect/affect_late_fusion.py")
    add("--objective", required=True, metavar="NAME", help="Method: coral, comm, ...; supervised: MultiBench's own")
    add("--multibench", metavar="DIR", help="MultiBench checkout; else MULTIBENCH_ROOT, else the current directory")
    add("--data", metavar="PATH", help="Path that is read in place of the paths in the script")
    add(
        "--epochs", type=positive, metavar="N", help="Number of epochs of the pre-training, or of MultiBench's training"
    )
    add_settings(parser, only=("--batch-size", "--device", "--precision"))
    add("--seed", type=one_seed, default=41, metavar="S", help="Seed of all random numbers; 41 by default")
    add("--preset", default="", metavar="NAME", help="Preset of the method; its first one by default")
    add(
        "--head", choices=("frozen", "finetuned"), default="frozen",
        help="Training of the task's head: on the frozen representation (default), or together with the encoders",
    )  # fmt: skip
    add("--output", metavar="DIR", help="Folder of the run; runs/... by default")
    add("--resume", action="store_true", help="Go on with the run in --output")
    add("--limit", type=positive, metavar="N", help="Largest number of samples of each loader, for a trial")
    widths = "Affect features of other widths than the script's: fitted to it (default), or left as they are"
    add("--widths", choices=("script", "file"), default="script", help=widths)
    add("--trust-pickle", action="store_true", help="Load data with Python's own unpickler, which runs their code")
    add("--quiet", action="store_true", help="Write nothing of ours but errors to standard error")
    return parser


def _script(name: str, checkout: Checkout) -> Path:
    for path in (Path(name), checkout.root / name):
        if os.path.isfile(path):  # noqa: PTH113 - False, not an error, for a name that is too long
            return Path(os.path.realpath(path))
    raise InputError(f"There is no script {name}, neither here nor in {checkout.root}.")


def _folder(arguments: argparse.Namespace, script: Path) -> Path:
    from coral_plugin.cli.train import fresh_folder
    from coral_plugin.io.paths import is_path

    if arguments.output is None:
        return fresh_folder(arguments.objective, script.stem, None).absolute()
    if not arguments.output or not is_path(arguments.output):
        raise InputError(f"--output must name a folder, got {arguments.output!r}.")
    return Path(arguments.output).absolute()


def _run(arguments: argparse.Namespace, script: Path, rest: Sequence[str]) -> ScriptRun:
    chosen = settings_of_all(arguments, "--objective does that")
    ours = [*chosen, *(f"--{name}" for name, usual in _OURS.items() if getattr(arguments, name) != usual)]
    if arguments.objective == SUPERVISED and ours:
        raise InputError(f"{ours[0]} is a setting of our trainings; --objective supervised is MultiBench's own.")
    if arguments.objective == SUPERVISED and arguments.resume:
        raise InputError("--resume goes on with our trainings; MultiBench's own (supervised) has no checkpoint.")
    if arguments.resume and not arguments.output:
        raise InputError("--resume needs --output: the folder of the run to go on with.")
    if arguments.data is not None and not os.path.exists(arguments.data):  # noqa: PTH110 - False for any text
        raise InputError(f"--data {arguments.data} is not there.")
    return ScriptRun(
        script=script,
        arguments=tuple(rest),
        folder=_folder(arguments, script),
        objective=arguments.objective,
        preset=arguments.preset,
        chosen=chosen,
        data=None if arguments.data is None else Path(arguments.data).absolute(),
        epochs=arguments.epochs,
        seed=arguments.seed,
        head=arguments.head,
        limit=arguments.limit,
        widths=arguments.widths,
        resume=arguments.resume,
        trust_pickle=arguments.trust_pickle,
        quiet=arguments.quiet,
    )
