"""The command ``coral``: parses, calls, prints; exit status 0, 1 (failed), 2 (wrong input), 130 or 143 (stopped)."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from shlex import join

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import CoralError, InputError, MachineError
from coral_plugin.io.paths import home_expanded
from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, OURS
from coral_plugin.training.signals import Command, Interrupted, stoppable

# name -> (module, one line); a command is imported when it is called, so that --help is quick
COMMANDS = {
    "train": ("coral_plugin.cli.train", "train an objective on a data set with one or more seeds, and score it"),
    "evaluate": ("coral_plugin.cli.evaluate", "score the representations of a run with another probe, and draw them"),
    "embed": ("coral_plugin.cli.embed", "write the representations of new data to an .npz file"),
    "finetune": ("coral_plugin.cli.finetune", "train a finished run further with labels, and score it again"),
    "data": (
        "coral_plugin.cli.data",
        "check a file (data check PATH): its kind, its content, and whether it can be trained on",
    ),
    "list": (
        "coral_plugin.cli.listing",
        "list methods, data sets, encoders, augmentations and presets, and their options",
    ),
    "doctor": ("coral_plugin.cli.doctor", "show what is installed, what is missing, and how to get it"),
    "run": ("coral_plugin.cli.run", "run an unmodified script of MultiBench with an objective of ours"),
    "demo": ("coral_plugin.cli.demo", "measure redundancy, uniqueness and synergy on Trifeature in a few minutes"),
    "ablate": (
        "coral_plugin.cli.ablate",
        "run the demo without masking, without orthogonality, and with other mask ratios",
    ),
    "bench": ("coral_plugin.cli.bench", "compare methods on data sets over seeds: one table with costs and tests"),
    "report": ("coral_plugin.cli.report", "write an HTML page about a run or a bench, to read and to send"),
    "reproduce": ("coral_plugin.cli.reproduce", "run a table or figure of the papers, its numbers beside ours"),
    "redraw": ("coral_plugin.cli.redraw", "draw pictures, tables and report of a folder anew, without training"),
}


_LONGEST = 1200  # characters of a line of error
_GRIDS = ("bench", "reproduce")
_RESUMABLE = ("finetune", "demo", "ablate")  # whatever their flags are; train, with an --output


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        _let_threads_sleep()
    ours = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is a script's
    debug = "--debug" in arguments[:ours]
    arguments = [home_expanded(a) for at, a in enumerate(arguments) if a != "--debug" or at > ours]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows still shows the numbers
    advice = _advice(arguments)
    command = Command(advice)
    try:  # around the block, too: a signal may come while it is entered
        with stoppable(advice) as command:
            try:
                return _answer(arguments, debug=debug)
            except KeyboardInterrupt as stopped:
                return _stopped(stopped, command, leave=argv is None)
    except KeyboardInterrupt as stopped:
        return _stopped(stopped, command, leave=argv is None)


def _let_threads_sleep() -> None:
    """Have the threads of this process, and of those that it starts, sleep while they wait for each other.

    They spin by default, which takes the cores from whatever else runs: on two busy cores a training of digits took
    21.5 and 15.2 s of the processor, and with this 8.8 and 8.4 s. Results are the same to the last bit.
    The OpenMP library reads the variable when torch is imported; no command has been, yet.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _stopped(stopped: KeyboardInterrupt, command: Command, *, leave: bool) -> int:
    """Report a stopped command and return its exit status; a process of ours ends here."""
    interrupt = stopped if isinstance(stopped, Interrupted) else Interrupted()
    status = command.report(interrupt.number, interrupt.place)
    if leave:
        _leave(status)
    return status


def _answer(arguments: list[str], *, debug: bool) -> int:
    """Run a command, report its errors, and return its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            _flush()
    except CoralError as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"coral: {_printable(error)}\n")
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        # whoever read standard output has gone (coral list ... | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last resort: what should have been answered where it went wrong
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"coral: {type(error).__name__}: {_printable(error)} ({_place(error)}--debug shows where)\n")
        return 1


def _place(error: Exception) -> str:
    """File and line of the plugin whose code raised an error, or led to it; empty where none did."""
    plugins = {
        entry.target.partition(":")[0].partition(".")[0]
        for registry in (OBJECTIVES, DATASETS, AUGMENTATIONS, ENCODERS)
        for entry in registry.entries()
        if entry.distribution != OURS
    }
    for frame, line in reversed([*traceback.walk_tb(error.__traceback__)]):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in plugins:
            return f"in {frame.f_code.co_filename}, line {line}; "
    return ""


def _advice(arguments: list[str]) -> str:
    """What to do after a signal, until the command itself advises something."""
    name = arguments[0] if arguments else ""
    if name in _GRIDS:
        return "The same command goes on: finished runs are kept."
    named = any(word.partition("=")[0] == "--output" for word in arguments)
    if name in _RESUMABLE or (name == "train" and named):  # --resume also starts a run that is not there yet
        more = [] if "--resume" in arguments else ["--resume"]
        return f"Go on with: {join(['coral', *arguments, *more])}"
    return f"Call it again with: {join(['coral', *arguments])}"


def _run(arguments: list[str]) -> int:
    parser = CommandParser(
        prog="coral",
        description="COrAL: multimodal contrastive learning with shared and unique pathways.",
        usage="coral COMMAND [FLAGS]",
        examples=("coral train --dataset digits --epochs 5", "coral list objectives", "coral data check mine.npz"),
        epilog="coral COMMAND --help explains a command. --debug shows the traceback behind an error.",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    lines = "\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items())
    parser.add_argument("command", nargs="?", help="one of the commands below", metavar="COMMAND")
    parser.epilog = f"commands:\n{lines}\n\n{parser.epilog}"
    head, rest = (arguments[:1], arguments[1:]) if arguments and not arguments[0].startswith("-") else (arguments, [])
    parsed = parser.parse_args(head)
    if parsed.version:
        from coral_plugin import __version__

        print(f"coral-multibench {__version__}")
        return 0
    if parsed.command is None:
        parser.print_help()
        return 2
    if parsed.command not in COMMANDS:
        from coral_plugin.registry import suggest

        raise suggest(parsed.command, list(COMMANDS), "command")
    command: Callable[[list[str]], int] = import_module(COMMANDS[parsed.command][0]).main
    return command(rest)


def _leave(status: int) -> None:
    """End the process of a command that was stopped: to take torch down takes another second of the processor."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _flush() -> None:
    """Write out what was printed here, where a failure can still be reported in one line."""
    if sys.stdout is None:  # closed by whoever called
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try again at its end, and complain in lines of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MachineError(f"Standard output cannot be written: {error.strerror}.") from error


def _printable(error: BaseException) -> str:
    """All of ``error`` in one line of bounded length, in which names from files cannot command a terminal."""
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


if __name__ == "__main__":
    sys.exit(main())
