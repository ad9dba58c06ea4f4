"""``coral doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import PackageNotFoundError, version

from coral_plugin.cli.flags import CommandParser
from coral_plugin.errors import CoralError, InputError, one_line
from coral_plugin.io.files import cache_folder
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES

NEEDED = {
    "torch": "torch",
    "pytorch-lightning": "pytorch_lightning",
    "numpy": "numpy",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "safetensors": "safetensors",
    "matplotlib": "matplotlib",
}
OPTIONAL = {
    "umap-learn": ("umap", "umap"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "h5py": ("h5py", "multibench"),
    "pandas": ("pandas", "multibench"),
}


def main(argv: list[str]) -> int:
    """Run ``coral doctor``; returns 0 if everything that is needed works, else 1."""
    parser = CommandParser(
        prog="coral doctor", description="Say what is installed, what is missing, and how to get it."
    )
    parser.add_argument(
        "--multibench", metavar="DIR", help="a MultiBench checkout; else MULTIBENCH_ROOT, else the current directory"
    )
    folder = parser.parse_args(argv).multibench
    from coral_plugin.multibench.checkout import find_checkout

    if folder is not None:
        find_checkout(folder)  # before anything is printed
    print(f"coral-multibench {version('coral-multibench')}, Python {platform.python_version()}, {platform.platform()}")
    works = [_package(name, module, None) for name, module in NEEDED.items()]  # every line is printed
    whole = all(works)
    for name, (module, extra) in OPTIONAL.items():
        _package(name, module, extra)
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that torch can use"
    print(f"device: {gpu}; {torch.get_num_threads()} threads")
    print(f"cache: {cache_folder()}")
    for registry in (OBJECTIVES, DATASETS, ENCODERS):
        for name in registry.names():
            try:
                registry.get(name)
            except CoralError as error:
                whole = False
                print(f"broken: {error}")
        print(f"{registry.kind}s: {', '.join(registry.names())}")
    return 0 if _multibench(folder) and whole else 1


def _multibench(folder: str | None) -> bool:
    """Print which checkout there is, what it needs here, and what of it imports; False where something is broken."""
    from coral_plugin.multibench.checkout import find_checkout
    from coral_plugin.multibench.compatibility import needs
    from coral_plugin.multibench.modules import survey
    from coral_plugin.multibench.shims import SCRIPT_SHIMS, SHIMS

    try:
        checkout = find_checkout(folder)
    except InputError as error:
        print(f"MultiBench: {error}")
        return True  # nothing else needs it
    print(f"MultiBench: {checkout.describe()}, found by {checkout.found_by}")
    for name in checkout.missing:
        print(f"  missing {name}")
    for need in needs((*SHIMS, *SCRIPT_SHIMS)):
        print(f"  {'shim  ' if need.why else 'unused'} {need.shim.name}: {need.shim.purpose}{_because(need.why)}")
    try:
        found = survey(checkout)
    except CoralError as error:
        print(f"  BROKEN {error}")
        return False
    print(f"  {sum(not why for why in found.values())} of {len(found)} modules import with these; the others:")
    for name, why in found.items():
        if why:
            print(f"  absent {name}: {why}")
    return not checkout.missing


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _package(name: str, module: str, extra: str | None) -> bool:
    """Print one line on a package; whether it works."""
    try:
        found = version(name)
    except PackageNotFoundError:
        how = f"pip install 'coral-multibench[{extra}]'" if extra else "pip install coral-multibench again"
        print(f"{'absent ' if extra else 'MISSING'} {name}: {how}")
        return extra is not None
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken library may raise anything while it is imported
        print(f"BROKEN  {name} {found}: {one_line(error, 150, with_type=True)}")
        return False
    print(f"ok      {name} {found}")
    return True
