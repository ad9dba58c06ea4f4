"""The command ``coral``: parses, calls, prints; exit status 0, 1 (failed) or 2 (the input is wrong)."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module

from coral_plugin.errors import CoralError, InputError

# name -> (module, one line); a command is imported when it is called, so that --help is quick
COMMANDS = {
    "train": ("coral_plugin.cli.train", "train an objective on a data set with one or more seeds, and score it"),
    "evaluate": ("coral_plugin.cli.evaluate", "score the representations of a run with another probe, and draw them"),
    "embed": ("coral_plugin.cli.embed", "write the representations of new data to an .npz file"),
    "list": ("coral_plugin.cli.listing", "list registered objectives, datasets or encoders"),
    "doctor": ("coral_plugin.cli.doctor", "say what is installed, what is missing, and how to get it"),
    "demo": ("coral_plugin.cli.demo", "redundancy, uniqueness and synergy on Trifeature in a few minutes"),
    "ablate": (
        "coral_plugin.cli.ablate",
        "the demo without masking, without orthogonality, and with other mask ratios",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        return _run(arguments)
    except CoralError as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"coral: {_one_line(error)}\n")
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        sys.stderr.write("coral: stopped. The same command with --resume goes on from the last checkpoint.\n")
        return 1
    except BrokenPipeError:
        # whoever read standard output has gone (coral list ... | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"coral: {type(error).__name__}: {_one_line(error)} (--debug shows where)\n")
        return 1


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="coral",
        description="COrAL: multimodal contrastive learning with shared and unique pathways.",
        epilog="coral COMMAND --help explains a command. --debug shows the traceback behind an error.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    lines = "\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items())
    parser.add_argument("command", nargs="?", help="one of the commands below", metavar="COMMAND")
    parser.epilog = f"commands:\n{lines}\n\n{parser.epilog}"
    head, rest = (arguments[:1], arguments[1:]) if arguments and not arguments[0].startswith("-") else (arguments, [])
    parsed = parser.parse_args(head)
    if parsed.version:
        from importlib.metadata import version

        print(f"coral-multibench {version('coral-multibench')}")
        return 0
    if parsed.command is None:
        parser.print_help()
        return 2
    if parsed.command not in COMMANDS:
        from coral_plugin.registry import suggest

        raise suggest(parsed.command, list(COMMANDS), "command")
    command: Callable[[list[str]], int] = import_module(COMMANDS[parsed.command][0]).main
    return command(rest)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
