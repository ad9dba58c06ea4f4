"""The grammar of settings on the command line, the same for every command: ``--set KEY=VALUE`` and its short forms."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from coral_plugin.cli.flags import CommandParser, positive, split_pair
from coral_plugin.errors import InputError, UnknownNameError, short
from coral_plugin.registry import ALIASES, DATASETS, OBJECTIVES, Registry, closest

# (name of a method or data set, or ""; "group.key"; value)
Setting = tuple[str, str, Any]
# words that are read as the value of a switch where they stand behind it; 0 and 1 are refused as values
_VALUES_OF_SWITCHES = {"true", "false", "yes", "no", "on", "off", "0", "1"}
# flags of --help: options of the parser beside the setting; what has no type is read as YAML
_SHORT: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {
    ("--epochs",): (
        "training.epochs",
        {"type": positive, "metavar": "N", "help": "Passes over the training samples"},
    ),
    ("--batch-size",): ("training.batch_size", {"type": positive, "metavar": "N", "help": "Samples per step"}),
    ("--lr", "--learning-rate"): ("training.learning_rate", {"metavar": "X", "help": "Learning rate"}),
    ("--wd", "--weight-decay"): ("training.weight_decay", {"metavar": "X", "help": "Weight decay"}),
    ("--width",): ("network.width", {"metavar": "N", "help": "Width of the networks; 0 chooses by the data"}),
    ("--device",): (
        "training.device",
        {"choices": ("auto", "cpu", "cuda"), "metavar": "NAME", "help": "Device: auto, cpu or cuda"},
    ),
    ("--precision",): (
        "training.precision",
        {"type": str, "metavar": "FORMAT", "help": "Number format: 32-true, bf16-mixed, 16-mixed, 64-true"},
    ),
}


def add_settings(parser: CommandParser, *, by_name: bool = False, only: Collection[str] = ()) -> None:
    """Add ``--set``, the short flags of common settings, and the name of every setting as a flag.

    :func:`settings_by_name` and the like read them.

    Args:
        parser: Parser of the command.
        by_name: Whether ``--set`` takes ``NAME:KEY=VALUE`` too.
        only: Short flags that are added, where a command does not have them all; settings are no flags then.
    """
    names = "; with NAME: for one method or data set" if by_name else ""
    parser.add_argument(
        "--set", action=_Collect, reads=_assignment, metavar="[NAME:]KEY=VALUE" if by_name else "KEY=VALUE",
        help=f"Any other setting (repeatable){names}",
    )  # fmt: skip
    for flags, (key, options) in _SHORT.items():
        if not only or flags[0] in only:
            add_setting(parser, *flags, key=key, **options)
    if not only:
        parser.rewrite, parser.more_flags = partial(_as_assignments, parser), partial(_flags_of_settings, parser)


def add_setting(parser: Any, *flags: str, key: str, **options: Any) -> None:
    """Add short ``flags`` of the setting ``key``; a value is read as YAML where the options have no type."""
    if not {"type", "choices", "nargs"} & {*options}:
        options["type"] = partial(_yaml, key)
    parser.add_argument(*flags, action=_Collect, reads=partial(_fixed, key), **options)


def add_setting_by_modality(parser: Any, flag: str, key: str, **options: Any) -> None:
    """Add ``flag MODALITY=NAME`` of a setting that maps modalities to names."""
    parser.add_argument(flag, action=_Collect, reads=partial(_entry, flag, key), metavar="MODALITY=NAME", **options)


def settings_by_name(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """``{name of a method or data set, or "" for all: {"group.key": value}}``; a key given twice has the last value."""
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


def keys_by_name(classes: Mapping[str, type] | None = None) -> dict[str, str]:
    """``{"temperature": "method.temperature"}``: every setting by its name, which alone is enough.

    Where two groups have a setting of one name, it stands for the first of network, training, probe, method, source.

    Args:
        classes: Dataclass of each group; by default those of every registered method, and none of a data set.
    """
    from coral_plugin.runs.settings import SHARED_CLASSES, WITHOUT_GROUP

    of_methods = [classes["method"]] if classes else _settings_of(OBJECTIVES)
    groups = [*SHARED_CLASSES.items(), *(("method", cls) for cls in of_methods)]
    groups += [("source", classes["source"])] if classes else []
    names = {name: name for name in WITHOUT_GROUP}
    for group, cls in groups:
        for field in dataclasses.fields(cls):
            names.setdefault(field.name, f"{group}.{field.name}")
    return names


def _settings_of(registry: Registry) -> list[type]:
    """The settings classes of every method or data set that imports."""
    return [registry.get(name).Settings for name in registry.names() if registry.fault(name) is None]


def setting_key(text: str, classes: Mapping[str, type] | None = None) -> str:
    """``"group.key"`` of a key that may leave out its group.

    Args:
        text: Key as it was given: ``learning_rate``, ``lr``, ``training.learning_rate``.
        classes: Dataclass of each group, where one method and one data set are chosen.

    Raises:
        UnknownNameError: there is no such setting; the message has the closest one of all groups.
    """
    from coral_plugin.runs.settings import GROUPS, SHARED_CLASSES, WITHOUT_GROUP

    group, dot, name = text.partition(".")
    if group in WITHOUT_GROUP:
        return text
    fields = _fields(cls) if (cls := (classes or SHARED_CLASSES).get(group)) else None
    if dot and group in GROUPS and (fields is None or name.partition(".")[0] in fields):
        return text
    names, plain = keys_by_name(classes), _plain(name if dot else group)
    if plain in names and not dot:
        return names[plain]
    if not (dot or classes) and any(plain in _fields(cls) for cls in _settings_of(DATASETS)):
        return f"source.{plain}"
    # the same name in another group comes first, then a similar one in this group, then one in any
    key = names.get(plain) or names.get(closest(plain, fields or ()) or closest(plain, names) or "")
    close = "" if key is None else f" Did you mean {key if dot else key.rpartition('.')[2]!r}?"
    what = f"setting {short(text)}" if group in GROUPS or not dot else f"group of settings {short(group)}"
    raise UnknownNameError(f"Unknown {what}.{close} coral train --help-all lists all settings.")


def _plain(name: str) -> str:
    """The name of a setting, written as a flag or short."""
    name = name.replace("-", "_")
    return ALIASES.get(name, name)


def _fields(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def setting_value(text: str, key: str, classes: Mapping[str, type] | None = None) -> Any:
    """The YAML value of a setting; of one that is a text, or a list of texts, the text: ``ON`` and ``7203`` are names.

    Args:
        text: Value as it was given.
        key: ``"group.key"``.
        classes: Dataclass of each group, where one method and one data set are chosen.

    Raises:
        InputError: the text is no YAML.
    """
    from coral_plugin.io.yamlfile import parse_yaml

    texts = _is_text(key, classes)
    value = parse_yaml(text, f"The value of {short(key)}", as_texts=texts)
    return text.strip() if texts and not isinstance(value, str) else value


def _is_text(key: str, classes: Mapping[str, type] | None) -> bool:
    """Whether a setting is a text or a list of texts, in every method or data set that has it where none is chosen."""
    hints = [typing.get_type_hints(cls)[name] for cls, name in _owners(key, classes)]
    return bool(hints) and all(map(_takes_texts, hints))


def _owners(key: str, classes: Mapping[str, type] | None) -> list[tuple[type, str]]:
    """``(settings class, field)`` of a ``group.key``; every method or data set that has it where none is chosen."""
    from coral_plugin.runs.settings import SHARED_CLASSES

    group, _, name = key.partition(".")
    known = classes or SHARED_CLASSES
    registry = {"method": OBJECTIVES, "source": DATASETS}.get(group)
    candidates = [known[group]] if group in known else _settings_of(registry) if registry else []
    return [(cls, name) for cls in candidates if name in _fields(cls)]


def _takes_texts(hint: Any) -> bool:
    """Whether a field of this type is a text, one of several texts, or a list of texts."""
    if typing.get_origin(hint) is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(hint))
    return hint is str or (typing.get_origin(hint) is tuple and str in typing.get_args(hint))


class _Collect(argparse.Action):
    """Appends what a flag sets to ``settings`` of the arguments."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        self.reads: Callable[..., Setting] = options.pop("reads")
        del dest
        super().__init__(option_strings, "settings", **options)

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, _flag: str | None = None) -> None:
        value = self.const if self.nargs == 0 else values
        namespace.settings = [*(namespace.settings or ()), self.reads(value, getattr(parser, "classes", None))]


def _yaml(key: str, text: str) -> Any:
    return setting_value(text, key)


def _assignment(text: str, classes: Mapping[str, type] | None) -> Setting:
    key, value = split_pair("--set", "KEY=VALUE", text)
    name, colon, key = key.rpartition(":")
    if (colon and not name) or not key:
        raise InputError(f"--set needs [NAME:]KEY=VALUE, got {short(text)}.")
    key = setting_key(_with_group_of(name, key), classes)
    return name, key, setting_value(value, key, classes)


def _with_group_of(name: str, key: str) -> str:
    """``key`` with its group where the method or data set of this name has it, which comes before any other group."""
    for group, registry in (("method", OBJECTIVES), ("source", DATASETS)):
        if (
            name in registry.names()
            and registry.fault(name) is None
            and _plain(key) in _fields(registry.get(name).Settings)
        ):
            return f"{group}.{_plain(key)}"
    return key


def _fixed(key: str, value: Any, _classes: Any) -> Setting:
    return "", key, value


def _entry(flag: str, key: str, text: str, _classes: Any) -> Setting:
    name, value = split_pair(flag, "MODALITY=NAME", text)
    return "", f"{key}.{name}", value


def _as_assignments(parser: CommandParser, words: Sequence[str]) -> Iterator[str]:
    """``--group.key value``, ``--key value`` and the same with ``=`` as ``--set=group.key=value``."""
    flags, rest = parser.flags(), list(words)
    while rest:
        flag, equals, value = (word := rest.pop(0)).partition("=")
        if not flag.startswith("--") or flag in ("--", *flags):
            yield word
        elif (hyphened := flag.replace("_", "-")) in flags:
            yield hyphened + equals + value
        elif (key := _key_of(flag[2:], parser.classes)) is None:
            yield word
        else:
            if not equals:
                after = rest[0] if rest and not rest[0].startswith("--") else ""
                alone = _is_switch(key, parser.classes) and after.casefold() not in _VALUES_OF_SWITCHES
                value = "true" if alone else after and rest.pop(0)
            if not value:
                raise InputError(f"{flag} needs a value.")
            yield f"--set={key}={value}"


def _key_of(name: str, classes: Mapping[str, type] | None) -> str | None:
    return setting_key(name, classes) if "." in name else keys_by_name(classes).get(_plain(name))


def _is_switch(key: str, classes: Mapping[str, type] | None) -> bool:
    """Whether a setting is true or false, so that its name alone switches it on."""
    defaults = [cls.__dataclass_fields__[name].default for cls, name in _owners(key, classes)]  # type: ignore[attr-defined]
    return bool(defaults) and all(isinstance(default, bool) for default in defaults)


def _flags_of_settings(parser: CommandParser) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in (*ALIASES, *keys_by_name(parser.classes))]
