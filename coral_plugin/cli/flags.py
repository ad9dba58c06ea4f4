"""The grammar of flags that all commands share: settings, seeds, pairs of names and values, and errors in one line."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

from coral_plugin.errors import InputError, short

_LONGEST_ARGUMENT = 10_000  # characters
# (name of a method or data set, or ""; "group.key"; value)
Setting = tuple[str, str, Any]


class CommandParser(argparse.ArgumentParser):
    """Raises :class:`InputError` where argparse would print its usage and exit; nothing is abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def flags(self) -> list[str]:
        """Every flag, such as ``--epochs``."""
        return [option for action in self._actions for option in action.option_strings]

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse ``args``.

        Raises:
            InputError: an unknown flag, a value that does not fit, or a word too many.
        """
        words = list(args or ())
        if long := [word for word in words if len(word) > _LONGEST_ARGUMENT]:
            raise InputError(f"{short(long[0])} has {len(long[0])} characters; an argument has at most 10,000.")
        if "--set" in self.flags():
            words = list(_with_set(words))
        arguments, unknown = self.parse_known_args(words, namespace)
        if unknown:
            flag = next((word for word in unknown if word.startswith("-")), None)
            if flag is not None:
                raise unknown_flag(flag, self.flags(), self.prog)
            raise InputError(
                f"Unexpected {short(' '.join(unknown))}: what follows a flag is one word, a list has commas without "
                f"blanks (41,42). {self.prog} --help lists the flags."
            )
        return arguments

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            InputError: always.
        """
        message = re.sub(r"^argument (\S+): expected one argument$", r"\1 needs a value", message)
        raise InputError(f"{message.removeprefix('argument ')} ({self.prog} --help).")


def unknown_flag(flag: str, known: Iterable[str], command: str) -> InputError:
    """The error for a flag that ``command`` does not have, with the closest one that it has."""
    name = flag.partition("=")[0]
    close = difflib.get_close_matches(name[:100], list(known), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return InputError(f"Unknown flag {short(name)}.{hint} {command} --help lists them all.")


def add_settings(parser: CommandParser, *, by_name: bool = False, epochs: bool = True) -> None:
    """Add ``--set`` and the short flags of common settings; :func:`settings_by_name` and the like read them.

    Args:
        parser: Parser of the command.
        by_name: Whether ``--set`` takes ``NAME:KEY=VALUE`` too.
        epochs: Whether ``--epochs`` is one of the short flags.
    """
    names = "; with NAME: for one method or data set" if by_name else ""
    parser.add_argument(
        "--set", action=_Collect, reads=_assignment, metavar="[NAME:]KEY=VALUE" if by_name else "KEY=VALUE",
        help=f"Value of one setting (KEY: group.key, or the name of a setting of the method; repeatable){names}",
    )  # fmt: skip
    if epochs:
        add_setting(parser, "--epochs", "training.epochs", type=positive, metavar="N", help="Number of epochs")
    add_setting(parser, "--batch-size", "training.batch_size", type=positive, metavar="N", help="Samples per step")
    add_setting(parser, "--device", "training.device", choices=("auto", "cpu", "cuda"), help="Device of the training")
    add_setting(parser, "--precision", "training.precision", metavar="FORMAT", help="Number format: bf16-mixed, ...")


def add_setting(parser: CommandParser, flag: str, key: str, **options: Any) -> None:
    """Add a short ``flag`` of the setting ``key``."""
    options["help"] += f"; short for --set {key}=..."
    parser.add_argument(flag, action=_Collect, reads=partial(_fixed, key), **options)


def add_setting_by_modality(parser: CommandParser, flag: str, key: str, **options: Any) -> None:
    """Add ``flag MODALITY=NAME`` of a setting that maps modalities to names."""
    parser.add_argument(flag, action=_Collect, reads=partial(_entry, flag, key), metavar="MODALITY=NAME", **options)


def settings_by_name(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """``{name of a method or data set, or "" for all: {"group.key": value}}``; of flags for one key the last wins."""
    chosen: dict[str, dict[str, Any]] = {"": {}}
    for name, key, value in arguments.settings or ():
        chosen.setdefault(name, {})[key] = value
    return chosen


def settings_of_all(arguments: argparse.Namespace, instead: str) -> dict[str, Any]:
    """``{"group.key": value}`` of a command whose ``--set`` takes no name.

    Raises:
        InputError: there is a name; the message says what to do ``instead``.
    """
    chosen = settings_by_name(arguments)
    if names := [name for name in chosen if name]:
        raise InputError(f"--set takes KEY=VALUE here; {names[0]!r} names a method or data set, and {instead}.")
    return chosen[""]


def setting_key(text: str) -> str:
    """``"group.key"`` of a key that may leave out the group ``method``.

    Raises:
        UnknownNameError: there is no such group.
    """
    from coral_plugin.registry import suggest
    from coral_plugin.runs.settings import BY_MODALITY, GROUPS

    group, dot, _ = text.partition(".")
    without_group = [key for key in BY_MODALITY if "." not in key]
    if group in without_group or (dot and group in GROUPS):
        return text
    if dot:
        raise suggest(group, [*GROUPS, *without_group], "group of settings")
    return f"method.{text}"


def setting_value(text: str, key: str) -> Any:
    """The YAML value of a setting; ``1e-3`` is a number too.

    Raises:
        InputError: the text is no YAML.
    """
    from coral_plugin.io.yamlfile import parse_yaml

    value = parse_yaml(text, f"The value of {short(key)}")
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """``["a=b"]`` to ``{"a": "b"}``.

    Raises:
        InputError: a text without a sign, or a name twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, value = _split_pair(flag, "NAME=VALUE", text)
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


def add_loggers(parser: CommandParser) -> None:
    """Add ``--logger``."""
    from coral_plugin.training.loggers import LIBRARIES

    parser.add_argument(
        "--logger", type=lambda text: tuple(dict.fromkeys(name_list(text))), metavar="NAME,...",
        help=f"Loggers that get each epoch: {', '.join(LIBRARIES)}; tensorboard where it is installed by default",
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


class _Collect(argparse.Action):
    """Appends what a flag sets to ``settings`` of the arguments."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        self.reads: Callable[[Any], Setting] = options.pop("reads")
        del dest
        super().__init__(option_strings, "settings", **options)

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _flag: str | None = None) -> None:
        value = self.const if self.nargs == 0 else values
        namespace.settings = [*(namespace.settings or ()), self.reads(value)]


def _assignment(text: str) -> Setting:
    key, value = _split_pair("--set", "KEY=VALUE", text)
    name, colon, key = key.rpartition(":")
    if (colon and not name) or not key:
        raise InputError(f"--set needs [NAME:]KEY=VALUE, got {short(text)}.")
    key = setting_key(key)
    return name, key, setting_value(value, key)


def _fixed(key: str, value: Any) -> Setting:
    return "", key, value


def _entry(flag: str, key: str, text: str) -> Setting:
    name, value = _split_pair(flag, "MODALITY=NAME", text)
    return "", f"{key}.{name}", value


def _split_pair(flag: str, form: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise InputError(f"{flag} needs {form}, got {short(text)}.")
    return name, value


def _with_set(words: Sequence[str]) -> Iterator[str]:
    """``--group.key value`` and ``--group.key=value`` as ``--set=group.key=value``."""
    from coral_plugin.runs.settings import GROUPS

    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") or "." not in flag or flag[2:].partition(".")[0] not in GROUPS:
            yield word
            continue
        if not equals and (value := next(rest, "")) == "":
            raise InputError(f"{flag} needs a value.")
        yield f"--set={flag[2:]}={value}"
