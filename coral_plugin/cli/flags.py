"""The grammar of flags that all commands share: settings, seeds, pairs of names and values, and errors in one line."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from coral_plugin.errors import InputError, MachineError, short
from coral_plugin.registry import hint

_LONGEST_ARGUMENT = 10_000  # characters
_HELP_WIDTH = 28  # columns of a flag in the help, from which on its text begins a line of its own


class CommandParser(argparse.ArgumentParser):
    """Raises :class:`InputError` where argparse would print its usage and exit; nothing is abbreviated.

    ``--help`` fits on one screen: where there are ``everyday`` flags, it shows these, and ``--help-all`` shows all.

    Args:
        examples: Commands that work as they stand, shown above the flags.
        everyday: Names of the flags that ``--help`` shows, without hyphens, blanks between; all if empty.
        options: Arguments of :class:`argparse.ArgumentParser`; ``--help-all``, if there is one, shows the ``epilog``.

    Attributes:
        rewrite: Function that brings words into the form that the parser knows (:mod:`coral_plugin.cli.settings`).
        more_flags: Function that lists flags which ``rewrite`` knows, for suggestions.
        classes: Dataclass of each group of settings, where one method and one data set are chosen.
        place: Function of a word that stands alone: the words that were meant, or None.
    """

    def __init__(self, *, examples: Sequence[str] = (), everyday: str = "", **options: Any) -> None:
        helps = options.pop("add_help", True)
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_Formatter, **options)
        self.examples, self.everyday = (
            examples,
            ({f"--{name}" for name in (*everyday.split(), "help", "help-all")} if everyday else set()),
        )
        self.rewrite: Callable[[Sequence[str]], Iterable[str]] = iter
        self.more_flags: Callable[[], Iterable[str]] = list
        self.classes: Mapping[str, type] | None = None
        self.place: Callable[[str], list[str] | None] = lambda _: None
        if helps:
            self.add_argument("-h", "--help", action=_Help, help="Show this help")
            every = "Show every flag and setting" if everyday else argparse.SUPPRESS  # --help shows all
            self.add_argument("--help-all", action=_Help, help=every)

    def flags(self) -> list[str]:
        """Every flag, such as ``--epochs``."""
        return [option for action in self._actions for option in action.option_strings]

    def help_text(self, *, everything: bool = False) -> str:
        """The text of ``--help``, or with ``everything`` that of ``--help-all``."""
        few = bool(self.everyday) and not everything
        hidden = [a for a in self._actions if few and a.option_strings and not {*a.option_strings} & self.everyday]
        texts, epilog, description, usage = [a.help for a in hidden], self.epilog, self.description, self.usage
        needed = [a for a in self._actions if a.required or not a.option_strings]
        words = [" ".join([*a.option_strings[:1], str(a.metavar or a.dest)]) for a in needed]
        # a bracket in the usage of argparse would be a list of its flags, over several lines
        self.usage = usage or " ".join([self.prog, *words, "[FLAGS]"])
        examples = "".join(f"\n  {line}" for line in self.examples)
        self.description = f"{textwrap.fill(description or '', 79)}" + (f"\n\nexamples:{examples}" if examples else "")
        if epilog and "\n" not in epilog:
            self.epilog = textwrap.fill(epilog, 79)
        if few:
            self.epilog = f"{self.prog} --help-all shows every flag and setting."
        try:
            for action in hidden:
                action.help = argparse.SUPPRESS
            return self.format_help()
        finally:
            for action, text in zip(hidden, texts, strict=True):
                action.help = text
            self.epilog, self.description, self.usage = epilog, description, usage

    def parse_args(self, args: Sequence[str]) -> Any:  # type: ignore[override]
        """Parse ``args``.

        Raises:
            InputError: an unknown flag, a value that does not fit, or a word too many.
        """
        words = list(args)
        if long := [word for word in words if len(word) > _LONGEST_ARGUMENT]:
            raise InputError(f"{short(long[0])} has {len(long[0])} characters; an argument has at most 10,000.")
        words = list(self.rewrite(words))
        arguments, unknown = self.parse_known_args(words)
        if flag := next((word for word in unknown if word.startswith("-")), None):
            raise unknown_flag(flag, [*self.flags(), *self.more_flags()], self.prog)
        self.refuse_words(unknown, words)
        return arguments

    def refuse_words(self, unknown: Sequence[str], words: Sequence[str]) -> None:
        """Refuse words that stand alone.

        Args:
            unknown: These words.
            words: All words of the command.

        Raises:
            InputError: there is one; the message says what to write.
        """
        if not unknown:
            return
        what, at = f"Unexpected {short(' '.join(unknown))}", words.index(unknown[0])
        before = words[at - 2] if at > 1 else ""
        if any("," in str(action.metavar) and before in action.option_strings for action in self._actions):
            listed = ",".join(word.strip(",") for word in words[at - 1 : at + len(unknown)])
            raise InputError(f"{what}: a list has commas and no blanks, {before} {listed}")
        if self.place(unknown[0]):
            flat = [part for word in words for part in (self.place(word) if word in unknown else None) or [word]]
            raise InputError(f"{what}, which needs a flag: {shlex.join([*self.prog.split(), *flat])}")
        raise InputError(f"{what}: a value stands behind its flag, in one word. {self.prog} --help shows the flags.")

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            InputError: always.
        """
        message = re.sub(r"^argument (\S+): expected one argument$", r"\1 needs a value", message)
        raise InputError(f"{message.removeprefix('argument ')} ({self.prog} --help).")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_HELP_WIDTH)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """One flag and its value; the other names of a flag would take a line."""
        if action.nargs == 0 or not action.option_strings:
            return super()._format_action_invocation(action)
        return f"{action.option_strings[0]} {self._format_args(action, action.dest.upper())}"


class _Help(argparse.Action):
    """``--help`` and ``--help-all``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        del dest
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: Any, _namespace: Any, _values: Any, flag: str | None = None) -> None:
        print(parser.help_text(everything=flag == "--help-all"), end="")
        parser.exit()


def unknown_flag(flag: str, known: Iterable[str], command: str) -> InputError:
    """The error for a flag that ``command`` does not have, with the closest one that it has."""
    name = flag.partition("=")[0]
    return InputError(f"Unknown flag {short(name)}.{hint(name, known)} {command} --help shows the flags.")


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """``["a=b"]`` to ``{"a": "b"}``.

    Raises:
        InputError: a text without a sign, or a name twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, value = split_pair(flag, "NAME=VALUE", text)
        if name in values:
            raise InputError(f"{flag} is given twice for {name}.")
        values[name] = value
    return values


def name_list(text: str) -> list[str]:
    """``"a, b"`` to ``["a", "b"]``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def add_seeds(parser: CommandParser, default: tuple[int, ...] | None, text: str) -> None:
    """Add ``--seeds``."""
    parser.add_argument("--seeds", type=seed_list, default=default, metavar="41,42", help=text)


def add_trifeature_flags(parser: CommandParser, output: str) -> None:
    """Add the flags of what trains on both kinds of Trifeature pairs; ``output`` is the default folder."""
    parser.add_argument("--output", default=output, metavar="DIR", help="Folder of the runs; %(default)s by default")
    add_seeds(parser, (41,), "Seeds, one pair of trainings for each; 41 by default")
    parser.add_argument("--resume", action="store_true", help="Go on with the runs in DIR")
    parser.add_argument(
        "--paper-scale",
        action="store_true",
        help="Run at 224 px with 10,000 pairs and 100 epochs, for which a GPU is needed",
    )


def add_loggers(parser: CommandParser) -> None:
    """Add ``--logger``."""
    parser.add_argument(
        "--logger", type=lambda text: tuple(dict.fromkeys(name_list(text))), metavar="NAME,...",
        help="Loggers that get each epoch: csv, tensorboard, wandb, mlflow; tensorboard by default, if it is installed",
    )  # fmt: skip


def seed_list(text: str) -> tuple[int, ...]:
    """``"41,42"`` to ``(41, 42)``, as :class:`coral_plugin.runs.settings.RunSettings` takes them.

    Raises:
        argparse.ArgumentTypeError: no whole numbers, one twice, or one out of range.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{short(text)} is no list of whole numbers such as 41,42") from error
    if len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise argparse.ArgumentTypeError(f"{short(text)} are not different numbers from 0 on, below {2**32}")
    return seeds


def one_seed(text: str) -> int:
    """A single seed.

    Raises:
        argparse.ArgumentTypeError: it is none, or there are several.
    """
    seed, *more = seed_list(text)
    if more:
        raise argparse.ArgumentTypeError(f"{text} are several; give one")
    return seed


def positive(text: str) -> int:
    """A whole number from 1 to a million.

    Raises:
        argparse.ArgumentTypeError: it is not.
    """
    if not re.fullmatch(r"[1-9]\d{0,6}", text) or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{short(text)} is no whole number from 1 to 1000000")
    return int(text)


def split_pair(flag: str, form: str, text: str) -> tuple[str, str]:
    """``"a=b"`` to ``("a", "b")``.

    Raises:
        InputError: it is not of the ``form`` that ``flag`` takes.
    """
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise InputError(f"{flag} needs {form}, got {short(text)}.")
    return name, value


def check_record(text: str | None, tables: Path | None = None) -> Path | None:
    """The folder of ``--record``, checked before anything is trained; it is not made yet.

    Args:
        text: Value of the flag; None or nothing without it.
        tables: Folder whose content will be copied.

    Raises:
        InputError: a file, or ``tables`` or a folder inside it.
        MachineError: no rights.
    """
    if not text:
        return None
    record, target = Path(text), Path(os.path.realpath(text))
    if tables is not None and target.is_relative_to(os.path.realpath(tables)):
        raise InputError(f"--record {text} is in {tables}, which has the tables already; leave it out or name another.")
    nearest = next(path for path in (target, *target.parents) if path.exists())
    if not nearest.is_dir():
        raise InputError(f"--record {text} cannot be made: {nearest} is a file; name a folder.")
    if not os.access(nearest, os.W_OK):
        raise MachineError(f"--record {text} cannot be written: permission denied; give another place.")
    return record
