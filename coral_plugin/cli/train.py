"""``coral train``: train, score, draw, and leave a run directory."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_plugin.cli.flags import (
    CommandParser,
    add_loggers,
    add_seeds,
    add_setting,
    add_setting_by_modality,
    add_settings,
    settings_of_all,
)
from coral_plugin.cli.listing import list_presets
from coral_plugin.errors import InputError, short
from coral_plugin.training.signals import advise

if TYPE_CHECKING:
    from coral_plugin.runs.settings import RunSettings

NAME_DEFAULTS = {"objective": "coral", "dataset": "trifeature", "preset": ""}


def main(argv: list[str]) -> int:
    """Run ``coral train``; returns the exit status."""
    settings, arguments = parse_run(argv)
    if arguments.resume and not arguments.output:
        raise InputError("--resume needs --output: the folder of the run to go on with.")
    output = arguments.output
    folder = Path(output) if output else fresh_folder(settings.objective, settings.dataset, settings.data)
    command = ["coral", "train", *argv, *([] if output else ["--output", str(folder)])]
    command += [] if arguments.resume else ["--resume"]
    advise(f"Go on with: {shlex.join(command)}")
    return _train(settings, folder, arguments)


def _train(settings: RunSettings, folder: Path, arguments: argparse.Namespace) -> int:
    from coral_plugin.evaluation.tables.run import also_table, score_table
    from coral_plugin.runs.run import draw_run, run

    finished = run(settings, folder=folder, resume=arguments.resume, quiet=arguments.quiet, loggers=arguments.logger)
    if finished.metrics["tasks"]:
        print(score_table(finished.metrics).text())
        print()
        print(also_table(finished.metrics).text())
    else:
        print("no labels with a test split: nothing was scored")
    pictures = draw_run(finished)
    print(end="", flush=True)
    if not arguments.quiet:
        # a method that does not train leaves no log of it
        log = "metrics.csv, " if any(finished.histories.values()) else ""
        sys.stderr.write(f"{folder}: config.yaml, metrics.json, {log}weights by seed, {len(pictures)} pictures\n")
    return 0


def fresh_folder(objective: str, dataset: str, data: str | None) -> Path:
    """``runs/<objective>-<data>``, with a number behind it where that is taken."""
    name = Path(data).stem if data else dataset
    base = Path("runs") / f"{objective}-{name}"
    folder, count = base, 1
    while folder.exists():
        count += 1
        folder = base.with_name(f"{base.name}-{count}")
    return folder


def parse_run(argv: list[str]) -> tuple[RunSettings, argparse.Namespace]:
    """Settings of a run from its flags, and the flags that are no settings (``output``, ``resume``, ``quiet``).

    The names of objective, data set and preset decide which settings there are, so they are read first; then a file
    given with ``--config``; then every other flag.

    Raises:
        InputError: a flag, a value or a file is wrong.
    """
    from coral_plugin.runs.checks import is_path
    from coral_plugin.runs.settings import make_settings, settings_classes

    names, rest, saved = _names(argv)
    parser = _parser(names, settings_classes(names.objective, names.dataset))
    if names.help:
        parser.print_help()
        raise SystemExit(0)
    arguments = parser.parse_args(rest)
    output = arguments.output
    if output is not None and not (output and is_path(output)):
        raise InputError(f"--output must name a folder, in UTF-8 without control characters, got {short(output)}.")
    chosen = settings_of_all(arguments, "--objective and --dataset do that")
    for name in ("data", "modalities", "seeds"):
        if (value := getattr(arguments, name)) is not None:
            chosen[name] = value
    return make_settings(names.objective, names.dataset, preset=names.preset, saved=saved, **chosen), arguments


def _names(argv: list[str]) -> tuple[argparse.Namespace, list[str], dict[str, Any]]:
    """The names that decide which settings there are, the other flags, and the settings of the ``--config`` file."""
    from coral_plugin.io.yamlfile import read_yaml
    from coral_plugin.runs.settings import preset_on

    parser = CommandParser(prog="coral train", add_help=False)
    for name in (*NAME_DEFAULTS, "config"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--help", "-h", action="store_true")
    names, rest = parser.parse_known_args(argv)
    file = {} if names.config is None else read_yaml(names.config)
    saved_preset = file.get("preset")
    for name, default in NAME_DEFAULTS.items():
        saved = file.pop(name, None)
        if getattr(names, name) is None:
            if not isinstance(saved, str | None):
                raise InputError(f"{name} in {names.config} must be a name, got {short(saved)}.")
            setattr(names, name, default if saved is None else saved)
    preset = preset_on(names.objective, names.dataset, names.preset)
    if saved_preset not in (None, names.preset, preset):
        raise InputError(
            f"{names.config} holds every setting of preset {short(saved_preset)}, which would win over --preset "
            f"{names.preset}; leave one of the two out."
        )
    names.preset = preset
    return names, rest, _flat(file, names.config)


def _flat(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    """``{"group.key": value}`` of a file in the form of ``config.yaml``."""
    from coral_plugin.registry import suggest
    from coral_plugin.runs.settings import GROUPS, RunSettings

    known = RunSettings.__dataclass_fields__
    settings: dict[str, Any] = {}
    for key, value in file.items():
        if key not in known:
            raise suggest(key, sorted(known), f"setting in {path}")
        if key not in GROUPS:
            settings[key] = value
        elif not isinstance(value, dict):
            raise InputError(f"{key} in {path} must be a mapping of settings, got {short(value)}.")
        else:
            settings |= {f"{key}.{name}": entry for name, entry in value.items()}
    return settings


def _parser(names: argparse.Namespace, classes: Mapping[str, type]) -> CommandParser:
    from coral_plugin.data.modality import KINDS
    from coral_plugin.registry import OBJECTIVES
    from coral_plugin.runs.settings import DEFAULT_SEEDS, defaults

    parser = CommandParser(
        prog="coral train",
        description="Train an objective on a data set, score its representation, and write a run directory.",
        epilog="\n".join(_setting_lines(classes, defaults(names.objective, names.dataset, names.preset))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    # read before this parser is made; here for the help
    add("--objective", metavar="NAME", help=f"Registered name of the method ({names.objective})")
    add("--dataset", metavar="NAME", help=f"Registered name of the data set ({names.dataset})")
    presets = list_presets(OBJECTIVES.get(names.objective).presets)
    add("--preset", metavar="NAME", help=f"Preset of {names.objective}: {presets}")
    add("--config", metavar="FILE", help="YAML file such as config.yaml of a run; flags win over it")
    add("--data", metavar="PATH", help="Files of the data set")
    add("--modalities", type=_modalities, metavar="A,B", help="Modalities that are used, in this order; all by default")
    seeds = ",".join(map(str, DEFAULT_SEEDS))
    add_seeds(parser, None, f"Seeds, one training for each; {seeds} where neither this nor a file names them")
    add_settings(parser)
    add_setting(parser, "--augmentations", "augmentations", metavar="drop+noise", help="Augmentation of all modalities")
    add_setting(
        parser, "--plain-augmentations", "plain_augmentations", metavar="none",
        help="Augmentation of un-augmented branches: for images plain_crop by default, the whole image with none",
    )  # fmt: skip
    add_setting_by_modality(parser, "--augmentation", "augmentations", help="Augmentation of one modality (repeatable)")
    add_setting_by_modality(parser, "--encoder", "network.encoders", help="Encoder of one modality (repeatable)")
    source = [field.name for field in dataclasses.fields(classes["source"])]
    if "kinds" in source:
        text = f"Kind of one modality: {', '.join(KINDS)} (repeatable)"
        add_setting_by_modality(parser, "--kind", "source.kinds", help=text)
    if "trust_pickle" in source:
        text = "Load pickles with Python's own unpickler, which runs the code in them"
        add_setting(parser, "--trust-pickle", "source.trust_pickle", nargs=0, const=True, help=text)
    add("--output", metavar="DIR", help="Run directory; runs/... by default")
    add_loggers(parser)
    add("--resume", action="store_true", help="Go on with the run in --output")
    add("--quiet", action="store_true", help="Write nothing but errors to standard error")
    return parser


def _modalities(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _setting_lines(classes: Mapping[str, type], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Help on each setting, from the docstrings of the settings classes, with its default for these names."""
    from coral_plugin.runs.checks import written

    yield "settings, each for --set KEY=VALUE or --KEY VALUE:"
    for group, cls in classes.items():
        texts = dict(re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.getdoc(cls) or "", re.MULTILINE))
        for field in dataclasses.fields(cls):
            default = field.default_factory() if callable(field.default_factory) else field.default
            yield f"  {group}.{field.name} ({written(defaults.get(f'{group}.{field.name}', default))})"
            text = " ".join(texts.get(field.name, "").split())
            yield textwrap.fill(text, 100, initial_indent="      ", subsequent_indent="      ")
