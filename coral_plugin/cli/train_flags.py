"""The flags of ``coral train``: names of method, data set and preset first, which decide what settings there are."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from coral_plugin.cli.details import defaults_of, list_presets, meanings, option_lines
from coral_plugin.cli.flags import CommandParser, add_loggers, add_seeds, name_list, positive, unknown_flag
from coral_plugin.cli.own_data import OWN_DATA, check_own_data, refuse_file
from coral_plugin.cli.settings import (
    add_setting,
    add_setting_by_modality,
    add_settings,
    keys_by_name,
    settings_of_all,
)
from coral_plugin.errors import InputError, short
from coral_plugin.registry import ALIASES, DATASETS, OBJECTIVES, closest, suggest

if TYPE_CHECKING:
    from coral_plugin.runs.settings import RunSettings

NAME_DEFAULTS = {"objective": "coral", "dataset": "", "preset": ""}
_EXAMPLES = (
    "coral train --dataset digits --epochs 5",
    "coral train --data mine.npz --epochs 20 --lr 1e-3 --output runs/mine",
    "coral train --dataset digits --objective comm --epochs 5 --probe knn",
)
_EVERYDAY = (
    "dataset data objective preset modalities encoder augmentations epochs batch-size lr wd width "
    "temperature set seeds device precision probe output resume quiet"
)


class NoDatasetError(InputError):
    """No data set is named, and no file from which it could be known."""


def parse_run(argv: list[str]) -> tuple[RunSettings, argparse.Namespace]:
    """Settings of a run from its flags, and the flags that are no settings (``output``, ``resume``, ``quiet``).

    The names of objective, data set and preset decide which settings there are, so they are read first; then a file
    given with ``--config``; then every other flag.

    Raises:
        InputError: a flag, a value or a file is wrong.
    """
    names, saved = _names(argv)
    if names.help:
        print(_parser(names, None).help_text(), end="")
        raise SystemExit(0)
    from coral_plugin.io.paths import is_path
    from coral_plugin.runs.settings import make_settings, settings_classes

    parser = _parser(names, settings_classes(names.objective, names.dataset))
    if names.help_all:
        print(parser.help_text(everything=True), end="")
        raise SystemExit(0)
    arguments = parser.parse_args(argv)
    arguments.decision = names.decision
    output = arguments.output
    if output is not None and not (output and is_path(output)):
        raise InputError(f"--output must name a folder, in UTF-8 without control characters, got {short(output)}.")
    chosen = settings_of_all(arguments, "--objective and --dataset do that")
    for name in ("data", "modalities", "seeds"):
        if (value := getattr(arguments, name)) is not None:
            chosen[name] = value
    arguments.new_seeds = "seeds" in {**saved, **chosen}
    return make_settings(names.objective, names.dataset, preset=names.preset, saved=saved, **chosen), arguments


def _names(argv: list[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The names that decide which settings there are, and the settings of the ``--config`` file."""
    parser = CommandParser(prog="coral train", add_help=False)
    for name in (*NAME_DEFAULTS, "config", "data"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--help-all", action="store_true")
    names, rest = parser.parse_known_args(argv)
    if names.help:
        return names, {}
    if names.dataset is None is names.config and argv and not argv[0].startswith("-"):
        _parser(names, None).refuse_words([*itertools.takewhile(lambda word: not word.startswith("-"), argv)], argv)
    from coral_plugin.io.yamlfile import read_yaml

    file = {} if names.config is None else read_yaml(names.config)
    saved_preset = file.get("preset")
    for name, default in NAME_DEFAULTS.items():
        saved = file.pop(name, None)
        if getattr(names, name) is None:
            if not isinstance(saved, str | None):
                raise InputError(f"{name} in {names.config} must be a name, got {short(saved)}.")
            setattr(names, name, default if saved is None else saved)
    names.decision = ""
    if not names.dataset and (names.data or file.get("data")):
        path = names.data or file.get("data")
        check_own_data(path, name_it="--dataset NAME")
        names.dataset, names.decision = OWN_DATA, f"{path}: read as your own arrays (--dataset {OWN_DATA})"
    elif not names.dataset and names.help_all:
        names.dataset = OWN_DATA
    elif not names.dataset:
        if names.objective not in OBJECTIVES.names():
            raise suggest(names.objective, OBJECTIVES.names(), OBJECTIVES.kind)
        if flag := next((word for word in rest if re.match("-[a-z]", word)), None):  # -data file.npz
            raise unknown_flag(flag, _parser(names, None).flags(), "coral train")
        kind = NoDatasetError if names.config is None else InputError
        raise kind(f"{names.config or 'coral train'} names no data set; add --dataset NAME or --data FILE.npz.")
    if not names.data:
        refuse_file(names.dataset)
    from coral_plugin.runs.settings import preset_on

    preset = preset_on(names.objective, names.dataset, names.preset)
    if saved_preset not in (None, names.preset, preset):
        raise InputError(
            f"{names.config} holds every setting of preset {short(saved_preset)}, which would win over --preset "
            f"{names.preset}; leave one of the two out."
        )
    names.preset = preset
    return names, _flat(file, names.config)


def _flat(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    """``{"group.key": value}`` of a file in the form of ``config.yaml``, where ``group.key`` may be one key too."""
    from coral_plugin.runs.settings import GROUPS, RunSettings

    known = RunSettings.__dataclass_fields__
    settings: dict[str, Any] = {}
    for key, value in file.items():
        if key.partition(".")[0] in GROUPS and "." in key:
            settings[key] = value
            continue
        if key not in known:
            if full := keys_by_name().get(ALIASES.get(key, key)):
                raise InputError(f"Unknown setting in {path} {short(key)}. Did you mean {full!r}?")
            raise suggest(key, sorted(known), f"setting in {path}")
        if key not in GROUPS:
            settings[key] = value
        elif not isinstance(value, dict):
            raise InputError(f"{key} in {path} must be a mapping of settings, got {short(value)}.")
        else:
            settings |= {f"{key}.{name}": entry for name, entry in value.items()}
    return settings


def _parser(names: argparse.Namespace, classes: Mapping[str, type] | None) -> CommandParser:
    """The parser for these names; without the ``classes`` of their settings, which load torch, it is for ``--help``."""
    parser = CommandParser(
        prog="coral train",
        usage="coral train [--dataset NAME] [--data PATH] [FLAGS]",
        description="Train a method on a data set, score what it has learned, and write a folder of the run.",
        examples=_EXAMPLES,
        everyday=_EVERYDAY,
    )
    parser.classes, parser.place = classes, _place
    add = parser.add_argument
    # read before this parser is made; here for the help
    add("--dataset", metavar="NAME", help="Data set (coral list datasets)")
    add("--data", metavar="PATH", help="Its files; your own .npz needs no --dataset")
    add("--objective", metavar="NAME", help="Method (coral list objectives); coral by default")
    add("--preset", metavar="NAME", help=_presets(names, classes))
    add("--config", metavar="FILE", help="YAML file such as config.yaml of a run; flags win over it")
    add(
        "--modalities",
        type=lambda text: tuple(name_list(text)),
        metavar="A,B",
        help="Modalities to use, in this order; all by default",
    )
    add_setting_by_modality(parser, "--encoder", "network.encoders", help="Encoder (coral list encoders; repeatable)")
    add_setting(
        parser,
        "--augmentations",
        key="augmentations",
        type=str,
        metavar="A+B",
        help="Augmentations (coral list augmentations)",
    )
    add_setting_by_modality(parser, "--augmentation", "augmentations", help="Those of one modality (repeatable)")
    add_setting(
        parser, "--plain-augmentations", key="plain_augmentations", type=str, metavar="none",
        help="Augmentation of un-augmented branches: for images plain_crop by default, the whole image with none",
    )  # fmt: skip
    add_settings(parser)
    if classes is None or "temperature" in {field.name for field in dataclasses.fields(classes["method"])}:
        add_setting(parser, "--temperature", key="method.temperature", metavar="X", help="Divisor of the similarities")
    add_setting(parser, "--probe", key="probe.kind", metavar="KIND", help="linear, knn, ridge or reference")
    add_seeds(parser, None, "Seeds, one training for each; 41 by default")
    add("--workers", type=positive, metavar="N", help="Seeds trained at a time; by default the faster way is measured")
    source = [field.name for field in dataclasses.fields(classes["source"])] if classes else []
    if "kinds" in source:
        from coral_plugin.data.modality import KINDS

        text = f"Kind of one modality: {', '.join(KINDS)} (repeatable)"
        add_setting_by_modality(parser, "--kind", "source.kinds", help=text)
    if "trust_pickle" in source:
        text = "Load pickles with Python's own unpickler, which runs the code in them"
        add_setting(parser, "--trust-pickle", key="source.trust_pickle", nargs=0, const=True, help=text)
    add("--output", metavar="DIR", help="Folder of the run; runs/... by default")
    add_loggers(parser)
    add("--resume", action="store_true", help="Go on with the run in --output")
    add("--quiet", action="store_true", help="Write nothing but errors to standard error")
    if classes:
        from coral_plugin.runs.settings import defaults

        parser.epilog = "\n".join(setting_lines(classes, defaults(names.objective, names.dataset, names.preset)))
    return parser


def _presets(names: argparse.Namespace, classes: Mapping[str, type] | None) -> str:
    if classes is None:
        return "Settings of a paper (coral list presets OBJECTIVE)"
    return f"Preset of {names.objective}: {list_presets(OBJECTIVES.get(names.objective).presets)}"


def _place(word: str) -> list[str] | None:
    """The flag that a word lacks: a name's, or that of a file."""
    names = {**dict.fromkeys(OBJECTIVES.names(), "--objective"), **dict.fromkeys(DATASETS.names(), "--dataset")}
    if word not in names and (word.endswith(".npz") or os.path.exists(word)):  # noqa: PTH110 - False for no path
        return ["--data", word]
    name = closest(word, names)
    return None if name is None else [names[name], name]


def setting_lines(classes: Mapping[str, type], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Help on each setting, from the docstrings of the settings classes, with its default for these names."""
    yield "settings: --set KEY=VALUE or --KEY VALUE, where the part behind the dot is enough (--mask-ratio 0.5):"
    for group, cls in classes.items():
        options = {k: defaults.get(f"{group}.{k}", value) for k, value in defaults_of(cls).items()}
        yield from option_lines(options, meanings(cls), f"{group}.")
