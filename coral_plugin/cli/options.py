"""Flags, YAML and registered names to the settings of a run."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import io
import re
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from coral_plugin.data.modality import KINDS
from coral_plugin.errors import InputError, short
from coral_plugin.io.yamlfile import parse_yaml, read_yaml
from coral_plugin.runs.checks import check_fields, is_path
from coral_plugin.runs.settings import GROUPS, SEEDS, RunSettings, build, defaults, preset_on, settings_classes

SHORT = {
    "--epochs": "training.epochs",
    "--batch-size": "training.batch_size",
    "--device": "training.device",
    "--precision": "training.precision",
}
_LONGEST = 10_000  # characters of one argument
TRUST = "--trust-pickle"
NAMES = ("objective", "dataset", "preset")
NAME_DEFAULTS = {"objective": "coral", "dataset": "trifeature", "preset": "paper"}


def parse_run(argv: list[str]) -> tuple[RunSettings, argparse.Namespace]:
    """Settings of a run from its flags, and the flags that are no settings (``output``, ``resume``, ``quiet``).

    The names of objective, data set and preset decide which settings there are, so they are read first; then a file
    given with ``--config``; then every other flag.

    Raises:
        InputError: a flag, a value or a file is wrong.
    """
    if long := [item for item in argv if len(item) > _LONGEST]:
        raise InputError(f"{short(long[0])} has {len(long[0])} characters; an argument has at most {_LONGEST}.")
    names, rest = _names(argv)
    file = _file(names.config)
    for name in NAMES:
        if getattr(names, name) is None:
            value = file.get(name, NAME_DEFAULTS[name])
            if not isinstance(value, str):
                raise InputError(f"{name} in {names.config} must be a name, got {short(value)}.")
            setattr(names, name, value)
        elif name == "preset" and file.get(name, names.preset) not in (names.preset, _preset(names)):
            raise InputError(
                f"{names.config} holds every setting of preset {file[name]!r}, which would win over --preset "
                f"{names.preset}; leave one of the two out."
            )
    names.preset = _preset(names)
    classes = settings_classes(names.objective, names.dataset)
    parser = _parser(names, classes)
    standard = defaults(names.objective, names.dataset, names.preset, _used_modalities(rest, file))
    parser.set_defaults(_checked_defaults(standard, names, classes, file))
    if names.help:
        parser.print_help()
        raise SystemExit(0)
    parsed = _parse(parser, _expand(rest))
    if parsed.output is not None and not (parsed.output and is_path(parsed.output)):
        raise InputError(
            f"--output must name a folder, in UTF-8 without control characters, got {short(parsed.output)}."
        )
    return _settings(parsed, standard, names, classes, file), argparse.Namespace(
        output=parsed.output, resume=parsed.resume, quiet=parsed.quiet
    )


def _names(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in (*NAMES, "config"):
        first.add_argument(f"--{name}")
    first.add_argument("--help", "-h", action="store_true")
    try:
        return first.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise InputError(f"{error}.") from error


def _used_modalities(rest: list[str], file: dict[str, Any]) -> list[str] | None:
    """The modalities that are asked for, as far as the defaults depend on them; checked later."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--modalities")
    try:
        text = first.parse_known_args(rest)[0].modalities
    except argparse.ArgumentError:
        return None
    listed = file.get("modalities") if text is None else [name.strip() for name in text.split(",")]
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else None


def _file(path: str | None) -> dict[str, Any]:
    return {} if path is None else read_yaml(path)


def _preset(names: argparse.Namespace) -> str:
    return preset_on(names.objective, names.dataset, names.preset)


def _parser(names: argparse.Namespace, classes: dict[str, type]) -> ArgumentParser:
    parser = ArgumentParser(
        prog="coral train",
        description="Train an objective on a data set, score its representation, and write a run directory.",
        exit_on_error=False,
        allow_abbrev=False,
        default_env=False,
    )
    # read before this parser is made; here for the help
    parser.add_argument("--objective", type=str, default=names.objective, help="registered name of the method")
    parser.add_argument("--dataset", type=str, default=names.dataset, help="registered name of the data set")
    parser.add_argument("--preset", type=str, default=names.preset, help="paper, released, ...: defaults of the method")
    parser.add_argument("--data", type=str | None, default=None, metavar="PATH", help="files of the data set")
    parser.add_argument(
        "--modalities", type=str | None, default=None, metavar="a,b", help="which of them, in this order"
    )
    parser.add_argument(
        "--seeds",
        type=str | None,
        default=None,
        metavar="41,42",
        help=f"one training each, {','.join(map(str, SEEDS))} where neither this nor a file names them",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="short for --training.epochs")
    parser.add_argument("--batch-size", type=int, metavar="N", help="short for --training.batch_size")
    parser.add_argument("--device", type=str, metavar="auto|cpu|cuda", help="short for --training.device")
    parser.add_argument("--precision", type=str, metavar="FORMAT", help="short for --training.precision")
    parser.add_argument(
        "--augmentations", type=str | None, default=None, metavar="drop+noise", help="augmentation of all modalities"
    )
    parser.add_argument(
        "--plain-augmentations",
        type=str | None,
        default=None,
        metavar="none",
        help="what un-augmented branches get: images plain_crop by default, with none the whole image",
    )
    parser.add_argument(
        "--augmentation", type=str, metavar="MODALITY=NAME", help="augmentation of one modality (repeatable)"
    )
    parser.add_argument("--encoder", type=str, metavar="MODALITY=NAME", help="encoder of one modality (repeatable)")
    if any(field.name == "kinds" for field in dataclasses.fields(classes["source"])):
        text = f"what an array is: {', '.join(KINDS)} (repeatable)"
        parser.add_argument("--kind", type=str, metavar="MODALITY=KIND", help=text)
    parser.add_argument("--set", type=str, metavar="KEY=VALUE", help="one setting; without a group, of the method")
    parser.add_argument("--config", type=str, metavar="FILE", help="YAML as in a run's config.yaml; later flags win")
    parser.add_argument(
        "--output", type=str | None, default=None, metavar="DIR", help="run directory (runs/... by default)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument("--quiet", action="store_true", help="nothing on standard error but errors")
    if any(field.name == "trust_pickle" for field in dataclasses.fields(classes["source"])):
        text = "load pickles with Python's own unpickler, which runs the code they hold"
        parser.add_argument(TRUST, action="store_true", help=text)
    for group, cls in classes.items():
        parser.add_class_arguments(cls, group, help=f"{group}: {cls.__name__}")
    return parser


def _checked_defaults(
    standard: dict[str, Any], names: argparse.Namespace, classes: dict[str, type], file: dict[str, Any]
) -> dict[str, Any]:
    known = set(RunSettings.__dataclass_fields__)
    if unknown := [key for key in file if key not in known]:
        from coral_plugin.registry import suggest

        raise suggest(unknown[0], sorted(known), f"setting in {names.config}")
    chosen = {key: value for key, value in standard.items() if key.partition(".")[0] in GROUPS}
    for group in GROUPS:
        values = file.get(group) or {}
        if not isinstance(values, dict):
            raise InputError(f"{group} in {names.config} must be a mapping of settings, got {short(values)}.")
        build_check = {key: value for key, value in values.items() if isinstance(key, str)}
        fields = [field.name for field in dataclasses.fields(classes[group])]
        if bad := [key for key in values if key not in fields]:
            from coral_plugin.registry import suggest

            raise suggest(str(bad[0]), fields, f"{group} setting")
        check_fields(classes[group], build_check, group)
        chosen |= {f"{group}.{key}": value for key, value in build_check.items()}
    return chosen


def _expand(argv: list[str]) -> list[str]:
    """Short flags to long ones, ``--set key=value`` to ``--group.key=value``, repeated pairs to one mapping."""
    out: list[str] = []
    pairs: dict[str, dict[str, str]] = {"--encoder": {}, "--kind": {}, "--augmentation": {}}
    rest = iter(argv)
    for item in rest:
        flag, equals, value = item.partition("=")
        if item == TRUST:
            out.append("--source.trust_pickle=true")
            continue
        if flag not in SHORT and flag not in pairs and flag != "--set":
            out.append(item)
            continue
        if not equals:
            if (following := next(rest, None)) is None:
                raise InputError(f"{flag} needs a value (coral train --help).")
            value = following
        if flag in SHORT:
            out.append(f"--{SHORT[flag]}={value}")
            continue
        key, sign, chosen = value.partition("=")
        if not sign or not key or not chosen:
            wanted = "KEY=VALUE" if flag == "--set" else "MODALITY=NAME"
            raise InputError(f"{flag} needs {wanted}, got {value!r}.")
        if flag == "--set":
            out.append(f"--{key if key.partition('.')[0] in GROUPS else 'method.' + key}={chosen}")
        else:
            pairs[flag][key] = chosen
    for flag, setting in (("--encoder", "network.encoders"), ("--kind", "source.kinds")):
        out += [f"--{setting}.{key}={chosen}" for key, chosen in pairs[flag].items()]
    if pairs["--augmentation"]:
        out += ["--augmentation", yaml.safe_dump(pairs["--augmentation"], default_flow_style=True)]
    return out


def _parse(parser: ArgumentParser, argv: list[str]) -> Any:
    for item in argv:
        if "&" in item and "*" in item:  # what unfolds is repeated in messages
            parse_yaml(item.partition("=")[2] or item, short(item))
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return parser.parse_args(argv)
    except (ArgumentError, argparse.ArgumentError, TypeError, ValueError) as error:
        raise InputError(_readable(str(error), parser)) from error
    except (RecursionError, yaml.YAMLError, AttributeError, LookupError, ArithmeticError) as error:
        # what its YAML loader raises passes through jsonargparse
        raise InputError(f"The flags cannot be read ({type(error).__name__}: {short(str(error))}).") from error


def _readable(text: str, parser: ArgumentParser) -> str:
    """Jsonargparse's report of a wrong flag, without its line breaks and inner names."""
    text = re.sub(r"\s+", " ", text.replace("Parser key", "Setting")).strip()
    if found := re.match(r"(?i)unrecognized arguments: (--[^\s=]+)", text):
        flag = found[1]
        known = re.findall(r"--[a-z][\w.-]*", parser.format_usage())
        close = difflib.get_close_matches(flag, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"Unknown flag {flag!r}.{hint} coral train --help lists them all."
    if found := re.match(r"(?i)unrecognized arguments: (.+)", text):
        return f"Unexpected {found[1]!r}: what follows a flag is one word, a list has commas without blanks (41,42)."
    text = re.sub(r"<class '(\w+)'>", r"value of type \1", text)
    text = re.sub(r"typing\.Literal\[(.*?)\]", r"value out of \1", text)
    text = re.sub(r"Got value:$", "Got nothing", text)
    text = re.sub(r"Exceeds the limit .*", "it has too many digits", text)
    return text if text.endswith((".", "?")) else text + "."


def _settings(
    parsed: Any, standard: dict[str, Any], names: argparse.Namespace, classes: dict[str, type], file: dict[str, Any]
) -> RunSettings:
    plain = parsed.as_dict() if hasattr(parsed, "as_dict") else vars(parsed)
    groups = {group: build(cls, dict(plain.get(group) or {}), group) for group, cls in classes.items()}
    augmentations = parsed.augmentations
    if augmentations is None:
        augmentations = file.get("augmentations") or standard.get("augmentations", {})
    if parsed.augmentation:
        general = augmentations if isinstance(augmentations, dict) else {}
        augmentations = {**general, **yaml.safe_load(parsed.augmentation)}
    plain = parsed.plain_augmentations if parsed.plain_augmentations is not None else file.get("plain_augmentations")
    modalities = parsed.modalities.split(",") if parsed.modalities is not None else file.get("modalities")
    if not isinstance(modalities, list | None) or not all(isinstance(name, str) for name in modalities or ()):
        raise InputError(f"modalities in {names.config} must be a list of names, got {short(modalities)}.")
    return RunSettings(
        objective=names.objective,
        dataset=names.dataset,
        preset=names.preset,
        data=parsed.data if parsed.data is not None else file.get("data"),
        modalities=tuple(name.strip() for name in modalities) if modalities else None,
        seeds=_seeds(parsed.seeds, file.get("seeds")),
        augmentations=augmentations,
        plain_augmentations=plain or standard.get("plain_augmentations", {}),
        **groups,
    )


def _seeds(text: str | None, saved: Any) -> tuple[int, ...]:
    if text is None and saved is None:
        return SEEDS
    values = saved if text is None else text.split(",")
    values = [saved] if type(saved) is int and text is None else values
    if text is None and not (isinstance(values, list) and all(type(value) is int for value in values)):
        raise InputError(f"seeds in the file must be a list of whole numbers, got {short(saved)}.")
    try:
        return tuple(int(value) for value in values)
    except ValueError as error:
        raise InputError(
            f"--seeds needs whole numbers with commas between, such as 41,42,43; got {short(values)}."
        ) from error
