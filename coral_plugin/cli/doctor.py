"""``coral doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import os
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import CoralError, InputError, one_line
from coral_plugin.io.files import cache_folder
from coral_plugin.registry import AUGMENTATIONS, DATASETS, ENCODERS, OBJECTIVES, OURS, outdated

_ORDER = ("MISSING", "BROKEN", "ok", "absent")  # lines on packages: what is wrong comes first
_FOR_DEVELOPERS = ("test", "lint", "docs", "release")  # extras


def main(argv: list[str]) -> int:
    """Run ``coral doctor``; returns 0 if everything that is needed works, else 1."""
    parser = CommandParser(
        prog="coral doctor", description="Show what is installed, what is missing, and how to get it."
    )
    parser.add_argument(
        "--multibench", metavar="DIR", help="MultiBench checkout; else MULTIBENCH_ROOT, else the current directory"
    )
    folder = parser.parse_args(argv).multibench
    from coral_plugin.multibench.checkout import find_checkout

    if folder is not None:
        find_checkout(folder)  # before anything is printed
    print(f"{OURS} {version(OURS)}, Python {platform.python_version()}, {platform.platform()}")
    states = [_package(name, extra) for name, extra in _requirements()]
    for line, _ in sorted(states, key=lambda state: _ORDER.index(state[0].split()[0])):
        print(line)
    whole = all(fine for _, fine in states)
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that torch can use"
    print(f"device: {gpu}; {torch.get_num_threads()} threads")
    print(f"cache: {cache_folder()}")
    if changed := outdated():
        whole = False
        print(f"broken: {changed}")
    for registry in (OBJECTIVES, DATASETS, ENCODERS, AUGMENTATIONS):
        for name in registry.names():
            try:
                registry.get(name)
            except CoralError as error:
                whole = False
                print(f"broken: {error}")
        for fault in filter(None, map(registry.shadowed, registry.entries())):
            whole = False
            print(f"broken: {fault}")
        print(f"{registry.kind}s: {', '.join(registry.names())}")
    whole = _multibench(folder) and whole
    print("everything that is needed works" if whole else "not everything works: MISSING, BROKEN or broken says what")
    return 0 if whole else 1


def _multibench(folder: str | None) -> bool:
    """Print the checkout, its shims and the modules that import; whether nothing of it is broken."""
    from coral_plugin.multibench.checkout import CLONE, VARIABLE, find_checkout
    from coral_plugin.multibench.compatibility import needs
    from coral_plugin.multibench.modules import survey
    from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS, SHIMS

    try:
        checkout = find_checkout(folder)
    except InputError as error:
        print(f"MultiBench: {error if os.environ.get(VARIABLE) else f'none; for coral run and its encoders: {CLONE}'}")
        return True  # nothing else needs it
    print(f"MultiBench: {checkout.describe()}, found by {checkout.found_by}")
    for name in checkout.missing:
        print(f"  missing {name}")
    for need in needs((*SHIMS, *SCRIPT_SHIMS)):
        print(f"  {'shim  ' if need.why else 'unused'} {need.shim.name}: {need.shim.purpose}{_because(need.why)}")
    try:
        faults = survey(checkout)
    except CoralError as error:
        print(f"  BROKEN {error}")
        return False
    print(f"  {sum(not why for why in faults.values())} of {len(faults)} modules import with these; the others:")
    for name, why in faults.items():
        if why:
            print(f"  absent {name}: {why}")
    return not checkout.missing


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _requirements() -> list[tuple[str, str | None]]:
    """Distributions that this one needs, each with the extra that brings it (None: needed by everybody)."""
    names = [
        (re.match(r"[\w.-]+", line)[0], re.search(r"extra == ['\"](\w+)", line))  # type: ignore[index]
        for line in requires(OURS) or ()
    ]
    extras = [(name, extra[1] if extra else None) for name, extra in names]
    wanted = [(name, extra) for name, extra in extras if extra not in _FOR_DEVELOPERS]
    return list({_plain(name): (name, extra) for name, extra in reversed(wanted)}.values())[::-1]  # each once


_modules = cache(packages_distributions)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _package(name: str, extra: str | None) -> tuple[str, bool]:
    """One line on a distribution; whether it works, or is not needed."""
    try:
        installed = version(name)
    except PackageNotFoundError:
        how = f"pip install '{OURS}[{extra}]'" if extra else f"pip install {OURS} again"
        return f"{'absent ' if extra else 'MISSING'} {name}: {how}", extra is not None
    plain = _plain(name)
    modules = [module for module, owners in _modules().items() if plain in map(_plain, owners)] or [plain]
    module = min(modules, key=lambda module: (module != plain, module.startswith("_"), module))
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken library may raise anything while it is imported
        return f"BROKEN  {name} {installed}: {one_line(error, 150, with_type=True)}", extra is not None
    return f"ok      {name} {installed}", True
